"""Networks in OpenVINO, which uses a CPU's bfloat16 units where it has them.

The graph is that of `onnx_file`: the strength is an input, so that one compiled
model serves every level.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from adafm_jax.engine.overlap import Runtime
from adafm_jax.errors import UserError
from adafm_jax.export import onnx_file
from adafm_jax.model_file.header import Header

DEVICE = 'CPU'


def choose(name: str, header: Header, params: Any) -> Runtime | None:
  """The runtime of a name; None for 'jax', which the engine has itself.

  Raises:
    UserError: see `make_runtime`.
  """
  return None if name == 'jax' else make_runtime(header, params)


def make_runtime(
  header: Header, params: Any, *, precision: str | None = None
) -> Runtime:
  """Compiles a network for the CPU.

  Args:
    header: of the model.
    params: its weights.
    precision: 'bf16' or 'f32'; None: bfloat16 where the CPU has units for it.

  Returns:
    What `engine.run.Network` takes as its runtime.

  Raises:
    UserError: the package openvino or onnx is missing.
  """
  openvino = _openvino()
  graph = onnx_file.build(header, params, onnx_file.Form())
  core = openvino.Core()
  compiled = core.compile_model(
    core.read_model(model=graph.SerializeToString()),
    DEVICE,
    {
      'INFERENCE_PRECISION_HINT': precision or best_precision(core),
      'PERFORMANCE_HINT': 'LATENCY',
    },
  )
  takes_strength = len(graph.graph.input) > 1

  def run(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    given = {'input': np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
    if takes_strength:
      given['strength'] = strength
    (output,) = compiled(given).values()
    return output.transpose(0, 2, 3, 1)

  return run


def _openvino() -> Any:
  """Imports OpenVINO without its telemetry.

  It would send statistics of use over the network, by a process forked from
  this one; it does without where the package for that is not installed.
  """
  absent = 'openvino_telemetry' not in sys.modules
  if absent:
    sys.modules['openvino_telemetry'] = None  # type: ignore[assignment]
  try:
    import openvino  # the extra 'openvino'
  except ImportError as error:
    raise UserError(
      "This runtime needs OpenVINO: pip install 'adafm_jax[openvino]'."
    ) from error
  finally:
    if absent:
      del sys.modules['openvino_telemetry']
  return openvino


def best_precision(core: Any) -> str:
  """'bf16' where the CPU computes in it, else 'f32'."""
  able = core.get_property(DEVICE, 'OPTIMIZATION_CAPABILITIES')
  return 'bf16' if 'BF16' in able else 'f32'

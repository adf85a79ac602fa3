"""Times functions against each other, and describes the machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from adafm_jax.model_file import provenance


def interleaved(
  functions: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, float]:
  """Median seconds of each function, after one call that compiles.

  The functions take turns, so other work on the machine slows all of them, and
  ratios hold even if the seconds don't.
  """
  for function in functions.values():
    function()
  taken: dict[str, list[float]] = {name: [] for name in functions}
  for _ in range(repeats):
    for name, function in functions.items():
      begun = time.perf_counter()
      function()
      taken[name].append(time.perf_counter() - begun)
  return {name: statistics.median(times) for name, times in taken.items()}


def calibration(repeats: int = 9) -> dict[str, float]:
  """GFLOP/s of a matrix product and a 3x3 convolution, float32, in XLA.

  Every table of speeds has it beside it, since machines differ by 4.
  """
  import jax
  import numpy as np

  rng = np.random.default_rng(0)
  side, features = 2048, 64
  a = jax.device_put(rng.random((side, side), np.float32))
  x = jax.device_put(rng.random((1, 256, 256, features), np.float32))
  w = jax.device_put(rng.random((3, 3, features, features), np.float32))
  product = jax.jit(lambda a: a @ a)
  convolve = jax.jit(
    lambda x, w: jax.lax.conv_general_dilated(
      x, w, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )
  )
  took = interleaved(
    {
      'matrix product': lambda: product(a).block_until_ready(),
      'convolution': lambda: convolve(x, w).block_until_ready(),
    },
    repeats,
  )
  flop = {
    'matrix product': 2 * side**3,
    'convolution': 2 * 9 * x.size * features,
  }
  return {name: flop[name] / took[name] / 1e9 for name in took}


def machine() -> dict[str, Any]:
  """The machine, its `calibration`, and versions behind a result."""
  import importlib.metadata

  import jax

  def version(name):
    try:
      return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      return None

  return {
    'device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
    'processor': provenance.processor(),
    'cores': os.cpu_count(),
    'gflops': calibration(),
    'python': platform.python_version(),
    'versions': {n: version(n) for n in ('jax', 'jaxlib', 'torch', 'numpy')},
  }

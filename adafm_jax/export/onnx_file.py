"""ONNX files: a network whose strength is an input, or is fixed.

Opset 11 is the oldest that serves: it brought the pixel shuffle in PyTorch's
order of channels, and clipping to bounds that are inputs.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

import numpy as np

from adafm_jax import files
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.export import description, onnx_network, onnx_picture
from adafm_jax.export.onnx_graph import Graph
from adafm_jax.model_file.header import Header
from adafm_jax.version import __version__

OPSET = 11
IR_VERSION = 6  # of that opset's time
DTYPES = ('float32', 'float16')
KEY = 'adafm'  # of the metadata
IMAGE, MAP = 'image', 'map'

Value = tuple[str, list[int | str]]  # an input or output: its name and axes


@dataclasses.dataclass(frozen=True)
class Form:
  """What a graph takes.

  Attributes:
    strength: IMAGE, one value for each image, [N]; or MAP, one for each pixel,
      [N, 1, H, W]. It says nothing where the level is fixed.
    level: fixed in the graph, in the model's unit; None: strength is an input.
      A graph of one level takes and gives RGB, see `onnx_picture`; others take
      what the network takes.
    size: (height, width) of every image, one at a time; None: any, and any
      number.
    dtype: of the weights and of what is computed with them. Inputs and the
      output are float32.
  """

  strength: str = IMAGE
  level: float | None = None
  size: tuple[int, int] | None = None
  dtype: str = 'float32'


def write(
  path: str | os.PathLike[str],
  header: Header,
  params: Any,
  form: Form,
  written: files.Written | None = None,
) -> None:
  """Writes an ONNX file, whole or not at all; see `build`.

  `written` is as in `files.atomic_path`.

  Raises:
    UserError: see `build`, or the file can't be written.
  """
  data = build(header, params, form).SerializeToString()
  files.write_bytes(path, data, written)


def build(header: Header, params: Any, form: Form) -> Any:
  """Makes a graph that onnx.checker has passed.

  Args:
    header: of the model.
    params: its weights.
    form: what the graph takes. Of a model without AdaFM layers the network has
      no strength.

  Returns:
    An `onnx.ModelProto`, with `description.describe` as JSON in its metadata
    under `KEY`.

  Raises:
    UserError: the package onnx is missing, the level is out of the model's
      range, or weights are too large for float16.
  """
  onnx = _onnx()
  graph = Graph(form.dtype)
  if form.level is None:
    inputs, output = _network(graph, header, params, form)
  else:
    inputs, output = _picture(graph, header, params, form)
  _check_finite(graph)
  model = onnx.helper.make_model(
    _proto(onnx, graph, inputs, output),
    opset_imports=[onnx.helper.make_opsetid('', OPSET)],
    ir_version=IR_VERSION,
    producer_name='adafm_jax',
    producer_version=__version__,
  )
  about = description.describe(header, **dataclasses.asdict(form))
  onnx.helper.set_model_props(model, {KEY: json.dumps(about)})
  onnx.checker.check_model(model, full_check=True)
  return model


def about(header: Header, form: Form) -> str:
  """What the file of a graph takes, in words."""
  shape = f'{form.size[0]} x {form.size[1]} pixels' if form.size else 'any size'
  if form.level is None:
    wanted = ''
    if header.arch.kernel:
      axes = '[N, 1, H, W]' if form.strength == MAP else '[N]'
      wanted = f', and strength {axes} (0 to 1: {header.levels})'
    return f'images of {header.arch.channels} channel(s), {shape}{wanted}'
  return (
    f'RGB images, {shape}, {levels.TASKS[header.levels.task].label(form.level)}'
  )


def _onnx() -> Any:
  try:
    import onnx  # the extra 'onnx': nothing else needs it
    import onnx.checker
    import onnx.helper
    import onnx.numpy_helper
  except ImportError as error:
    raise UserError(
      "ONNX files need the package onnx: pip install 'adafm_jax[onnx]'."
    ) from error
  return onnx


def _network(
  graph: Graph, header: Header, params: Any, form: Form
) -> tuple[list[Value], Value]:
  """The network itself: its inputs and output, of float32."""
  image = _axes(form, header.arch.channels)
  inputs: list[Value] = [('input', image)]
  strength = None
  if header.arch.kernel and form.strength == MAP:
    inputs.append(('strength', [image[0], 1, *image[2:]]))
    strength = onnx_network.halve_map(graph, 'strength')
  elif header.arch.kernel:
    inputs.append(('strength', image[:1]))
    strength = graph.node('Unsqueeze', 'strength', axes=[1, 2, 3])
  x = onnx_network.add_network(graph, params, header.arch, 'input', strength)
  onnx_picture.cropped(graph, x, 'input', form.size, name='output')
  return inputs, ('output', image)


def _picture(
  graph: Graph, header: Header, params: Any, form: Form
) -> tuple[list[Value], Value]:
  """A whole restoration at one level, RGB to RGB."""
  assert form.level is not None
  strength = header.strength(form.level)
  there, arch = onnx_network.at_strength(params, header.arch, strength)
  image, size, axes = 'input', form.size, _axes(form, 3)
  axes_out = axes
  if header.levels.task == 'sr':
    image = onnx_picture.enlarged(graph, image, form.level, size)
    image = onnx_picture.clipped(graph, image)
    axes_out = [*axes[:2], 'enlarged_height', 'enlarged_width']
    if size:
      size = onnx_picture.enlarged_size(size, form.level)
      axes_out = [*axes[:2], *size]

  def network(x: str) -> str:
    found = onnx_network.add_network(graph, there, arch, x, None)
    return onnx_picture.cropped(graph, found, x, size)

  luma = arch.channels == 1
  x = onnx_picture.with_luma(graph, image, network) if luma else network(image)
  onnx_picture.clipped(graph, x, 'output')
  return [('input', axes)], ('output', axes_out)


def _axes(form: Form, channels: int) -> list[int | str]:
  if form.size:
    return [1, channels, *form.size]
  return ['batch', channels, 'height', 'width']


def _check_finite(graph: Graph) -> None:
  bad = [
    name
    for name, x in graph.constants.items()
    if x.dtype == np.float16 and not np.isfinite(x).all()
  ]
  if bad:
    raise UserError(
      f'Weights {bad[0]} ({len(bad)} of {len(graph.constants)} tensors) are too'
      ' large for float16: export float32.'
    )


def _proto(onnx: Any, graph: Graph, inputs: list[Value], output: Value) -> Any:
  """The graph as an `onnx.GraphProto`."""

  def value(name: str, axes: list[int | str]) -> Any:
    kind = onnx.TensorProto.FLOAT
    return onnx.helper.make_tensor_value_info(name, kind, axes)

  return onnx.helper.make_graph(
    [
      onnx.helper.make_node(
        node.operator,
        list(node.inputs),
        [node.output],
        name=node.output,
        **node.attributes,
      )
      for node in graph.nodes
    ],
    'adafm',
    [value(*one) for one in inputs],
    [value(*output)],
    [
      onnx.numpy_helper.from_array(array, name)
      for name, array in graph.constants.items()
    ],
  )

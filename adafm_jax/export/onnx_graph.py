"""A graph of ONNX operators, put together node by node.

What is written here needs the package `onnx` (extra `onnx`) only where a graph
becomes a file, in `onnx_file`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Node(NamedTuple):
  """One operator.

  Attributes:
    operator: its ONNX name.
    inputs: names of values.
    output: name of its value.
    attributes: as `onnx.helper.make_node` takes them.
  """

  operator: str
  inputs: tuple[str, ...]
  output: str
  attributes: dict[str, Any]


class Graph:
  """Nodes in the order in which they run, and the constants they use.

  Attributes:
    dtype: that the network computes in, float32 or float16.
    nodes: so far.
    constants: by name.
  """

  def __init__(self, dtype: str = 'float32'):
    self.dtype = np.dtype(dtype)
    self.nodes: list[Node] = []
    self.constants: dict[str, np.ndarray] = {}
    self._taken: set[str] = set()

  def node(
    self, operator: str, *inputs: str, name: str = '', **attributes: Any
  ) -> str:
    """Adds a node and returns the name of its value.

    Args:
      operator: ONNX name.
      *inputs: names of values.
      name: of the value; made up if empty.
      **attributes: of the operator.
    """
    output = self._free(name or operator.lower())
    self.nodes.append(Node(operator, inputs, output, attributes))
    return output

  def constant(self, value: Any, name: str = 'constant') -> str:
    """Adds an array, of its own type, and returns its name."""
    name = self._free(name)
    self.constants[name] = np.ascontiguousarray(value)
    return name

  def numbers(self, *values: int) -> str:
    """Adds whole numbers, int64 [n]: sizes, axes, indices."""
    return self.constant(np.array(values, np.int64), 'numbers')

  def number(self, value: float) -> str:
    """Adds one float32 number, []."""
    return self.constant(np.float32(value), 'number')

  def weights(self, value: Any, name: str) -> str:
    """Adds an array in the type that the network computes in."""
    with np.errstate(over='ignore'):  # to infinity, which `onnx_file` refuses
      return self.constant(np.asarray(value, self.dtype), name)

  def cast(self, x: str, dtype: Any) -> str:
    """Converts a value to another type; see `onnx_file` for the numbers."""
    return self.node('Cast', x, to=_TYPES[np.dtype(dtype).name])

  def _free(self, name: str) -> str:
    found, count = name, 1
    while found in self._taken:
      count += 1
      found = f'{name}_{count}'
    self._taken.add(found)
    return found


# onnx.TensorProto's numbers, fixed by the format.
_TYPES = {'float32': 1, 'int64': 7, 'float16': 10}

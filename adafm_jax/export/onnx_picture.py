"""What surrounds the network, as ONNX operators: sizes, enlarging, colour.

The graph of one level is a whole restoration, RGB to RGB, as `Model.restore`
gives it: images are enlarged first in super-resolution, a luma network leaves
chroma as it is, and the result is clipped to [0, 1].
"""

from __future__ import annotations

import fractions
from collections.abc import Callable

import numpy as np

from adafm_jax.degrade import colour, resize
from adafm_jax.export.onnx_graph import Graph

# Of the fraction that stands for a scale: 64 bits hold all that is computed
# with it. Scales of up to nine decimals are exact. Of 10/3, 10 / 3 is found;
# any other moves pixel i by less than i / 10^9 pixels.
_MAX_DENOMINATOR = 10**9
# Keys' cubic kernel with a = -0.5 at 1 + f, f, 1 - f and 2 - f, as polynomials
# in f: a column for each of the four pixels, powers of f from 0 to 3.
_CUBIC = np.array(
  [
    [0.0, 1.0, 0.0, 0.0],
    [-0.5, 0.0, 0.5, 0.0],
    [1.0, -2.5, 2.0, -0.5],
    [-0.5, 1.5, -1.5, 0.5],
  ],
  np.float32,
)


def cropped(
  graph: Graph,
  x: str,
  like: str,
  size: tuple[int, int] | None,
  name: str = '',
) -> str:
  """Cuts [N, C, h, w] to the height and width of another, or a known size."""
  if size:
    end = graph.numbers(*size)
  else:
    last_two = graph.numbers(2), graph.numbers(4)
    end = graph.node('Slice', graph.node('Shape', like), *last_two)
  ends = graph.numbers(0, 0), end, graph.numbers(2, 3)
  return graph.node('Slice', x, *ends, name=name)


def clipped(graph: Graph, x: str, name: str = '') -> str:
  """To [0, 1]."""
  return graph.node('Clip', x, graph.number(0), graph.number(1), name=name)


def with_luma(
  graph: Graph, rgb: str, restore_luma: Callable[[str], str]
) -> str:
  """Restores Y of MATLAB's YCbCr and keeps the chroma.

  Y moves R, G and B alike, so that only its change is added to them.

  Args:
    graph: to add to.
    rgb: [N, 3, H, W] in [0, 1].
    restore_luma: adds what maps Y [N, 1, H, W], 16 / 255 to 235 / 255.

  Returns:
    [N, 3, H, W], not clipped.
  """
  weights = colour.Y_WEIGHTS.reshape(1, 3, 1, 1).astype(np.float32)
  offset = np.float32(colour.rgb_to_y(np.zeros((1, 3))) / 255)
  luma = graph.node(
    'Conv', rgb, graph.constant(weights), graph.constant(offset)
  )
  black, grey = colour.ycbcr_to_rgb(np.array([[16, 128, 128], [17, 128, 128]]))
  change = graph.node('Sub', restore_luma(luma), luma)
  gain = graph.constant((grey - black).reshape(1, 3, 1, 1).astype(np.float32))
  return graph.node('Add', rgb, graph.node('Mul', change, gain))


def enlarged(
  graph: Graph, image: str, scale: float, size: tuple[int, int] | None
) -> str:
  """Enlarges [N, C, H, W] by MATLAB's bicubic, see `resize.imresize`.

  Positions are computed in whole numbers, and so are exact at any size. The
  operator Resize is not used: its borders are others, and so are its positions
  where the scale doesn't divide the size.

  Args:
    graph: to add to.
    image: in [0, 1].
    scale: 1 or more.
    size: (H, W) if they are known.

  Returns:
    [N, C, ceil(H scale), ceil(W scale)], not clipped.
  """
  shape = graph.node('Shape', image)
  wanted = enlarged_size(size, scale) if size else (None, None)
  for axis in (2, 3):
    side = graph.node('Gather', shape, graph.constant(np.int64(axis)))
    taps, weights = _taps(graph, side, _exact(scale), wanted[axis - 2])
    # [..., n, 4, ...]: four pixels and their weights for each of the result.
    found = graph.node('Gather', image, taps, axis=axis)
    if axis == 2:
      weights = graph.node('Unsqueeze', weights, axes=[2])
    weighted = graph.node('Mul', found, weights)
    image = graph.node('ReduceSum', weighted, axes=[axis + 1], keepdims=0)
  return image


def enlarged_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
  """Height and width of what `enlarged` gives."""
  height, width = (resize.length(n, scale) for n in size)
  return height, width


def _exact(scale: float) -> fractions.Fraction:
  shortest = fractions.Fraction(str(scale))
  return shortest.limit_denominator(_MAX_DENOMINATOR)


def _taps(
  graph: Graph, size: str, ratio: fractions.Fraction, count: int | None
) -> tuple[str, str]:
  """The four pixels [n, 4], and their weights, that make each of the result.

  Pixel i of the result lies at u = (i + 1/2) q / p - 1/2 of the image, where
  p / q is the scale: u = ((2 i + 1) q - p) / 2p.

  Args:
    graph: to add to.
    size: pixels of the image, int64.
    ratio: the scale.
    count: n, if it is known; one runtime refuses Range of what it could fold.
  """
  p, q = ratio.numerator, ratio.denominator
  apply = graph.node

  def whole(value: int) -> str:
    return graph.constant(np.int64(value))

  if count:
    index = graph.numbers(*range(count))
  else:
    up = apply('Add', apply('Mul', size, whole(p)), whole(q - 1))
    index = apply('Range', whole(0), apply('Div', up, whole(q)), whole(1))
  position = apply('Add', apply('Mul', index, whole(2 * q)), whole(q - p))
  rest = apply('Mod', position, whole(2 * p))
  first = apply('Div', apply('Sub', position, rest), whole(2 * p))
  column = apply('Unsqueeze', first, axes=[1])
  taps = apply('Add', column, graph.numbers(-1, 0, 1, 2))
  # Symmetric borders: ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
  both = apply('Mul', size, whole(2))
  taps = apply('Mod', taps, both)
  mirrored = apply('Sub', apply('Sub', both, whole(1)), taps)
  taps = apply('Where', apply('Less', taps, size), taps, mirrored)

  f = apply('Unsqueeze', graph.cast(rest, np.float32), axes=[1])
  f = apply('Div', f, graph.number(2 * p))
  square = apply('Mul', f, f)
  powers = apply('Concat', f, square, apply('Mul', square, f), axis=1)
  bent = apply('MatMul', powers, graph.constant(_CUBIC[1:]))
  return taps, apply('Add', bent, graph.constant(_CUBIC[0]))

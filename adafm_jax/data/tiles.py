"""Cuts large images into overlapping sub-images, as is usual with DIV2K.

To cut a patch of 96 pixels, a sub-image of 480 is read, not a photograph of
2040 x 1356.
"""

from __future__ import annotations

from typing import NamedTuple

# Pixels, as in papers on super-resolution.
SIDE, STEP = 480, 240
# Up to this many pixels left over at an edge are added to the last sub-image.
_REST = 48
# The last sub-image begins at a multiple of it, so that patches can be drawn on
# a grid of 2, 3 or 4 pixels of the whole image. DIV2K's sides are multiples.
GRID = 12


class Tile(NamedTuple):
  """A part of an image, in pixels."""

  top: int
  left: int
  height: int
  width: int


def cut(
  height: int, width: int, side: int, step: int, grid: int = GRID
) -> list[Tile]:
  """Sub-images that cover an image.

  Args:
    height: of the image, pixels.
    width: of the image, pixels.
    side: of a sub-image, pixels. Those at the edges may be up to 48 pixels
      larger, so that no pixel is lost. 0 keeps the image whole.
    step: from one sub-image to the next, pixels.
    grid: the sub-images at the bottom and the right begin at multiples of it,
      pixels, and the others at multiples of `step`.

  Returns:
    The sub-images, row by row; an image no larger than one is kept whole.
  """
  if not side:
    return [Tile(0, 0, height, width)]
  return [
    Tile(top, left, high, wide)
    for top, high in _spans(height, side, step, grid)
    for left, wide in _spans(width, side, step, grid)
  ]


def _spans(size: int, side: int, step: int, grid: int) -> list[tuple[int, int]]:
  """(begin, length) along one axis."""
  if size <= side:
    return [(0, size)]
  begins = list(range(0, size - side + 1, step))
  if size - side - begins[-1] > _REST:
    begins.append((size - side) // grid * grid)
  return [(b, side) for b in begins[:-1]] + [(begins[-1], size - begins[-1])]


def name(image: str, index: int, count: int) -> str:
  """Name of a sub-image, counted from 1; a whole image keeps its name."""
  return image if count == 1 else f'{image}_s{index + 1:03d}'

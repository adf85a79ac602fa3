"""Contact sheets: the same detail at several strengths, side by side."""

from __future__ import annotations

import itertools
import math
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adafm_jax.degrade import colour

_STEP = 8  # pixels between the windows that crop_detail compares
GAP = 10  # white pixels around every cell
MAX_WIDTH = 512  # of a picture on the sheet, pixels
_FONT_SIZE = 14  # of captions, pixels


class Cell(NamedTuple):
  """One picture of a sheet.

  Attributes:
    image: uint8 [H,W,1] or [H,W,3].
    caption: the text under it, wrapped to the width of the picture.
  """

  image: np.ndarray
  caption: str


def contact_sheet(
  rows: Sequence[Sequence[Cell]],
  *,
  title: str = '',
  row_captions: Sequence[str] = (),
  column_captions: Sequence[str] = (),
  zoom: int = 1,
) -> Image.Image:
  """Lays pictures out in a grid, dark text on white.

  Pixels are shown as they are, or each as a square of `zoom` pixels. A picture
  wider than `MAX_WIDTH` is reduced by a whole factor, which its caption names.

  Args:
    rows: the cells, row by row; a shorter row leaves its last columns empty.
    title: at the top.
    row_captions: left of each row.
    column_captions: above each column.
    zoom: whole factor by which every pixel is repeated.

  Returns:
    The sheet, an RGB image. A picture is at the left of its column and the top
    of its row.

  Raises:
    ValueError: there is no cell, there are more captions than rows or columns,
      or an image isn't uint8 [H,W,1] or [H,W,3].
  """
  columns = max(map(len, rows), default=0)
  if not columns:
    raise ValueError('A contact sheet needs at least one cell.')
  if len(row_captions) > len(rows) or len(column_captions) > columns:
    raise ValueError('A contact sheet has more captions than rows or columns.')
  font = _font(_FONT_SIZE)
  grid = [[_block(cell, zoom, font) for cell in row] for row in rows]
  if column_captions:
    by_column = itertools.zip_longest(*grid)
    widths = [max(b.width for b in column if b) for column in by_column]
    named = zip(column_captions, widths, strict=False)
    grid.insert(0, [_text(caption, width, font) for caption, width in named])
  if row_captions:
    side = [''] * bool(column_captions) + list(row_captions)
    captions = itertools.zip_longest(side, grid, fillvalue='')
    grid = [[_text(c, 10 * _FONT_SIZE, font), *row] for c, row in captions]
  sheet = _lay_out(grid)
  if title:
    bold = _font(round(1.25 * _FONT_SIZE), bold=True)
    sheet = _stack(_text(title, sheet.width - 2 * GAP, bold), sheet, GAP)
  return sheet


def crop_detail(image: np.ndarray, size: int) -> tuple[slice, slice]:
  """Finds the square window with the most texture.

  Texture is the mean absolute difference of neighbouring luma values. Windows
  start at every eighth pixel and at the far edges; the first of equals wins.

  Args:
    image: uint8 [H,W,1] or [H,W,3]; take the clean one, since noise is texture
      too.
    size: side of the window in pixels; a smaller image side is taken whole.

  Returns:
    Slices of rows and columns: `other[crop_detail(clean, 64)]` is the same
    detail of another version of the picture.
  """
  luma = _rgb(image).astype(np.float64) @ colour.JPEG_Y_WEIGHTS
  height, width = (min(size, side) for side in luma.shape)
  change = np.zeros_like(luma)
  change[1:] += np.abs(np.diff(luma, axis=0))
  change[:, 1:] += np.abs(np.diff(luma, axis=1))
  # Sum over any window from four corners of the running sum.
  total = np.pad(change, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
  tops = _starts(luma.shape[0] - height)
  lefts = _starts(luma.shape[1] - width)
  rows = total[tops + height] - total[tops]
  sums = rows[:, lefts + width] - rows[:, lefts]
  # Rounded, so that rounding errors of the sums do not order equal windows.
  i, j = np.unravel_index(np.argmax(sums.round(3)), sums.shape)
  return (
    slice(int(tops[i]), int(tops[i]) + height),
    slice(int(lefts[j]), int(lefts[j]) + width),
  )


def _starts(last: int) -> np.ndarray:
  return np.unique([*range(0, last + 1, _STEP), last])


def _rgb(image: np.ndarray) -> np.ndarray:
  if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
    raise ValueError(
      'A picture must be uint8 [H,W,1] or [H,W,3], got'
      f' {image.dtype} {image.shape}.'
    )
  return np.broadcast_to(image, (*image.shape[:2], 3))


def _block(cell: Cell, zoom: int, font) -> Image.Image:
  """The picture above its caption."""
  pixels = _rgb(cell.image).repeat(zoom, axis=0).repeat(zoom, axis=1)
  picture = Image.fromarray(pixels)
  caption = cell.caption
  factor = math.ceil(picture.width / MAX_WIDTH)
  if factor > 1:
    small = [max(1, side // factor) for side in picture.size]
    picture = picture.resize((small[0], small[1]), Image.Resampling.LANCZOS)
    caption = f'{caption} (shown at 1/{factor} size)'.lstrip()
  text = _text(caption, max(picture.width, 6 * round(font.size)), font)
  return _stack(picture, text, 0, between=4 if caption else 0)


def _stack(
  top: Image.Image, bottom: Image.Image, edge: int, between: int = 0
) -> Image.Image:
  """One image below another, with a margin left of and above the upper one."""
  width = max(top.width + 2 * edge, bottom.width)
  below = edge + top.height + between
  stacked = Image.new('RGB', (width, below + bottom.height), 'white')
  stacked.paste(top, (edge, edge))
  stacked.paste(bottom, (0, below))
  return stacked


def _lay_out(grid: Sequence[Sequence[Image.Image]]) -> Image.Image:
  by_column = itertools.zip_longest(*grid)
  widths = [max(b.width for b in column if b) for column in by_column]
  heights = [max((b.height for b in row), default=0) for row in grid]
  lefts = list(
    itertools.accumulate(widths, lambda x, w: x + w + GAP, initial=GAP)
  )
  tops = list(
    itertools.accumulate(heights, lambda y, h: y + h + GAP, initial=GAP)
  )
  sheet = Image.new('RGB', (lefts[-1], tops[-1]), 'white')
  for row, top in zip(grid, tops, strict=False):
    for block, left in zip(row, lefts, strict=False):
      sheet.paste(block, (left, top))
  return sheet


def _text(text: str, width: int, font) -> Image.Image:
  """Text wrapped to `width`, or to the longest word if that is wider."""
  lines: list[str] = []
  for word in text.split():
    if lines and font.getlength(f'{lines[-1]} {word}') <= width:
      lines[-1] += f' {word}'
    else:
      lines.append(word)
  pitch = round(1.3 * font.size)
  longest = max((math.ceil(font.getlength(line)) for line in lines), default=0)
  block = Image.new('RGB', (longest, pitch * len(lines)), 'white')
  draw = ImageDraw.Draw(block)
  for i, line in enumerate(lines):
    draw.text((0, pitch * i), line, font=font, fill=(32, 32, 32))
  return block


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
  """A font of matplotlib, which unlike Pillow's has λ, σ and ×."""
  name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
  folder = pathlib.Path(mpl.get_data_path(), 'fonts', 'ttf')
  return ImageFont.truetype(folder / name, size)

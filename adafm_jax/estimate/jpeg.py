"""JPEG quality, read off a file's quantisation tables and off its pixels.

A JPEG's DCT coefficients are multiples of the steps in its table, and remain so
within rounding when the picture is stored without loss. How much likelier the
coefficients are as multiples of a quality's steps than as anything, summed over
them, tells the quality; the 64 places the 8x8 grid may have after cropping are
tried. A later, better compression blurs the multiples of an earlier one by a
known amount, so that the earlier can be seen through it.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from scipy import fft

from adafm_jax.degrade import colour

# The luma table of the JPEG standard, Annex K, which quality scales.
_STANDARD = np.array(
  [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
  ]
)
_BLOCK = 8
_ROUNDING = 0.4  # standard deviation of coefficients from rounding of pixels
_OUTLIERS = 0.02  # share of coefficients that lie anywhere
_SPREAD = 0.5  # of the errors of a later compression; small ones are smaller
_CLEAR = 4.0  # standard deviations from 0 at which a coefficient is not 0
_QUALITIES = range(1, 101)
_MAX_BLOCKS = 2000
_FEW_BLOCKS = 100  # for the search over grids
_MAX_EACH = 10  # coefficients of a block, on average
# Log-likelihood that a find must add: over chance, for 64 grids x 100
# qualities, by far.
_MIN_EVIDENCE = 25.0
_MIN_EACH = 0.02  # and a coefficient, since the model is not exact
# And that much if what repeats counts once: a ramp, stripes or a chessboard
# repeat a few values all over, which some quality's steps always fit. They
# reach 5.5. Every fourth photograph of BSD431 has 6.6 or more at quality 5,
# where coefficients repeat too, and 15 or more from quality 10 on. Seen through
# a later compression, stripes and waves reach 7.8.
_MIN_EACH_VALUE = 6.0
_MIN_EACH_EARLIER = 8.0
# The brightness of blocks alone proves nothing: a mosaic has one in each, and a
# night sky one in nearly all. The other coefficients must not speak against
# what they say. Seen through a later compression they are blurred: each costs
# up to 0.06 in BSD431 (10, then 30), and 0.15 where nothing was before.
_MIN_EACH_OTHER = -0.1


class Compression(NamedTuple):
  """Traces of JPEG compression in pixels.

  Attributes:
    quality: 1 to 100.
    grid: (row, column) of the first whole block, 0 to 7 each.
    turned: whether rows and columns have changed places since.
  """

  quality: int
  grid: tuple[int, int]
  turned: bool = False


def luma_table(quality: int) -> np.ndarray:
  """The IJG's luma table [8, 8] of a quality from 1 to 100."""
  scale = 5000 // quality if quality < 50 else 200 - 2 * quality
  return np.clip((_STANDARD * scale + 50) // 100, 1, 255)


def table_quality(table: np.ndarray) -> int:
  """The quality whose luma table is nearest, in the mean ratio of steps.

  Args:
    table: [8, 8] steps; those of cameras and Photoshop are not the IJG's.
  """
  steps = np.log(np.maximum(table.astype(np.float64), 1)).ravel()
  distances = np.square(steps - np.log(_tables())).mean(axis=1)
  return _QUALITIES[int(np.argmin(distances))]


@functools.cache
def _tables() -> np.ndarray:
  """Luma tables of all qualities: [100, 64]."""
  tables = [luma_table(quality).ravel() for quality in _QUALITIES]
  return np.array(tables, np.float64)


def find_compression(
  pixels: np.ndarray, later: np.ndarray | None = None
) -> Compression | None:
  """Looks for traces of JPEG compression in pixels.

  Args:
    pixels: float32 [H, W, 1 or 3] in [0, 1], from 8 bits.
    later: the luma table [8, 8] of a compression known to have come last, on
      the grid of (0, 0); then traces of an earlier, stronger one are looked
      for.

  Returns:
    What is likeliest, or None if there is no clear evidence of any: never
    compressed, resized or retouched since, or too small to tell.
  """
  if min(pixels.shape[:2]) < _BLOCK:
    return None
  return _find(pixels, later, False) or _find(pixels, later, True)


def _find(
  pixels: np.ndarray, later: np.ndarray | None, turned: bool
) -> Compression | None:
  """As `find_compression`, of pictures whose axes have changed places or not.

  The table is no mirror image of itself: a grid seen the wrong way is missed.
  """

  def sample_of(grid: tuple[int, int], most: int) -> _Coefficients:
    sample = _coefficients(pixels, grid, later, most)
    if not turned:
      return sample
    row, column = np.divmod(sample.places, _BLOCK)
    return sample._replace(places=column * _BLOCK + row)

  grids = [(row, column) for row in range(_BLOCK) for column in range(_BLOCK)]
  grid = max(grids, key=lambda g: _scores(sample_of(g, _FEW_BLOCKS)).max())
  sample = sample_of(grid, _MAX_BLOCKS)
  scores = _scores(sample)
  i = int(np.argmax(scores))
  evidence = float(scores[i])
  least = _MIN_EACH_VALUE if later is None else _MIN_EACH_EARLIER
  if (
    evidence < _MIN_EVIDENCE + _MIN_EACH * len(sample.values)
    or evidence * _variety(sample) < least
  ):
    return None
  other = sample.chosen(sample.places != 0)
  if _scores(other)[i] < _MIN_EACH_OTHER * len(other.values) or not len(
    other.values
  ):
    return None
  return Compression(_QUALITIES[i], grid, turned)


class _Coefficients(NamedTuple):
  """Coefficients that are clearly not 0, [N] each.

  Attributes:
    values: of the coefficients.
    noises: standard deviations of what was added to them.
    places: 0..63, row by row.
    last: steps of the last compression, if its grid was the same; or None.
  """

  values: np.ndarray
  noises: np.ndarray
  places: np.ndarray
  last: np.ndarray | None

  def chosen(self, which: np.ndarray) -> _Coefficients:
    """Those that a mask [N] picks."""
    return _Coefficients(
      self.values[which],
      self.noises[which],
      self.places[which],
      None if self.last is None else self.last[which],
    )


def _coefficients(
  pixels: np.ndarray,
  grid: tuple[int, int],
  later: np.ndarray | None,
  most: int,
) -> _Coefficients:
  """Coefficients of luma, of at most so many blocks."""
  blocks = _blocks(pixels, grid, most)
  values = fft.dctn(blocks * 255 - 128, axes=(1, 2), norm='ortho')
  values = values.reshape(-1, _BLOCK**2)
  # Flat areas repeat one mean over and over: each counts once.
  _, first = np.unique(np.round(values[:, 0], 1), return_index=True)
  repeated = np.ones(len(values), bool)
  repeated[first] = False
  values[repeated, 0] = 0
  noise = np.full(_BLOCK**2, _ROUNDING)
  if later is not None and grid != (0, 0):
    # On another grid, each coefficient has a share of all its errors.
    spread = np.mean(later.astype(np.float64) ** 2) / 12 * _SPREAD
    noise = np.sqrt(noise**2 + spread)
  block, place = np.nonzero(np.abs(values) > _CLEAR * noise)
  kept = slice(None, None, 1 + len(block) // (_MAX_EACH * most))
  block, place = block[kept], place[kept]
  last = None
  if later is not None and grid == (0, 0):
    last = later.ravel()[place].astype(np.float64)
  return _Coefficients(values[block, place], noise[place], place, last)


def _blocks(pixels: np.ndarray, grid: tuple[int, int], most: int) -> np.ndarray:
  """Blocks [N, 8, 8] of luma in [0, 1]: of many, those that vary most.

  None holds black or white, where clipping has moved the coefficients.
  """
  cut = pixels[grid[0] :, grid[1] :]
  height, width = (n // _BLOCK for n in cut.shape[:2])
  cut = cut[: height * _BLOCK, : width * _BLOCK]
  shape = (height, _BLOCK, width, _BLOCK, cut.shape[-1])
  blocks = cut.reshape(shape).swapaxes(1, 2)
  step = math.ceil(math.sqrt(height * width / (4 * most))) or 1
  blocks = blocks[::step, ::step].reshape(-1, _BLOCK, _BLOCK, cut.shape[-1])
  inside = (blocks > 0.5 / 255) & (blocks < 254.5 / 255)
  blocks = blocks[inside.all(axis=(1, 2, 3))]
  blocks = (
    blocks @ colour.JPEG_Y_WEIGHTS if blocks.shape[-1] == 3 else blocks[..., 0]
  )
  return blocks[np.argsort(-blocks.var(axis=(1, 2)), kind='stable')[:most]]


def _scores(sample: _Coefficients) -> np.ndarray:
  """Log-likelihood ratio of multiples of steps against anything: [100].

  One for each quality.
  """
  steps = _tables()[:, sample.places]
  multiples = steps * np.rint(sample.values / steps)
  if sample.last is None:
    rest = (sample.values - multiples) / sample.noises
    near = np.exp(-0.5 * rest**2) * (steps / sample.noises / math.tau**0.5)
  else:
    # Anything means any multiple of the last steps here, and a multiple of
    # larger steps has become the nearest of those.
    last = sample.last
    same = np.rint(multiples / last) == np.rint(sample.values / last)
    near = np.where(steps > last, same * steps / last, 1.0)
  return np.log(_OUTLIERS + (1 - _OUTLIERS) * near).sum(axis=1)


def _variety(sample: _Coefficients) -> float:
  """The effective number of different values, over that of all: (0, 1]."""
  sizes = np.rint(np.abs(sample.values)).astype(np.int64)
  _, counts = np.unique(sizes * _BLOCK**2 + sample.places, return_counts=True)
  return float(len(sizes) / np.square(counts, dtype=np.float64).sum())

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
_LUMA = np.array([0.299, 0.587, 0.114])  # full range, as JPEG files have it
_BLOCK = 8
_ROUNDING = 0.4  # standard deviation of coefficients from rounding of pixels
_OUTLIERS = 0.02  # share of coefficients that lie anywhere
_SPREAD = 0.5  # of the errors of a later compression; small ones are smaller
_CLEAR = 4.0  # standard deviations from 0 at which a coefficient is not 0
_COARSE = np.array([*range(3, 10, 2), *range(10, 96, 5), 97, 99])
_MOST_BLOCKS = 2000
_FEW_BLOCKS = 250  # for the search over grids
_MOST_COEFFICIENTS = 30_000
# Log-likelihood that a find must add: over chance, for 64 grids x 100
# qualities, by far.
_LEAST_EVIDENCE = 25.0
_LEAST_EACH = 0.02  # and a coefficient, since the model is not exact


class Compression(NamedTuple):
  """Traces of JPEG compression in pixels.

  Attributes:
    quality: 1 to 100.
    grid: (row, column) of the first whole block, 0 to 7 each.
    evidence: log-likelihood ratio against no compression, in nats.
  """

  quality: int
  grid: tuple[int, int]
  evidence: float


@functools.lru_cache(maxsize=128)
def luma_table(quality: int) -> np.ndarray:
  """The IJG's luma table [8, 8] of a quality from 1 to 100."""
  scale = 5000 // quality if quality < 50 else 200 - 2 * quality
  return np.clip((_STANDARD * scale + 50) // 100, 1, 255)


def table_quality(table: np.ndarray) -> int:
  """The quality whose luma table is nearest, in the mean ratio of steps.

  Args:
    table: [8, 8] steps; those of cameras and Photoshop are not the IJG's.
  """
  steps = np.log(np.maximum(table.astype(np.float64), 1))
  distances = [
    np.abs(steps - np.log(luma_table(quality))).mean()
    for quality in range(1, 101)
  ]
  return 1 + int(np.argmin(distances))


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
  best = (-np.inf, (0, 0))
  for grid in [(row, column) for row in range(8) for column in range(8)]:
    sample = _coefficients(pixels, grid, later, _FEW_BLOCKS)
    best = max(best, (max(_score(sample, q) for q in _COARSE), grid))
  sample = _coefficients(pixels, best[1], later, _MOST_BLOCKS)
  scores = [_score(sample, quality) for quality in range(1, 101)]
  quality = 1 + int(np.argmax(scores))
  evidence = scores[quality - 1]
  if evidence < _LEAST_EVIDENCE + _LEAST_EACH * len(sample.values):
    return None
  return Compression(quality, best[1], evidence)


class _Sample(NamedTuple):
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


def _coefficients(
  pixels: np.ndarray,
  grid: tuple[int, int],
  later: np.ndarray | None,
  most: int,
) -> _Sample:
  """Coefficients of luma, of at most so many blocks."""
  blocks = _blocks(pixels, grid, most)
  values = fft.dctn(blocks * 255 - 128, axes=(1, 2), norm='ortho')
  values = values.reshape(len(blocks), -1)
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
  kept = slice(None, None, 1 + len(block) // _MOST_COEFFICIENTS)
  block, place = block[kept], place[kept]
  last = None
  if later is not None and grid == (0, 0):
    last = later.ravel()[place].astype(np.float64)
  return _Sample(values[block, place], noise[place], place, last)


def _blocks(pixels: np.ndarray, grid: tuple[int, int], most: int) -> np.ndarray:
  """Blocks [N, 8, 8] of luma in [0, 1], evenly spread over the image.

  None holds black or white, where clipping has moved the coefficients.
  """
  cut = pixels[grid[0] :, grid[1] :]
  height, width = (n // _BLOCK for n in cut.shape[:2])
  cut = cut[: height * _BLOCK, : width * _BLOCK]
  blocks = cut.reshape(height, _BLOCK, width, _BLOCK, -1).swapaxes(1, 2)
  step = math.ceil(math.sqrt(height * width / (2 * most))) or 1
  blocks = blocks[::step, ::step].reshape(-1, _BLOCK, _BLOCK, cut.shape[-1])
  inside = (blocks > 0.5 / 255) & (blocks < 254.5 / 255)
  blocks = blocks[inside.all(axis=(1, 2, 3))]
  blocks = blocks[:: 1 + len(blocks) // most]
  return blocks @ _LUMA if blocks.shape[-1] == 3 else blocks[..., 0]


def _score(sample: _Sample, quality: int) -> float:
  """Log-likelihood ratio of multiples of a quality's steps against anything."""
  values = sample.values
  steps = luma_table(int(quality)).ravel()[sample.places].astype(np.float64)
  multiples = steps * np.rint(values / steps)
  if sample.last is None:
    near = np.exp(-0.5 * ((values - multiples) / sample.noises) ** 2)
    near *= steps / (sample.noises * np.sqrt(2 * np.pi))
  else:
    # Anything means any multiple of the last steps here, and a multiple of
    # larger steps has become the nearest of those.
    last = sample.last
    same = np.rint(multiples / last) == np.rint(values / last)
    near = np.where(steps > last, same * steps / last, 1.0)
  # They are clearly not 0, so that what rounds to 0 is no multiple.
  near = near * (multiples != 0)
  return float(np.log(_OUTLIERS + (1 - _OUTLIERS) * near).sum())

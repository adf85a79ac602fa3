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
_CLEAR = 4.0  # standard deviations from 0 at which a coefficient is not 0
_COARSE = np.array([*range(3, 10, 2), *range(10, 96, 5), 97, 99])
_MOST_BLOCKS = 2000
_FEW_BLOCKS = 250  # for the search over grids
_MOST_COEFFICIENTS = 30_000
# Log-likelihood that a find must add: over chance, for 64 grids x 100
# qualities, by far.
_LEAST_EVIDENCE = 25.0


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
      the grid of (0, 0), through which an earlier one is looked for.

  Returns:
    What is likeliest, or None if there is no clear evidence of any: never
    compressed, resized or retouched since, or too small to tell.
  """
  luma = pixels @ _LUMA.astype(np.float32) if pixels.shape[-1] == 3 else pixels
  luma = luma.reshape(pixels.shape[:2]) * np.float32(255)
  if min(luma.shape) < _BLOCK:
    return None
  best = (-np.inf, (0, 0))
  grids = [(row, column) for row in range(8) for column in range(8)]
  for grid in grids:
    values, noises, places = _coefficients(luma, grid, later, _FEW_BLOCKS)
    if len(values):
      scores = [_score(values, noises, places, q) for q in _COARSE]
      best = max(best, (max(scores), grid))
  grid = best[1]
  values, noises, places = _coefficients(luma, grid, later, _MOST_BLOCKS)
  if not len(values):
    return None
  scores = [_score(values, noises, places, q) for q in range(1, 101)]
  quality = 1 + int(np.argmax(scores))
  if scores[quality - 1] < _LEAST_EVIDENCE:
    return None
  return Compression(quality, grid, scores[quality - 1])


def _coefficients(
  luma: np.ndarray,
  grid: tuple[int, int],
  later: np.ndarray | None,
  most: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Coefficients that are clearly not 0: values, their noise, and places.

  Places are 0..63, row by row. Of equal blocks one is taken, and none with
  black or white, where clipping has moved the coefficients.
  """
  height, width = ((n - o) // _BLOCK for n, o in zip(luma.shape, grid))
  if not height or not width:
    return (np.zeros(0),) * 3
  cut = luma[grid[0] :, grid[1] :][: height * _BLOCK, : width * _BLOCK]
  blocks = cut.reshape(height, _BLOCK, width, _BLOCK).swapaxes(1, 2)
  blocks = blocks.reshape(-1, _BLOCK * _BLOCK)
  if len(blocks) > 4 * most:
    blocks = blocks[:: len(blocks) // (4 * most)]
  inside = (blocks.min(axis=1) > 1) & (blocks.max(axis=1) < 254)
  blocks = blocks[inside]
  blocks = blocks[:: max(1, len(blocks) // most)]
  shape = (-1, _BLOCK, _BLOCK)
  values = fft.dctn(blocks.reshape(shape) - 128, axes=(1, 2), norm='ortho')
  values = values.reshape(len(blocks), -1)
  # Flat areas repeat one mean over and over: each counts once.
  _, first = np.unique(np.round(values[:, 0], 1), return_index=True)
  repeated = np.ones(len(values), bool)
  repeated[first] = False
  values[repeated, 0] = 0
  noise = np.sqrt(_ROUNDING**2 + _later_variance(later, grid)).ravel()
  block, place = np.nonzero(np.abs(values) > _CLEAR * noise)
  kept = slice(None, None, 1 + len(block) // _MOST_COEFFICIENTS)
  block, place = block[kept], place[kept]
  return values[block, place], noise[place], place


def _later_variance(
  later: np.ndarray | None, grid: tuple[int, int]
) -> np.ndarray:
  """What a later quantisation on the grid (0, 0) adds to coefficients."""
  if later is None:
    return np.zeros((_BLOCK, _BLOCK))
  variance = later.astype(np.float64) ** 2 / 12
  if grid == (0, 0):
    return variance
  return np.full_like(variance, variance.mean())  # spread over all


def _score(
  values: np.ndarray, noises: np.ndarray, places: np.ndarray, quality: int
) -> float:
  """Log-likelihood ratio of multiples of a quality's steps against anything."""
  steps = luma_table(int(quality)).ravel()[places]
  rest = values - steps * np.rint(values / steps)
  # Not 0 is clear, so that what rounds to 0 is no multiple.
  near = np.exp(-0.5 * (rest / noises) ** 2) * (np.abs(values) > steps / 2)
  near *= steps / (noises * np.sqrt(2 * np.pi))
  return float(np.log(_OUTLIERS + (1 - _OUTLIERS) * near).sum())

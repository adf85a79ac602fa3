"""Levels read off a photograph: noise sigma and JPEG quality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adafm_jax.degrade import colour
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.estimate import jpeg as estimate_jpeg
from adafm_jax.estimate import noise as estimate_noise
from adafm_jax.images import alpha as alphas
from adafm_jax.images.photo import Photo

PIXELS, TABLES = 'pixels', 'quantisation tables'
BLOCKING, NO_TRACES = 'blocking', 'no traces of compression'
_BEST_QUALITY = 100
# An earlier compression counts if it was stronger by so much: the nearest
# qualities look alike through the later one.
_MIN_STEP = 5.0
_MIN_SHARE = 0.1
# Qualities that two ways of looking at one compression may differ by.
_SAME = 2

_LUMA = colour.JPEG_Y_WEIGHTS.astype(np.float32)
# Luma noise above the channels' by this factor and this much of sigma is no
# chance: with white noise, from held-out photographs, they differ by less.
_SMOOTHED_CHROMA = (1.3, 1.5)
# Unless luma holds fine texture: on held-out photographs the spread of its
# variances was 0.98 to 1.17 with noise of sigma 10 to 50, and above it without.
_MAX_SPREAD = 1.2
# So does fine texture of one channel, which leaves no other to tell it by.
# Where clean held-out photographs in grey seemed to have a noise of 1.8 or
# more, the spread was 1.15 or more; with noise, at most 1.1 in most of them.
_MAX_GREY_SPREAD = 1.12


class Estimate(NamedTuple):
  """An estimated level.

  Attributes:
    value: in the task's unit: sigma in 0..255 units, or JPEG quality 1..100.
    source: what it was read off: `PIXELS` (noise), `TABLES`, `BLOCKING`, or
      `NO_TRACES`.
    stated: of a quality from blocking, the better one of a later compression,
      which the file's tables or its pixels show as well; or None.
  """

  value: float
  source: str
  stated: float | None = None


class LevelEstimate(NamedTuple):
  """A level to restore with.

  Attributes:
    level: in the task's unit, no stronger than the model restores; it may be
      cleaner.
    sentence: for the user: the estimate, where it came from, and whether it was
      clipped to the model's range.
    estimate: before clipping.
  """

  level: float
  sentence: str
  estimate: Estimate


def estimate_sigma(pixels: np.ndarray) -> float:
  """Standard deviation of the noise of an image, in 0..255 units.

  A camera's JPEG file keeps half of the chroma's pixels, whose noise is so
  smoothed away: in the three channels together little noise seems left, where
  luma has it all. There the estimate is that of white noise with such a luma.

  Args:
    pixels: float32 [H, W, 1 or 3] in [0, 1].

  Returns:
    Sigma of one channel; see `estimate_noise.estimate_sigma`.
  """
  return _sigma(pixels, estimate_noise.estimate_sigma(pixels))


def _sigma(pixels: np.ndarray, sigma: float) -> float:
  """`estimate_sigma`, given the sigma of all channels together."""
  if pixels.shape[-1] == 1:
    return sigma
  luma = estimate_noise.estimate((pixels @ _LUMA)[..., None])
  from_luma = luma.sigma / float(np.linalg.norm(_LUMA))
  factor, more = _SMOOTHED_CHROMA
  smoothed = from_luma > factor * sigma + more
  return from_luma if smoothed and luma.spread <= _MAX_SPREAD else sigma


def estimate_quality(photo: Photo) -> Estimate:
  """JPEG quality that a photograph was compressed with, the lowest of several.

  The tables of a JPEG file tell its last compression; other files' pixels do,
  if they were stored without loss since. An earlier and stronger compression
  shows in the pixels alone, on any grid.

  Args:
    photo: of any format.

  Returns:
    Quality 1 to 100, on the IJG's scale, and where it was read off; 100 where
    there are no traces.
  """
  pixels = _seen(photo)
  found = estimate_jpeg.find_compression(pixels)
  if photo.jpeg_tables:
    later = photo.jpeg_tables[0]
    last = Estimate(estimate_jpeg.table_quality(later), TABLES)
  elif found:
    later = estimate_jpeg.luma_table(found.quality)
    later = later.T if found.turned else later
    last = Estimate(found.quality, BLOCKING)
  else:
    return Estimate(_BEST_QUALITY, NO_TRACES)
  # A picture that was turned or cropped has its blocks elsewhere.
  if found and abs(found.quality - last.value) <= _SAME:
    pixels = pixels[found.grid[0] :, found.grid[1] :]
  earlier = estimate_jpeg.find_compression(pixels, later)
  step = max(_MIN_STEP, _MIN_SHARE * last.value)
  if earlier and earlier.quality <= last.value - step:
    return Estimate(earlier.quality, BLOCKING, last.value)
  return last


def estimate_level(
  photo: Photo, span: LevelRange, gain: float = 1.0
) -> LevelEstimate:
  """The level to restore a photograph with.

  Args:
    photo: of any format.
    span: of the model; its task says what is estimated.
    gain: by which the photo was stretched; noise is that of before.

  Raises:
    UserError: the task is super-resolution, whose scale the user gives, or the
      picture is too small to estimate its noise.
  """
  task = levels.get_task(span.task)
  if task.name == 'denoise':
    estimate = _estimate_noise(_seen(photo), span, gain)
    sigma = task.label(estimate.value)
    sentence = f'Noise of {sigma}, estimated from the pixels'
  elif task.name == 'dejpeg':
    estimate = estimate_quality(photo)
    sentence = _tell_quality(estimate)
  else:
    raise UserError(
      f'The level of task {task.name} ({task.unit}) cannot be estimated; give'
      ' it.'
    )
  level = estimate.value
  if span.stronger(level):
    level = span.strongest
    sentence += (
      f'; {task.label(level)} is used, the nearest in the range of the model'
      f' ({span})'
    )
  return LevelEstimate(level, sentence + '.', estimate)


def _estimate_noise(
  pixels: np.ndarray, span: LevelRange, gain: float
) -> Estimate:
  """Sigma; see `estimate_level`."""
  if not estimate_noise.sides(pixels.shape):
    height, width, _ = pixels.shape
    raise UserError(
      f'{width} x {height} pixels are too few to estimate the noise; give the'
      ' level, as --level does.'
    )
  found = estimate_noise.estimate(pixels)
  sigma = _sigma(pixels, found.sigma)
  if span.cleaner(sigma):
    # The luma of fine texture in a clean JPEG looks like noise of sigma 9, and
    # what is clean must not be harmed.
    sigma = min(sigma, found.sigma)
    if pixels.shape[-1] == 1 and found.spread > _MAX_GREY_SPREAD:
      sigma = 0.0
  sigma = round(sigma, 1) if gain == 1 else float(f'{sigma / gain:.3g}')
  return Estimate(sigma, PIXELS)


def _seen(photo: Photo) -> np.ndarray:
  """Pixels; what is fully transparent is hidden."""
  if photo.alpha is None:
    return photo.pixels
  opaque = (photo.alpha > 0).astype(np.float32)
  return alphas.seen(photo.pixels, opaque)


def _tell_quality(estimate: Estimate) -> str:
  if estimate.source == NO_TRACES:
    return 'No traces of JPEG compression'
  quality = f'JPEG quality {estimate.value:g}'
  if estimate.source == TABLES:
    return f"{quality}, from the file's quantisation tables"
  if estimate.stated is None:
    return f'{quality}, estimated from the pixels'
  return (
    f'{quality}, estimated from the pixels: compressed again at'
    f' {estimate.stated:g} since'
  )

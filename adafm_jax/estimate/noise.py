"""The standard deviation of white noise, read off an image.

Patches of natural images fill few dimensions, and white noise fills all: the
smallest eigenvalues of the patches' covariance are the noise's variance (Liu,
Tanaka and Okutomi, 2012; Chen, Zhu and Heng, 2015). Three things are added to
that. Patches whose smoothed content varies more than noise explains are left
out (weak texture, as Liu et al. do). Sampling spreads the eigenvalues, which
biases the smallest: the bias is measured on pure noise with the same patches
and divided out. And noise that was clipped to 0..255 looks weaker: each channel
is scaled by what clipping leaves of its noise at the patches' brightness.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from scipy import special

from adafm_jax.estimate import parts

_MAX_PATCHES = 24_000
_SIDES = (7, 5, 4, 3, 2)
_MIN_RATIO = 4  # patches per dimension, for a side to serve
# Quantile of the eigenvalues that is taken for the noise's.
_LOW_QUANTILE = 0.125
_ROUNDS = 8
_SETTLED = 1e-3  # relative change of sigma at which rounds end
_MIN_GAIN = 0.02
# Share of pure-noise patches that count as untextured.
_CONFIDENCE = 0.99
_MAX_SIGMA = 250.0
_TINY = 1e-12
# Fine texture in a still picture, and what is drawn on a page, look a little
# like noise. Noise of a part alone counts from this sigma on, in one channel
# and in three, where there are some patches, and they hold little else.
_MIN_PATCHES = 300
_MIN_PART = (10.0, 5.0)
_MAX_SPREAD = 2.0
_SEED = 0


class _Sample(NamedTuple):
  """Patches of the parts of an image that may hold noise.

  Attributes:
    patches: float64 [N, C * side * side], in 0..255 units, of the channels that
      show noise.
    shape: (H, W, C, side), H and W of the part that they were taken from.
    partial: whether there are other parts.
  """

  patches: np.ndarray
  shape: tuple[int, int, int, int]
  partial: bool


class Noise(NamedTuple):
  """What is found in an image.

  Attributes:
    sigma: standard deviation in 0..255 units; 0 for an image that is too small,
      see `sides`, or without noise anywhere.
    spread: how much larger the middle one is of the variances that `sigma` was
      read off: about 1 for noise, more for fine texture.
  """

  sigma: float
  spread: float


def estimate_sigma(pixels: np.ndarray) -> float:
  """Standard deviation of the noise in an image; see `estimate`."""
  return estimate(pixels).sigma


def estimate(pixels: np.ndarray) -> Noise:
  """Estimates the noise in an image.

  The noise is taken to be white, the same wherever there is any, and clipped to
  the range of the image. Noise that a camera has smoothed counts for less than
  it shows.

  Args:
    pixels: float32 [H, W, 1 or 3] in [0, 1], of any size; of large images some
      24,000 patches are taken. Below about 6 x 6 pixels nothing is estimated.
  """
  rounding = parts.rounding(pixels)
  sample = _sample(pixels, rounding)
  if sample is None:
    return Noise(0.0, 1.0)
  found = _settle(sample, rounding)
  sure = (
    len(sample.patches) >= _MIN_PATCHES
    and found.sigma >= _MIN_PART[sample.shape[2] > 1]
    and found.spread <= _MAX_SPREAD
  )
  if sample.partial and not sure:
    everywhere = _sample(pixels, rounding, everywhere=True)
    if everywhere is None:
      return Noise(0.0, 1.0)
    return min(found, _settle(everywhere, rounding))
  return found


def _settle(sample: _Sample, rounding: float) -> Noise:
  """Estimates the noise from ever better choices of patches."""
  patches, shape = sample.patches, sample.shape
  channels, side = shape[2:]
  smooth = _texture(patches, side)
  chosen, sigma, spread = patches, 0.0, 1.0
  for _ in range(_ROUNDS):
    gains = _clipping_gains(chosen.reshape(len(chosen), channels, -1), sigma)
    scale = np.sqrt(gains).repeat(side * side)
    covariance = _covariance(chosen) / np.outer(scale, scale)
    lowest, median = np.quantile(
      np.linalg.eigvalsh(covariance), (_LOW_QUANTILE, 0.5)
    )
    variance = float(lowest) / _bias(*shape, _about(len(chosen)))
    spread = float(median) / max(variance, rounding, _TINY)
    before, sigma = sigma, min(max(variance - rounding, 0) ** 0.5, _MAX_SIGMA)
    if abs(sigma - before) <= _SETTLED * sigma:
      break
    limit = _most_texture(*shape) * (sigma**2 + rounding)
    chosen = _weak(patches, smooth, limit)
  return Noise(float(sigma), spread)


def sides(shape: tuple[int, ...]) -> list[int]:
  """Sides of patches of which an image [H, W, C] has enough, largest first.

  Of an image that has none, nothing can be told.
  """
  height, width, channels = shape
  return [
    side
    for side in _SIDES
    if max(height - side + 1, 0) * max(width - side + 1, 0)
    >= _MIN_RATIO * channels * side * side
  ]


def _sample(
  pixels: np.ndarray, rounding: float, *, everywhere: bool = False
) -> _Sample | None:
  """The largest patches of which there are enough, or None.

  Args:
    pixels: see `estimate_sigma`.
    rounding: its variance.
    everywhere: whether to take all that is not black or white.
  """
  height, width, channels = pixels.shape
  for side in sides(pixels.shape):
    rows, columns = _places(height, width, side)
    patches = _windows(pixels, side)[rows[:, None], columns]
    stride = max(1, int(_stride(height, width)))
    if everywhere:
      ends = (patches <= 0) | (patches >= 1)
      moving, seen = ~ends.all(axis=(2, 3, 4)), np.ones(channels, bool)
    else:
      reach = math.ceil(side / stride)
      moving, seen = parts.moving(patches * np.float32(255), rounding, reach)
      if stride > 1 and (inside := _box(moving, rows, columns, side)):
        found = _sample(pixels[inside], rounding)
        return found and found._replace(partial=True)
    chosen = patches[moving][:, seen].astype(np.float64) * 255
    dimensions = math.prod(chosen.shape[1:])
    if dimensions and len(chosen) >= _MIN_RATIO * dimensions:
      shape = (height, width, chosen.shape[1], side)
      partial = not moving.all()
      return _Sample(chosen.reshape(-1, dimensions), shape, partial)
  return None


def _box(
  moving: np.ndarray, rows: np.ndarray, columns: np.ndarray, side: int
) -> tuple[slice, slice] | None:
  """What holds all patches that move, if that is at most half of the image."""
  if not moving.any():
    return None
  within = []
  share = 1.0
  for axis, places in ((1, rows), (0, columns)):
    first, last = np.flatnonzero(moving.any(axis=axis))[[0, -1]]
    share *= (last - first + 1) / len(places)
    within.append(slice(places[first], places[last] + side))
  return (within[0], within[1]) if share <= 0.5 else None


def _windows(image: np.ndarray, side: int) -> np.ndarray:
  """All patches of [H, W, C]: a view [H', W', C, side, side]."""
  return np.lib.stride_tricks.sliding_window_view(
    image, (side, side), axis=(0, 1)
  )


def _stride(height: int, width: int) -> float:
  """Between patches, so that some 24,000 are evenly spread over an image."""
  return max(1.0, (height * width / _MAX_PATCHES) ** 0.5)


def _places(height: int, width: int, side: int) -> tuple[np.ndarray, ...]:
  """First rows and first columns of the patches that are taken."""
  ends = (height - side + 1, width - side + 1)
  stride = max(1.0, (ends[0] * ends[1] / _MAX_PATCHES) ** 0.5)
  return tuple(np.arange(0, n, stride).astype(np.int64) for n in ends)


@functools.lru_cache(maxsize=2)
def _noise(height: int, width: int, channels: int, side: int) -> np.ndarray:
  """Patches of unit noise, as many and as close together, in any order."""
  generator = np.random.default_rng(_SEED)
  if _stride(height, width) >= side:  # they don't overlap
    return generator.standard_normal((_MAX_PATCHES, channels * side * side))
  noise = generator.standard_normal((height, width, channels))
  rows, columns = _places(height, width, side)
  patches = _windows(noise, side)[rows[:, None], columns]
  return generator.permutation(patches.reshape(len(rows) * len(columns), -1))


def _covariance(patches: np.ndarray) -> np.ndarray:
  centred = patches - patches.mean(axis=0)
  return centred.T @ centred / len(patches)


def _about(count: int) -> int:
  """Rounds down to a power of 2 ** 0.25, so that few counts occur."""
  return int(2 ** (math.floor(4 * math.log2(count)) / 4))


@functools.lru_cache(maxsize=256)
def _bias(
  height: int, width: int, channels: int, side: int, count: int
) -> float:
  """A low eigenvalue of so many patches of unit noise; 1 of endless ones."""
  noise = _noise(height, width, channels, side)
  values = np.linalg.eigvalsh(_covariance(noise[: max(count, 2)]))
  return float(np.quantile(values, _LOW_QUANTILE))


@functools.lru_cache(maxsize=256)
def _most_texture(height: int, width: int, channels: int, side: int) -> float:
  """The texture that few patches of unit noise exceed."""
  noise = _noise(height, width, channels, side)
  return float(np.quantile(_texture(noise, side), _CONFIDENCE))


def _texture(patches: np.ndarray, side: int) -> np.ndarray:
  """Variance inside each patch, blurred over 2 x 2 pixels and all channels."""
  grey = patches.reshape(len(patches), -1, side, side).mean(axis=1)
  blurred = grey[:, 1:, 1:] + grey[:, :-1, 1:]
  blurred = (blurred + grey[:, 1:, :-1] + grey[:, :-1, :-1]) / 4
  return blurred.reshape(len(patches), -1).var(axis=1)


def _weak(patches: np.ndarray, texture: np.ndarray, limit: float) -> np.ndarray:
  """Patches with no more texture than noise explains; the weakest if few."""
  least = min(len(patches), 2 * _MIN_RATIO * patches.shape[1])
  count = max(int(np.count_nonzero(texture <= limit)), least)
  return patches[np.argpartition(texture, count - 1)[:count]]


def clipped_moments(
  value: np.ndarray, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
  """Mean and variance of N(value, sigma^2) clipped to 0..255."""
  low, high = -value / sigma, (255 - value) / sigma
  below, inside = special.ndtr(low), special.ndtr(high) - special.ndtr(low)
  above = 1 - below - inside
  density_low, density_high = (
    np.exp(-z * z / 2) / np.sqrt(2 * np.pi) for z in (low, high)
  )
  mean = value * inside + sigma * (density_low - density_high) + 255 * above
  square = (value**2 + sigma**2) * inside + 255**2 * above
  square += 2 * value * sigma * (density_low - density_high)
  square += sigma**2 * (low * density_low - high * density_high)
  return mean, np.maximum(square - mean**2, 0)


def _clipping_gains(patches: np.ndarray, sigma: float) -> np.ndarray:
  """What clipping leaves of the noise's variance in each channel, on average.

  Args:
    patches: [N, C, S], clipped, in 0..255 units.
    sigma: of the noise before clipping.

  Returns:
    [C], in (0, 1].
  """
  if sigma <= 0:
    return np.ones(patches.shape[1])
  # Brightness before clipping: noise lifts what lies below black, too.
  values = np.linspace(-2 * 255, 3 * 255, 512)
  means, variances = clipped_moments(values, sigma)
  left = np.interp(patches.mean(axis=2), means, variances).mean(axis=0)
  return np.maximum(left / sigma**2, _MIN_GAIN)

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

import numpy as np
from scipy import special

_MAX_PATCHES = 24_000
_SIDES = (7, 5, 4, 3, 2)
_MIN_RATIO = 4  # patches per dimension, for a side to serve
_LOWEST = 0.125  # quantile of the eigenvalues that is taken for the noise's
_ROUNDS = 8
_SETTLED = 1e-3  # relative change of sigma at which rounds end
_MIN_GAIN = 0.02
# Share of pure-noise patches that count as untextured.
_CONFIDENCE = 0.99
_ROUNDING = 1 / 12  # variance of rounding to 8 bits
_MAX_SIGMA = 250.0
_SEED = 0


def estimate_sigma(pixels: np.ndarray) -> float:
  """Standard deviation of the noise in an image, in 0..255 units.

  The noise is taken to be white, the same everywhere, and clipped to the range
  of the image. Noise that a camera has smoothed counts for less than it shows.

  Args:
    pixels: float32 [H, W, 1 or 3] in [0, 1], of any size; of large images some
      24,000 patches are taken. Below about 6 x 6 pixels nothing can be told.

  Returns:
    Sigma, 0 for an image that is too small or all black and white.
  """
  height, width, channels = pixels.shape
  side = _side(height, width, channels)
  if not side:
    return 0.0
  patches = _patches(pixels, side).astype(np.float64) * 255
  ends = (patches <= 0).all(axis=1) | (patches >= 255).all(axis=1)
  patches = patches[~ends]  # transparent or burnt out: noise can't show
  if len(patches) < _MIN_RATIO * patches.shape[1]:
    return 0.0
  shape = (height, width, channels, side)
  smooth = _texture(patches, side)
  chosen, sigma = patches, 0.0
  for _ in range(_ROUNDS):
    gains = _clipping_gains(chosen.reshape(len(chosen), channels, -1), sigma)
    scale = np.sqrt(gains).repeat(side * side)
    covariance = _covariance(chosen) / np.outer(scale, scale)
    variance = _lowest(covariance) / _bias(*shape, _about(len(chosen)))
    before, sigma = sigma, min(max(variance - _ROUNDING, 0) ** 0.5, _MAX_SIGMA)
    if abs(sigma - before) <= _SETTLED * sigma:
      break
    limit = _most_texture(*shape) * (sigma**2 + _ROUNDING)
    chosen = _weak(patches, smooth, limit)
  return float(sigma)


def _side(height: int, width: int, channels: int) -> int:
  """The largest patch of which there are enough; 0 if there is none."""
  for side in _SIDES:
    count = max(height - side + 1, 0) * max(width - side + 1, 0)
    if count >= _MIN_RATIO * channels * side * side:
      return side
  return 0


def _patches(image: np.ndarray, side: int) -> np.ndarray:
  """At most some 24,000 patches, evenly spread: [N, C * side * side]."""
  windows = np.lib.stride_tricks.sliding_window_view(
    image, (side, side), axis=(0, 1)
  )
  height, width = windows.shape[:2]
  step = max(1.0, (height * width / _MAX_PATCHES) ** 0.5)
  rows, columns = (
    np.arange(0, n, step).astype(np.int64) for n in (height, width)
  )
  taken = windows[rows[:, None], columns]
  return taken.reshape(len(rows) * len(columns), -1)


@functools.lru_cache(maxsize=2)
def _noise(height: int, width: int, channels: int, side: int) -> np.ndarray:
  """Patches of unit noise, as many and as close together, in any order."""
  generator = np.random.default_rng(_SEED)
  step = max(1.0, (height * width / _MAX_PATCHES) ** 0.5)
  if step >= side:  # they don't overlap
    return generator.standard_normal((_MAX_PATCHES, channels * side * side))
  patches = _patches(generator.standard_normal((height, width, channels)), side)
  return generator.permutation(patches)


def _covariance(patches: np.ndarray) -> np.ndarray:
  centred = patches - patches.mean(axis=0)
  return centred.T @ centred / len(patches)


def _lowest(covariance: np.ndarray) -> float:
  """A low quantile of the eigenvalues."""
  return float(np.quantile(np.linalg.eigvalsh(covariance), _LOWEST))


def _about(count: int) -> int:
  """Rounds down to a power of 2 ** 0.25, so that few counts occur."""
  return int(2 ** (math.floor(4 * math.log2(count)) / 4))


@functools.lru_cache(maxsize=256)
def _bias(
  height: int, width: int, channels: int, side: int, count: int
) -> float:
  """`_lowest` of so many patches of unit noise; 1 if they were endless."""
  noise = _noise(height, width, channels, side)
  return _lowest(_covariance(noise[: max(count, 2)]))


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

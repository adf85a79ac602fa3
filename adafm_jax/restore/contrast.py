"""Images that use little of their range, such as counts in a 16-bit file.

A network moves flat areas by a level or two of 255. Where the whole picture
holds not many more, that is worse than its noise. Noise and scale don't depend
on the contrast: the network sees a picture that fills the range, and of what it
changes the same part is changed in the picture. What JPEG leaves behind does
depend on it, and there nothing is stretched.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adafm_jax.restore import pipeline

# Outliers, a hot pixel or a lamp, don't count.
_QUANTILES = (0.001, 0.999)
_MAX_SAMPLES = 1_000_000
_MAX_STRETCHED = 0.25  # of the range: what uses more is taken as it is
_MIN_DEJPEG = 0.05  # of the range: what uses less is left alone
_BEYOND = 0.25  # how far outliers may lie outside of the network's range


class Contrast(NamedTuple):
  """How much of its range an image uses, and what is done about it.

  Attributes:
    low: float [B], what becomes 0 for the network.
    gain: float [B], by which it is stretched; 1 (and `low` 0) where it is not.
    used: float [B], share of the range that it uses.
    faint: bool [B], whether it must be left alone.
  """

  low: np.ndarray
  gain: np.ndarray
  used: np.ndarray
  faint: np.ndarray


def find(
  images: np.ndarray, task: str, alpha: np.ndarray | None = None
) -> Contrast:
  """Measures the contrast of images.

  Args:
    images: float [B, H, W, C], in [0, 1] but for noise.
    task: of the model.
    alpha: [H, W, 1] of a single image; what is fully transparent doesn't count.

  Returns:
    What is to be done; images of one value are taken as they are.
  """
  ends = np.array([_ends(image, alpha) for image in images])
  used = ends[:, 1] - ends[:, 0]
  weak = (used > 0) & (used <= _MAX_STRETCHED) & (task != 'dejpeg')
  return Contrast(
    low=np.where(weak, ends[:, 0], 0.0),
    gain=np.divide(1.0, used, out=np.ones_like(used), where=weak),
    used=used,
    faint=(used > 0) & (used < _MIN_DEJPEG) & (task == 'dejpeg'),
  )


def _ends(image: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
  values = image.reshape(-1, image.shape[-1])
  if alpha is not None:
    values = values[alpha.ravel() > 0]
  values = values[:: max(1, values.size // _MAX_SAMPLES)]
  return np.quantile(values, _QUANTILES) if values.size else np.zeros(2)


def limit(found: Contrast, gain: float | np.ndarray) -> Contrast:
  """Contrast that is raised by `gain`, [] or [B], and no more."""
  gain = np.broadcast_to(gain, found.gain.shape)
  return found._replace(gain=gain, low=np.where(gain > 1, found.low, 0.0))


def stretch(images: np.ndarray, found: Contrast) -> np.ndarray:
  """Raises the contrast of images where it is low.

  Args:
    images: float32 [B, H, W, C].
    found: their contrast.

  Returns:
    float32 [B, H, W, C]: those that are stretched in [0, 1], but for outliers.
  """
  if (found.gain == 1).all():
    return images
  low, gain = found.low[:, None, None, None], found.gain[:, None, None, None]
  raised = (images.astype(np.float64) - low) * gain
  raised = np.clip(raised, -_BEYOND, 1 + _BEYOND).astype(np.float32)
  return np.where(gain == 1, images, raised)


def prepare(
  images: np.ndarray, channels: int, found: Contrast, *, scale: float = 1.0
) -> tuple[np.ndarray, pipeline.Finish]:
  """As `pipeline.prepare`, for images that may be stretched.

  Args:
    images: float32 [B, H, W, C].
    channels: of the network.
    found: their contrast.
    scale: by which they are enlarged.

  Returns:
    The network's input and what turns its output into images.
  """
  pixels, finish = pipeline.prepare(
    stretch(images, found), channels, scale=scale
  )
  if (found.gain == 1).all():
    return pixels, finish
  base = pipeline.enlarge(images, scale) if scale != 1 else images
  before = finish(pixels).astype(np.float64)
  gain = found.gain[:, None, None, None]
  return pixels, lambda output: base + (finish(output) - before) / gain

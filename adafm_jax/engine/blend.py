"""A strength that varies over the image, by blending whole results.

The network itself accepts a map of strengths, in one pass. But an edge in the
map shows in the result: at a hard edge a trained 32-feature denoiser leaves the
range of both sides by 13 of 255, and a soft edge only softens the line. So
whole images are restored at single strengths and blended pixel by pixel. The
result is exact if the mask has few values (two passes for black and white), and
interpolated between the nearest strengths otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adafm_jax.degrade import resize

# A mask of more values is interpolated between strengths at most this far apart
# (measured error: 1.2 of 255, RMS, at the worst strength).
_SPACING = 1 / 8
_MAX_EXACT = 9

Restore = Callable[[np.ndarray, Any], np.ndarray]


def run(
  restore: Restore, images: np.ndarray, strengths: np.ndarray
) -> np.ndarray:
  """Restores images with a strength for each pixel.

  Args:
    restore: restore(images [B, H, W, C], strength ()) -> images.
    images: float32 [B, H, W, C].
    strengths: float32 [B, H, W] in [0, 1].

  Returns:
    float32 [B, H, W, C], not clipped: at each pixel the result at the pixel's
    strength, or between those at the two nearest of `knots`.
  """
  output = np.zeros_like(images)
  for image, values, out in zip(images, strengths, output, strict=True):
    chosen = knots(values)
    for i, knot in enumerate(chosen):
      weight = np.interp(values, chosen, np.arange(len(chosen)) == i)
      result = restore(image[None], knot)[0]
      out += weight[..., None].astype(np.float32) * result
  return output


def knots(values: np.ndarray) -> np.ndarray:
  """The strengths at which a map of strengths is computed, ascending.

  Args:
    values: any shape, in [0, 1].

  Returns:
    float32 [N]: the values themselves if there are few, else evenly spaced.
  """
  exact = np.unique(values)
  if len(exact) <= _MAX_EXACT:
    return exact.astype(np.float32)
  low, high = exact[0], exact[-1]
  count = int(np.ceil((high - low) / _SPACING)) + 1
  return np.linspace(low, high, count, dtype=np.float32)


def fit(mask: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
  """Resizes a mask [H, W] in [0, 1] to (H', W'), bicubic and clipped."""
  if mask.shape == size:
    return mask
  height, width = size
  return np.clip(resize.imresize(mask, size=(height, width)), 0, 1)

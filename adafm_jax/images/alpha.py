"""Alpha and the network: colours premultiplied before it, straight after."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_HOLE = 5  # pixels; hidden squares of this side are no holes


def premultiply(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
  """Colours on black.

  Args:
    pixels: float32 [H, W, C] in [0, 1], straight.
    alpha: float32 [H, W, 1] in [0, 1], or None.

  Returns:
    `pixels * alpha`, float32 [H, W, C]; `pixels` itself without alpha.
  """
  return pixels if alpha is None else pixels * alpha


def seen(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
  """What a network should see: hidden colours don't leak into visible ones.

  As `premultiply`, but that holes of a few pixels, where nothing is half
  transparent, get the colour of the nearest visible pixel. A file that makes
  one grey transparent has them all over, and black ones would look like noise.

  Args:
    pixels: see `premultiply`.
    alpha: see `premultiply`.
  """
  found = premultiply(pixels, alpha)
  if alpha is None or not ((alpha == 0) | (alpha == 1)).all():
    return found
  hidden = alpha[..., 0] == 0
  if hidden.all():
    return found
  holes = hidden & ~ndimage.binary_opening(hidden, np.ones((_HOLE, _HOLE)))
  if holes.any():
    rows, columns = ndimage.distance_transform_edt(
      hidden, return_distances=False, return_indices=True
    )
    found[holes] = pixels[rows[holes], columns[holes]]
  return found


def unpremultiply(
  output: np.ndarray, alpha: np.ndarray | None, hidden: np.ndarray
) -> np.ndarray:
  """Straight colours of a network's output.

  Args:
    output: float32 [H, W, C], of a premultiplied image.
    alpha: float32 [H, W, 1] in [0, 1], or None.
    hidden: float32 [H, W, C], straight colours before the network: where alpha
      is 0 nothing can be seen or restored, so these stay.

  Returns:
    float32 [H, W, C] in [0, 1]; `output` itself without alpha.
  """
  if alpha is None:
    return output
  straight = np.clip(output / np.maximum(alpha, 1e-6), 0, 1)
  return np.where(alpha > 0, straight, hidden).astype(np.float32)


def straight(samples: np.ndarray, highest: float) -> np.ndarray:
  """Straight colours of a file that holds premultiplied ones.

  Args:
    samples: [H, W, N] from 0 to `highest`; the last channel is alpha.
    highest: the value of white, and of full alpha.

  Returns:
    The same, but that colours are divided by alpha, and rounded if they are
    whole numbers.
  """
  part = np.maximum(samples[..., -1:] / highest, 1e-6)
  colours = np.minimum(samples[..., :-1] / part, highest)
  if samples.dtype.kind != 'f':
    colours = np.rint(colours)
  return np.concatenate(
    [colours.astype(samples.dtype), samples[..., -1:]], axis=-1
  )

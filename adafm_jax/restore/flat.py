"""Parts of a picture that are exactly flat, as a page or a caption bar is."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# Side of the smallest square of pixels that equal the next ones in both
# directions: 8 pixels with those. Noise never spares so many.
_SIDE = 7
# Share of such pixels from which on squares are looked for.
_MIN_SHARE = 1e-3


def keep(image: np.ndarray, output: np.ndarray) -> np.ndarray:
  """Puts exactly flat parts of an image back into what a denoiser made of it.

  They have no noise. A network that knows clipped noise makes white of a light
  page: under noise of sigma 50, what is 240 on average was white before.

  Args:
    image: float32 [H, W, C], the network's input.
    output: float32 [H, W, C].

  Returns:
    float32 [H, W, C].
  """
  beside = (image[:, 1:] == image[:, :-1]).all(axis=-1)  # [H, W - 1]
  below = (image[1:] == image[:-1]).all(axis=-1)
  # Of a pixel, the one to its right and the one below.
  calm = np.zeros(image.shape[:2], bool)
  calm[:-1, :-1] = beside[:-1] & below[:, :-1]
  if calm.mean() < _MIN_SHARE:
    return output
  found = ndimage.binary_opening(calm, np.ones((_SIDE, _SIDE), bool))
  flat = found.copy()
  flat[1:] |= found[:-1]
  flat[:, 1:] |= found[:, :-1]
  flat[1:, 1:] |= found[:-1, :-1] & beside[1:]
  return np.where(flat[..., None], image, output)

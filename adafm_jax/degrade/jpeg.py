"""JPEG compression, by a round trip through Pillow in memory."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from adafm_jax.errors import UserError

_MAX_SIDE = 65500  # pixels, of libjpeg


def jpeg(image: npt.NDArray[np.uint8], quality: float) -> npt.NDArray[np.uint8]:
  """Compresses and decompresses an image.

  Pillow's quantisation tables are the IJG's, those of MATLAB's encoder. Chroma
  has half the resolution (4:2:0), as in most files.

  Args:
    image: [H, W, C] uint8; C = 1 gives a grey JPEG, C = 3 a colour JPEG.
    quality: whole number in 1..100.

  Returns:
    [H, W, C] uint8.

  Raises:
    UserError: `quality` isn't a whole number in 1..100, C isn't 1 or 3, or the
      image is too wide or high for a JPEG file.
  """
  if not (1 <= quality <= 100 and quality == int(quality)):
    raise UserError(
      f'JPEG quality must be a whole number from 1 to 100, not {quality:g}.'
    )
  if image.ndim != 3 or image.shape[-1] not in (1, 3):
    raise UserError(
      'JPEG needs an image [H, W, 1] (grey) or [H, W, 3] (colour), not one '
      f'of shape {image.shape}.'
    )
  height, width, channels = image.shape
  if max(height, width) > _MAX_SIDE:
    raise UserError(
      f'JPEG holds up to {_MAX_SIDE} pixels a side; this image has'
      f' {width} x {height}.'
    )
  grey = channels == 1
  buffer = io.BytesIO()
  Image.fromarray(image[..., 0] if grey else image).save(
    buffer, 'JPEG', quality=int(quality), subsampling='4:2:0'
  )
  decoded = np.array(Image.open(buffer))
  return decoded[..., None] if grey else decoded

"""Image files as uint8 arrays, and back."""

from __future__ import annotations

import os
import re

import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from adafm_jax import files
from adafm_jax.degrade import colour
from adafm_jax.errors import UserError
from adafm_jax.images import formats, reading

# How Pillow's decoders call 16 bits a channel; it cuts RGB to 8 unasked.
_DEEP = re.compile(r';16[BLN]')
_NOT_PILLOW_S = ('AVIF', 'HEIF', 'JXL')
_TOO_DEEP = (
  'The image {} has more than 8 bits a channel, or signed ones; convert it to'
  ' 8 bits first.'
)


def read(path: str | os.PathLike[str]) -> np.ndarray:
  """Reads an image, turned as its EXIF orientation says.

  Args:
    path: of an 8-bit image file.

  Returns:
    uint8 [H, W, 1] if it is grey, else [H, W, 3]; palettes are resolved and
    alpha is dropped.

  Raises:
    UserError: the file can't be read, or has other samples than unsigned ones
      of up to 8 bits.
  """
  if formats.of_path(path) in _NOT_PILLOW_S:
    return _by_photo(path)
  with reading.explaining(path), Image.open(path) as image:
    if _is_deep(image):
      raise UserError(_TOO_DEEP.format(path))
    upright = ImageOps.exif_transpose(image)
    upright.info.pop('transparency', None)  # Pillow would warn
    grey = upright.mode in ('1', 'L', 'LA')
    array = np.asarray(upright.convert('L' if grey else 'RGB'))
  return array[..., None] if grey else array


def _is_deep(image: Image.Image) -> bool:
  """Whether a file has other samples than unsigned ones of up to 8 bits."""
  coding = ' '.join(str(tile[3]) for tile in getattr(image, 'tile', ()))
  if image.mode[0] in 'IF' or _DEEP.search(coding):
    return True
  # Of TIFF's separate planes and signed samples Pillow says nothing.
  tags = getattr(image, 'tag_v2', {})
  bits = tags.get(Base.BitsPerSample, (1,))
  kinds = tags.get(Base.SampleFormat, (1,))  # 1 is unsigned
  return max(bits) > 8 or max(kinds) > 1


def _by_photo(path: str | os.PathLike[str]) -> np.ndarray:
  """See `read`, of formats that only `photo` reads."""
  from adafm_jax.images import photo as photos

  read = photos.read_photo(path)
  if read.depth > 8:
    raise UserError(_TOO_DEEP.format(path))
  pixels = to_uint8(read.pixels)
  return np.repeat(pixels, 3, axis=-1) if read.grey_rgb else pixels


def write_png(
  path: str | os.PathLike[str],
  image: np.ndarray,
  written: files.Written | None = None,
) -> None:
  """Writes uint8 [H, W, 1 or 3] as PNG, see `files.atomic_path`."""
  with files.atomic_path(path, written) as temporary:
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
      temporary, format='PNG'
    )


def to_uint8(image: np.ndarray) -> np.ndarray:
  """Rounds an image in [0, 1], clipped to that, to 8 bits."""
  return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def to_channels(image: np.ndarray, channels: int) -> np.ndarray:
  """Brings uint8 [H, W, 1 or 3] to the channels a network works on.

  Grey becomes RGB by repetition; RGB becomes MATLAB's Y (16 to 235), rounded,
  as the DeJPEG data of the paper; a grey image is taken to be luma already.
  """
  if image.shape[-1] == channels:
    return image
  if channels == 3:
    return np.repeat(image, 3, axis=-1)
  return np.rint(colour.rgb_to_y(image)).astype(np.uint8)[..., None]

"""Decoding by Pillow, and what all decoders give."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from adafm_jax.images import metadata as metadatas
from adafm_jax.images.metadata import Metadata

# The mode of each kind of picture, and what its samples are: grey, colour,
# and either with alpha.
_MODES = {'1': 'L', 'L': 'L', 'LA': 'LA', 'La': 'LA', 'RGBA': 'RGBA'}
_MODES |= {'RGBa': 'RGBA', 'PA': 'RGBA', 'P': 'RGB', 'RGB': 'RGB'}
_MODES |= {'RGBX': 'RGB', 'YCbCr': 'RGB', 'CMYK': 'RGB'}


class Decoded(NamedTuple):
  """An image file's samples as they are stored.

  Attributes:
    samples: [H, W, N] uint8, uint16 or float32: grey, grey and alpha, RGB, or
      RGB and alpha; alpha is straight.
    highest: the sample that means 1.
    depth: see `Photo`.
    metadata: see `Photo`.
    orientation: EXIF orientation of the samples, 1 to 8.
    jpeg_tables: see `Photo`.
    notes: sentences for the user.
    lossless: see `Photo`.
  """

  samples: np.ndarray
  highest: float
  depth: int
  metadata: Metadata
  orientation: int = 1
  jpeg_tables: tuple[np.ndarray, ...] | None = None
  notes: tuple[str, ...] = ()
  lossless: bool = False


# The (width, height) that a file claims, as stored, and its orientation.
Measured = tuple[tuple[int, int], int]


def measure(data: bytes, kind: str) -> Measured:
  """See `Measured`, of a WebP or BMP file."""
  with Image.open(io.BytesIO(data), formats=(kind,)) as image:
    return image.size, metadatas.of_image(image)[1]


def decode(data: bytes, kind: str) -> Decoded:
  """Decodes a WebP or BMP file.

  Raises:
    ValueError: the file is refused; the reason completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  with Image.open(io.BytesIO(data), formats=(kind,)) as image:
    frames = getattr(image, 'n_frames', 1)
    if frames > 1:
      raise ValueError(
        f'it is animated, with {frames} frames; save each frame as an image'
      )
    image.load()
    metadata, orientation, notes = metadatas.of_image(image)
    samples, icc, converted = samples_of(image, metadata.icc)
  return Decoded(
    samples,
    255,
    8,
    metadata._replace(icc=icc),
    orientation,
    notes=tuple(filter(None, (*notes, converted))),
    lossless=kind == 'WEBP' and _is_lossless(data),
  )


def _is_lossless(data: bytes) -> bool:
  """Whether the picture of a WebP file is in a chunk of the lossless kind."""
  i = 12  # behind RIFF, the length and WEBP
  while i + 8 <= len(data):
    if data[i : i + 4] in (b'VP8 ', b'VP8L'):
      return data[i : i + 4] == b'VP8L'
    length = int.from_bytes(data[i + 4 : i + 8], 'little')
    i += 8 + length + length % 2
  return False


def samples_of(
  image: Image.Image, icc: bytes | None
) -> tuple[np.ndarray, bytes | None, str]:
  """Samples of an 8-bit Pillow image: grey or RGB, with alpha if it has some.

  Args:
    image: loaded.
    icc: its colour profile, or None.

  Returns:
    uint8 [H, W, 1 to 4], the colour profile of that, and a note for the user,
    '' if there is none.

  Raises:
    ValueError: of a colour space that is neither grey, RGB nor CMYK.
  """
  if image.mode not in _MODES:
    raise ValueError(
      f'its colours ({image.mode}) are neither grey, RGB nor CMYK; convert it'
      ' to RGB first'
    )
  note = ''
  if image.mode == 'CMYK':
    image, icc, note = _from_cmyk(image, icc)
  mode = _MODES[image.mode]
  # An RGB profile fits the palette, and not grey.
  of_rgb = metadatas.profile_space(icc) == 'RGB'
  if image.mode == 'P' and not of_rgb and _grey_palette(image):
    mode = 'L'
  if 'transparency' in image.info and mode in ('L', 'RGB'):
    mode = {'L': 'LA', 'RGB': 'RGBA'}[mode]
  # Pillow knows no way from a palette to grey with alpha, but over RGBA.
  if image.mode == 'P' and mode == 'LA':
    image = image.convert('RGBA')
  samples = np.asarray(image.convert(mode))
  return samples.reshape(*samples.shape[:2], -1), icc, note


def _grey_palette(image: Image.Image) -> bool:
  colours = np.array(image.getpalette('RGB')).reshape(-1, 3)
  used = colours[np.unique(np.asarray(image))]
  return bool((used == used[:, :1]).all())


def _from_cmyk(
  image: Image.Image, icc: bytes | None
) -> tuple[Image.Image, bytes | None, str]:
  """CMYK as RGB: by its colour profile into sRGB, else by plain arithmetic."""
  if icc:
    try:
      srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB'))
      profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
      rgb = ImageCms.profileToProfile(image, profile, srgb, outputMode='RGB')
      assert rgb is not None  # not in place
      note = 'It is CMYK and was converted to sRGB by its colour profile.'
      return rgb, srgb.tobytes(), note
    except (ImageCms.PyCMSError, OSError):
      pass  # a damaged profile is none
  note = 'It is CMYK without a colour profile, so that colours are a guess.'
  return image.convert('RGB'), None, note

"""Decoding image files other than TIFF: Pillow, and 16-bit PNG."""

from __future__ import annotations

import io
from typing import NamedTuple

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

from adafm_jax.images import metadata as metadatas
from adafm_jax.images.metadata import Metadata

# The mode of each kind of picture, and what its samples are: grey, colour,
# and either with alpha.
_MODES = {'1': 'L', 'L': 'L', 'LA': 'LA', 'La': 'LA', 'RGBA': 'RGBA'}
_MODES |= {'RGBa': 'RGBA', 'PA': 'RGBA', 'P': 'RGB', 'RGB': 'RGB'}
_MODES |= {'RGBX': 'RGB', 'YCbCr': 'RGB', 'CMYK': 'RGB'}

_TEXT_LOST = 'Its text is damaged or too long and was left out.'


class Decoded(NamedTuple):
  """An image file's samples as they are stored.

  Attributes:
    samples: [H, W, N] uint8, uint16 or float32: grey, grey and alpha, RGB, or
      RGB and alpha; alpha is straight.
    highest: the sample that means 1.
    depth: 8, 16 or 32.
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


def decode(data: bytes, kind: str) -> Decoded:
  """Decodes a PNG, JPEG, WebP or BMP file.

  Text in a PNG file that can't be read is left out, with a note.

  Raises:
    ValueError: the file is refused; the reason completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  try:
    return _decode(data, kind)
  except Exception:
    if kind != 'PNG' or (bare := _without_text(data)) == data:
      raise
  decoded = _decode(bare, kind)
  return decoded._replace(notes=(*decoded.notes, _TEXT_LOST))


def _without_text(data: bytes) -> bytes:
  """A PNG file without its chunks of text."""
  kept, i = [data[:8]], 8
  while i < len(data):
    end = i + 12 + int.from_bytes(data[i : i + 4], 'big')
    if data[i + 4 : i + 8] not in (b'tEXt', b'zTXt', b'iTXt'):
      kept.append(data[i:end])
    i = end
  return b''.join(kept)


def _decode(data: bytes, kind: str) -> Decoded:
  with Image.open(io.BytesIO(data), formats=(kind,)) as image:
    frames, pictures = getattr(image, 'n_frames', 1), ''
    if frames > 1 and image.format != 'MPO':
      raise ValueError(
        f'it is animated, with {frames} frames; save each frame as an image'
      )
    if frames > 1:  # previews and gain maps of cameras and telephones
      pictures = f'Of the {frames} pictures in the file, the first was taken.'
    image.load()
    metadata, orientation, notes = metadatas.of_image(image)
    if kind == 'PNG' and data[24] == 16:  # IHDR: bits of a sample
      samples = imagecodecs.png_decode(data)
      samples = samples.reshape(*samples.shape[:2], -1)
      return Decoded(samples, 65535, 16, metadata, orientation, notes=notes)
    low = kind == 'PNG' and data[24] < 8 and data[25] == 0  # bits; 0: grey
    if low:  # its transparent grey isn't on the scale of Pillow's samples
      image.info.pop('transparency', None)
    samples, icc, converted = samples_of(image, metadata.icc)
    tables = _tables(image)
    if low:
      samples = _with_transparency(samples, data)
  return Decoded(
    samples,
    255,
    8,
    metadata._replace(icc=icc),
    orientation,
    tables,
    tuple(filter(None, (*notes, pictures, converted))),
    kind == 'WEBP' and _is_lossless(data),
  )


def _tables(image: Image.Image) -> tuple[np.ndarray, ...] | None:
  """Quantisation tables of a JPEG file, that of the first component first."""
  tables = getattr(image, 'quantization', None)
  if not tables:
    return None
  layers = getattr(image, 'layer', None)
  luma = layers[0][3] if layers else 0  # (name, width, height, table)
  order = sorted(tables, key=lambda number: (number != luma, number))
  return tuple(np.array(tables[i], np.uint16).reshape(8, 8) for i in order)


def _is_lossless(data: bytes) -> bool:
  """Whether the picture of a WebP file is in a chunk of the lossless kind."""
  i = 12  # behind RIFF, the length and WEBP
  while i + 8 <= len(data):
    if data[i : i + 4] in (b'VP8 ', b'VP8L'):
      return data[i : i + 4] == b'VP8L'
    length = int.from_bytes(data[i + 4 : i + 8], 'little')
    i += 8 + length + length % 2
  return False


def _with_transparency(samples: np.ndarray, data: bytes) -> np.ndarray:
  """Adds the alpha of a grey PNG file of 1, 2 or 4 bits.

  Its transparent grey is in those bits, while Pillow scales the samples to 8.
  """
  place = data.find(b'tRNS')
  if not 0 <= place < data.find(b'IDAT'):
    return samples
  grey = int.from_bytes(data[place + 4 : place + 6], 'big')
  transparent = samples == grey * 255 // (2 ** data[24] - 1)
  alpha = np.where(transparent, np.uint8(0), np.uint8(255))
  return np.concatenate([samples, alpha], axis=-1)


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
  if image.mode == 'P' and _grey_palette(image):
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

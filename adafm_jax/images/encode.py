"""Encoding samples and metadata as PNG, JPEG, WebP and BMP files."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

from adafm_jax.images import exif as exifs
from adafm_jax.images import iptc as iptcs
from adafm_jax.images import jpeg, png
from adafm_jax.images.carry import Carried

_SHARP_QUALITY = 90  # from here on, chroma at full resolution is worth it


class Settings(NamedTuple):
  """How samples are encoded.

  Attributes:
    quality: 1 to 100, of formats with loss.
    lossless: whether a format that can do both keeps every sample.
    bits: of a sample that count; they are the lowest of uint16.
  """

  quality: int = 95
  lossless: bool = False
  bits: int = 8

  @property
  def sharp(self) -> bool:
    """Whether chroma keeps its full resolution."""
    return self.quality >= _SHARP_QUALITY


def as_pillow(samples: np.ndarray) -> Image.Image:
  """uint8 [H, W, N] as an image."""
  return Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)


def _common(carried: Carried) -> dict[str, Any]:
  """What all of Pillow's writers take."""
  given: dict[str, Any] = {'icc_profile': carried.icc, 'dpi': carried.dpi}
  if len(carried.exif):
    given['exif'] = exifs.encoded(carried.exif)
  return {name: value for name, value in given.items() if value}


def encode_jpeg(
  samples: np.ndarray, carried: Carried, settings: Settings
) -> bytes:
  """A JPEG file of uint8 [H, W, 1 or 3]."""
  given = {
    'quality': settings.quality,
    'subsampling': '4:4:4' if settings.sharp else '4:2:0',
    **_common(carried),
    **({'xmp': carried.xmp} if carried.xmp else {}),
    **({'comment': carried.comment.encode()} if carried.comment else {}),
  }
  if carried.iptc:
    given['extra'] = jpeg.photoshop(iptcs.block(carried.iptc))
  image, data = as_pillow(samples), io.BytesIO()
  try:
    image.save(data, 'JPEG', optimize=True, **given)
  except OSError:  # grain takes more bytes than Pillow keeps for optimizing
    data = io.BytesIO()
    image.save(data, 'JPEG', **given)
  return data.getvalue()


def encode_webp(
  samples: np.ndarray, carried: Carried, settings: Settings
) -> bytes:
  """A WebP file of uint8 [H, W, 3 or 4]."""
  given = _common(carried)
  given.pop('dpi', None)  # it is in EXIF
  data = io.BytesIO()
  as_pillow(samples).save(
    data,
    'WEBP',
    quality=settings.quality,
    lossless=settings.lossless,
    exact=True,  # keep the colours that cannot be seen
    **given,
    **({'xmp': carried.xmp} if carried.xmp else {}),
  )
  return data.getvalue()


def encode_bmp(
  samples: np.ndarray, carried: Carried, settings: Settings
) -> bytes:
  """A BMP file of uint8 [H, W, 1 or 3]."""
  del settings
  data = io.BytesIO()
  given = {'dpi': carried.dpi} if carried.dpi else {}
  as_pillow(samples).save(data, 'BMP', **given)
  return data.getvalue()


def encode_png(
  samples: np.ndarray, carried: Carried, settings: Settings
) -> bytes:
  """A PNG file of uint8 or uint16 [H, W, 1 to 4]."""
  del settings
  texts = PngImagePlugin.PngInfo()
  if carried.xmp:
    packet = carried.xmp.decode('utf-8', 'replace')
    texts.add_itxt('XML:com.adobe.xmp', packet)
  if carried.iptc:
    raw = png.raw_profile('iptc', iptcs.block(carried.iptc))
    texts.add_text(*raw, zip=True)
  for name, text in carried.text:
    texts.add_text(name, text)  # as iTXt where it isn't Latin-1
  given = {**_common(carried), 'pnginfo': texts}
  data = io.BytesIO()
  if samples.dtype == np.uint8:
    as_pillow(samples).save(data, 'PNG', **given)
    chunks, _ = png.split(data.getvalue())
  else:
    import imagecodecs

    # Pillow has no 16-bit colour, imagecodecs no metadata: join them.
    as_pillow(samples[:1, :1].astype(np.uint8)).save(data, 'PNG', **given)
    small, _ = png.split(data.getvalue())
    extra = [c for c in small if c[0] not in (b'IHDR', b'IDAT', b'IEND')]
    picture = bytes(imagecodecs.png_encode(samples, level=6))
    header, *rest = png.split(picture)[0]
    chunks = [header, *extra, *rest]
  return png.join([chunks[0], *carried.colours, *chunks[1:]])

"""The decoder of each kind of file, and the size that a file claims."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable

import tifffile
from PIL import Image

from adafm_jax.images import avif, decode, heif, jpeg, jxl, png, tiff
from adafm_jax.images.decode import Decoded

DECODERS: dict[str, Callable[[bytes], Decoded]] = {
  'PNG': png.decode_png,
  'JPEG': jpeg.decode_jpeg,
  'TIFF': tiff.decode_tiff,
  'WEBP': functools.partial(decode.decode, kind='WEBP'),
  'BMP': functools.partial(decode.decode, kind='BMP'),
  'AVIF': avif.decode_avif,
  'HEIF': heif.decode_heif,
  'JXL': jxl.decode_jxl,
}


def measure(data: bytes, kind: str) -> tuple[int, int]:
  """The (width, height) that a file claims, before it is decoded.

  Raises:
    Exception: whatever a damaged header happens to break.
  """
  if kind == 'TIFF':
    with tifffile.TiffFile(io.BytesIO(data)) as file:
      page = file.pages.first
      return page.imagewidth, page.imagelength
  if kind in _MEASURES:
    return _MEASURES[kind](data)
  with Image.open(io.BytesIO(data), formats=(kind,)) as image:
    return image.size


_MEASURES: dict[str, Callable[[bytes], tuple[int, int]]] = {
  'PNG': png.measure,
  'JPEG': jpeg.measure,
  'AVIF': avif.measure,
  'HEIF': heif.measure,
  'JXL': jxl.measure,
}

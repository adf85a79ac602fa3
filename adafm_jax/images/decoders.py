"""The decoder of each kind of file, and the size that a file claims."""

from __future__ import annotations

import functools
from collections.abc import Callable

from adafm_jax.images import avif, decode, heif, jpeg, jxl, png, tiff
from adafm_jax.images.decode import Decoded, Measured

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
  """The (width, height) that a file claims, before it is decoded; upright.

  Raises:
    Exception: whatever a damaged header happens to break.
  """
  (width, height), orientation = _MEASURES[kind](data)
  return (height, width) if orientation >= 5 else (width, height)


_MEASURES: dict[str, Callable[[bytes], Measured]] = {
  'PNG': png.measure,
  'JPEG': jpeg.measure,
  'TIFF': tiff.measure,
  'WEBP': functools.partial(decode.measure, kind='WEBP'),
  'BMP': functools.partial(decode.measure, kind='BMP'),
  'AVIF': avif.measure,
  'HEIF': heif.measure,
  'JXL': jxl.measure,
}

"""The decoder of each kind of file."""

from __future__ import annotations

import functools
from collections.abc import Callable

from adafm_jax.images import avif, decode, heif, jpeg, jxl, png, tiff
from adafm_jax.images.decode import Decoded

DECODERS: dict[str, Callable[[bytes], Decoded]] = {
  'PNG': png.decode_png,
  'JPEG': jpeg.decode_jpeg,
  'TIFF': tiff.decode,
  'WEBP': functools.partial(decode.decode, kind='WEBP'),
  'BMP': functools.partial(decode.decode, kind='BMP'),
  'AVIF': avif.decode_avif,
  'HEIF': heif.decode_heif,
  'JXL': jxl.decode_jxl,
}

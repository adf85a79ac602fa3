"""The decoder of each kind of file."""

from __future__ import annotations

import functools
from collections.abc import Callable

from adafm_jax.images import decode, jpeg, png, tiff
from adafm_jax.images.decode import Decoded

DECODERS: dict[str, Callable[[bytes], Decoded]] = {
  'PNG': png.decode_png,
  'JPEG': jpeg.decode_jpeg,
  'TIFF': tiff.decode,
  'WEBP': functools.partial(decode.decode, kind='WEBP'),
  'BMP': functools.partial(decode.decode, kind='BMP'),
}

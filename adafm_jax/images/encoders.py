"""The encoder of each format but TIFF, which is written piece by piece."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adafm_jax.images import avif, encode, jxl
from adafm_jax.images.carry import Carried
from adafm_jax.images.encode import Settings

ENCODERS: dict[str, Callable[[np.ndarray, Carried, Settings], bytes]] = {
  'PNG': encode.encode_png,
  'JPEG': encode.encode_jpeg,
  'WEBP': encode.encode_webp,
  'BMP': encode.encode_bmp,
  'AVIF': avif.encode_avif,
  'JXL': jxl.encode_jxl,
}

"""Writing photographs: depth, alpha and metadata are kept where they can be."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from adafm_jax.restore.photo import Photo


def write_photo(
  path: str | os.PathLike[str],
  pixels: np.ndarray,
  like: Photo,
  *,
  format: str | None = None,
  quality: int = 95,
  extra_text: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
  """Writes a photograph, whole or not at all.

  Args:
    path: of the new file; its folder is made if it is missing.
    pixels: float32 [H, W, 1 or 3] in [0, 1] (clipped to that, and rounded to
      the depth of the file), with straight colours.
    like: the photograph it was made of. Its depth, alpha and metadata are
      written as far as the format can carry them. Its alpha must have the size
      of `pixels`: after enlarging, give `like._replace(alpha=...)`.
    format: 'PNG', 'JPEG', 'TIFF', 'WEBP' or 'BMP'; by default what the suffix
      of `path` says.
    quality: of JPEG and WebP, 1 to 100; WebP at 100 is lossless.
    extra_text: names and texts to keep in the file: text chunks of a PNG, EXIF
      UserComment (as JSON) of JPEG, WebP and TIFF.

  Returns:
    Sentences for the user: what the format could not carry. Often none.

  Raises:
    UserError: the format is unknown, can't hold the size, or the file can't be
      written.
  """
  raise NotImplementedError

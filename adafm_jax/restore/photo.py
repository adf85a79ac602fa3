"""Photographs: image files of any depth, with all that they carry."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from adafm_jax.restore.metadata import Metadata


class Photo(NamedTuple):
  """An image file, read.

  Attributes:
    pixels: float32 [H, W, C] in [0, 1], C = 1 (grey) or 3 (RGB), upright.
      Colours under an alpha channel are straight, not premultiplied.
    alpha: float32 [H, W, 1] in [0, 1], 1 is opaque; None if the file has none.
    depth: bits of a channel in the file: 8, 16, or 32 for floats.
    format: what the file is, whatever its name says: 'PNG', 'JPEG', 'TIFF',
      'WEBP' or 'BMP'.
    metadata: EXIF, ICC profile, DPI and XMP.
    jpeg_tables: quantisation tables of a JPEG file, luma first, each [8, 8]
      with the vertical frequency first; otherwise None.
    notes: sentences for the user about what was changed in reading.
  """

  pixels: np.ndarray
  alpha: np.ndarray | None = None
  depth: int = 8
  format: str = 'PNG'
  metadata: Metadata = Metadata()
  jpeg_tables: tuple[np.ndarray, ...] | None = None
  notes: tuple[str, ...] = ()


def read_photo(path: str | os.PathLike[str]) -> Photo:
  """Reads an image file.

  Args:
    path: of a PNG, JPEG, TIFF, WebP or BMP file with one picture.

  Returns:
    The photograph; `notes` tells what the user should know.

  Raises:
    UserError: the file can't be read, holds several pictures, or is of a kind
      that is not supported; one sentence that names the file.
  """
  raise NotImplementedError

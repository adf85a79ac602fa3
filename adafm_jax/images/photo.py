"""Photographs: image files of any depth, with all that they carry."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from adafm_jax.errors import UserError
from adafm_jax.images import formats, reading
from adafm_jax.images.metadata import Metadata

_KINDS = (
  ('PNG', b'\x89PNG\r\n\x1a\n'),
  ('JPEG', b'\xff\xd8\xff'),
  ('TIFF', b'II*\0'),
  ('TIFF', b'MM\0*'),
  ('TIFF', b'II+\0'),
  ('TIFF', b'MM\0+'),
  ('BMP', b'BM'),
  ('JXL', b'\xff\x0a'),
  ('JXL', b'\0\0\0\x0cJXL '),
)
# Brands of files made of boxes.
_BRANDS = {b'avif': 'AVIF', b'avis': 'AVIF'} | dict.fromkeys(
  (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1'),
  'HEIF',
)
# Known by their first bytes only to be named in the refusal.
_OTHERS = (
  ('a GIF', b'GIF8'),
  ('a Photoshop document', b'8BPS'),
  ('a PDF', b'%PDF'),
  ('a JPEG 2000 image', b'\0\0\0\x0cjP'),
  ('a Radiance HDR image', b'#?RAD'),
  ('an OpenEXR image', b'\x76\x2f\x31\x01'),
)
Admit = Callable[[int, int], None]
_SUPPORTED = 'PNG, JPEG, TIFF, WebP, AVIF, JPEG XL, HEIC or BMP'


class Photo(NamedTuple):
  """An image file, read.

  Attributes:
    pixels: float32 [H, W, C] in [0, 1], C = 1 (grey) or 3 (RGB), upright.
      Colours under an alpha channel are straight, not premultiplied.
    alpha: float32 [H, W, 1] in [0, 1], 1 is opaque; None if the file has none.
    depth: bits of a channel in the file: 8, 10, 12, 16, or 32 for floats.
    format: what the file is, whatever its name says: one of the values of
      `formats.SUFFIXES`.
    metadata: what the file says beside its pixels.
    jpeg_tables: quantisation tables of a JPEG file, luma first, each [8, 8]
      with the vertical frequency first, turned as the pixels; otherwise None.
    notes: sentences for the user about what was changed in reading.
    lossless: whether a WebP or JPEG XL file was compressed without loss.
    grey_rgb: whether the file has RGB channels, though all three are equal, so
      that `pixels` has one. It is written as RGB again.
  """

  pixels: np.ndarray
  alpha: np.ndarray | None = None
  depth: int = 8
  format: str = 'PNG'
  metadata: Metadata = Metadata()
  jpeg_tables: tuple[np.ndarray, ...] | None = None
  notes: tuple[str, ...] = ()
  grey_rgb: bool = False
  lossless: bool = False


def read_photo(
  path: str | os.PathLike[str], admit: Admit | None = None
) -> Photo:
  """Reads an image file.

  Args:
    path: of a file with one picture, of a format in `formats.SUFFIXES`.
    admit: called with the width and height that the file claims, before it is
      decoded; may wait, or raise `UserError`.

  Returns:
    The photograph; `notes` says what the user should know.

  Raises:
    UserError: the file can't be read, holds several pictures, or is of a kind
      that is not supported; one sentence that names the file.
  """
  path = pathlib.Path(path)
  with reading.explaining(path):
    if path.is_fifo() or path.is_socket():  # opening a pipe would wait
      raise ValueError('it is not a file')
    with path.open('rb') as file:
      _kind(file.read(64))  # refuses a film before it is read
      file.seek(0)
      data = file.read()
  if admit:
    size = None
    with contextlib.suppress(UserError):  # decoding says better what is wrong
      size = measure(data, os.fspath(path))
    if size:
      admit(*size)
  photo = decode_photo(data, os.fspath(path))
  named = formats.of_path(path) or photo.format
  if named == photo.format:
    return photo
  note = f'It is a {photo.format} file, though its name says {named}.'
  return photo._replace(notes=(note, *photo.notes))


def measure(data: bytes, name: str) -> tuple[int, int]:
  """The (width, height) that an image file claims, before it is decoded.

  They are those of the picture upright, as it will be decoded.

  Args:
    data: the file.
    name: what messages call it.

  Raises:
    UserError: it is of no known kind, or its header is damaged.
  """
  from adafm_jax.images import decoders

  with reading.explaining(name):
    return decoders.measure(data, _kind(data[:64]))


def decode_photo(data: bytes, name: str) -> Photo:
  """Decodes an image file that is in memory; see `read_photo`.

  Args:
    data: the file.
    name: what messages call it.
  """
  # Some 0.1 s, which `import adafm_jax` should not take.
  from adafm_jax.images import decoders

  with reading.explaining(name):
    kind = _kind(data[:64])
    decoded = decoders.DECODERS[kind](data)
  samples = upright(decoded.samples, decoded.orientation)
  colours = 3 if samples.shape[-1] > 2 else 1
  picture = samples[..., :colours]
  grey_rgb = colours == 3 and bool((picture == picture[..., :1]).all())
  if grey_rgb:
    picture = picture[..., :1]
  alpha = samples[..., colours:] if samples.shape[-1] > colours else None
  tables = decoded.jpeg_tables
  if tables and decoded.orientation >= 5:
    tables = tuple(table.T for table in tables)
  return Photo(
    _unit(picture, decoded.highest),
    None if alpha is None else _unit(alpha, decoded.highest),
    decoded.depth,
    kind,
    decoded.metadata,
    tables,
    decoded.notes,
    grey_rgb,
    decoded.lossless,
  )


def _kind(head: bytes) -> str:
  """The format by a file's first bytes.

  Raises:
    ValueError: the file is empty, or is none that we read.
  """
  if not head:
    raise ValueError('the file is empty')
  for kind, magic in _KINDS:
    if head.startswith(magic):
      return kind
  if head[:4] == b'RIFF' and head[8:12] == b'WEBP':
    return 'WEBP'
  for name, magic in _OTHERS:
    if head.startswith(magic):
      raise ValueError(f'it is {name}; convert it to {_SUPPORTED}')
  if head[4:8] == b'ftyp':
    length = int.from_bytes(head[:4], 'big')
    brands = [head[i : i + 4] for i in (8, *range(16, min(length, 64), 4))]
    kinds = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    if kinds:  # 'mif1' alone says only that there is a picture
      return 'AVIF' if 'AVIF' in kinds else kinds[0]
    raise ValueError(f'it is a video; convert it to {_SUPPORTED}')
  raise ValueError(f'it is not an image of a known kind ({_SUPPORTED})')


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
  """Turns [H, W, C] that is stored in an EXIF orientation, 1 to 8."""
  if orientation >= 5:
    image = image.transpose(1, 0, 2)
  # What is left after exchanging the axes: which of them run backwards.
  if orientation in (3, 4, 7, 8):
    image = image[::-1]
  if orientation in (2, 3, 6, 7):
    image = image[:, ::-1]
  return image


def _unit(samples: np.ndarray, highest: float) -> np.ndarray:
  """Samples as contiguous float32 in [0, 1]; the highest becomes 1 exactly."""
  return np.ascontiguousarray(samples / np.float32(highest), np.float32)

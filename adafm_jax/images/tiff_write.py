"""Writing TIFF files of any depth with their metadata, through tifffile."""

from __future__ import annotations

import os
import pathlib
import struct
from typing import Any, Literal

import numpy as np
import tifffile
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from adafm_jax.images import exif as exifs
from adafm_jax.images.carry import Carried

_BYTE, _ASCII, _SHORT, _LONG = 1, 2, 3, 4
_XMP, _IPTC = 700, 33723
_HEADERS = {'<': b'II*\0\x08\0\0\0', '>': b'MM\0*\0\0\0\x08'}
# tifffile leaves these out where they are given as numbers.
_NAMES: dict[int, str] = {IFD.Exif: 'ExifTag', IFD.GPSInfo: 'GPSTag'}
# Given to tifffile by name.
_NAMED = (
  Base.XResolution,
  Base.YResolution,
  Base.ResolutionUnit,
  Base.ImageDescription,
  Base.Software,
)

_Tag = tuple[int | str, int, int, Any, bool]  # as tifffile takes them


def write(path: pathlib.Path, samples: np.ndarray, carried: Carried) -> None:
  """Writes a TIFF file, compressed without loss, in the byte order of its EXIF.

  Args:
    path: of the file.
    samples: [H, W, N] uint8, uint16 or float32; N = 1 grey, 2 grey and alpha,
      3 RGB, 4 RGB and alpha.
    carried: what goes into the file beside them.
  """
  channels, exif = samples.shape[-1], carried.exif
  order: Literal['<', '>'] = '>' if exif.endian == '>' else '<'
  resolution = None
  if Base.XResolution in exif:
    resolution = (exif[Base.XResolution], exif[Base.YResolution])
  tifffile.imwrite(
    path,
    samples[..., 0] if channels == 1 else samples,
    byteorder=order,
    bigtiff=False,
    photometric='rgb' if channels > 2 else 'minisblack',
    planarconfig='contig' if channels > 1 else None,
    extrasamples=['unassalpha'] if channels in (2, 4) else None,
    compression='zlib',
    predictor=True,
    metadata=None,
    description=_bytes(exif.get(Base.ImageDescription)),
    software=_bytes(exif.get(Base.Software)) or False,
    resolution=resolution,
    resolutionunit='inch' if resolution else None,
    iccprofile=carried.icc,
    extratags=_tags(carried),
  )
  for tag in _NAMES:
    if tag in exif:
      _append(path, tag, exif[tag], order)


def _tags(carried: Carried) -> list[_Tag]:
  """XMP, IPTC and EXIF; pointers to sub-directories are set afterwards."""
  found: list[_Tag] = [
    (key, kind, len(value), value, True)
    for key, kind, value in (
      (_XMP, _BYTE, carried.xmp),
      (_IPTC, exifs.UNDEFINED, carried.iptc),
    )
    if value
  ]
  for tag, value in carried.exif.items():
    if tag in _NAMES:
      found.append((_NAMES[tag], _LONG, 1, 0, True))
    elif tag not in _NAMED:
      found += _entries(tag, value)
  return found


def _bytes(value: str | None) -> bytes | None:
  """Text as bytes; Pillow takes those of EXIF for Latin-1."""
  return None if value is None else value.encode('latin-1', 'replace')


def _entries(tag: int, value: Any) -> list[_Tag]:
  """One tag of the main directory; none of a type that is not its own."""
  if isinstance(value, bytes):
    return [(tag, _BYTE, len(value), value, True)]
  if isinstance(value, str):
    return [(tag, _ASCII, 0, _bytes(value), True)]
  if isinstance(value, int) and 0 <= value < 2**16:
    return [(tag, _SHORT, 1, value, True)]
  return []


def _append(
  path: pathlib.Path, tag: int, entries: dict[int, Any], order: str
) -> None:
  """Writes a sub-directory at the end, and the main one's pointer to it."""
  directory = ImageFileDirectory_v2(_HEADERS[order], group=tag)
  for key, value in entries.items():
    if isinstance(value, bytes) and not exifs.is_byte(tag, key):
      directory.tagtype[key] = exifs.UNDEFINED
    directory[key] = value
  with path.open('r+b') as file:
    end = file.seek(0, os.SEEK_END)
    offset = end + end % 2  # directories begin at even bytes
    file.write(b'\0' * (offset - end) + directory.tobytes(offset))
    file.seek(4)
    (main,) = struct.unpack(order + 'I', file.read(4))
    file.seek(main)
    (count,) = struct.unpack(order + 'H', file.read(2))
    keys = struct.unpack(order + count * 'H10x', file.read(12 * count))
    file.seek(main + 2 + 12 * keys.index(tag) + 8)  # its value
    file.write(struct.pack(order + 'I', offset))

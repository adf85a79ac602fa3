"""The formats that are read and written, and what each can carry."""

from __future__ import annotations

import os
import pathlib
from typing import NamedTuple

SUFFIXES = {
  '.png': 'PNG',
  '.jpg': 'JPEG',
  '.jpeg': 'JPEG',
  '.jpe': 'JPEG',
  '.jfif': 'JPEG',
  '.tif': 'TIFF',
  '.tiff': 'TIFF',
  '.webp': 'WEBP',
  '.bmp': 'BMP',
  '.avif': 'AVIF',
  '.jxl': 'JXL',
  '.heic': 'HEIF',
  '.heif': 'HEIF',
  '.hif': 'HEIF',
}
# What the result of a file becomes whose format is read and not written: a
# sibling that keeps its bits, transparency and colours.
SIBLINGS = {'HEIF': '.avif'}
CHUNKS, CODES, PROFILE = 'chunks', 'codes', 'profile'


class Format(NamedTuple):
  """What a format can carry.

  Attributes:
    depths: bits a channel, ascending; 32 are floats.
    longest: the most pixels a side.
    largest: the most bytes of samples.
    alpha: whether it has transparency.
    grey: whether it has pictures of one channel.
    metadata: whether it has EXIF, a colour profile and XMP.
    colours: how it says what numbers mean where no profile does: `CHUNKS` of
      PNG, `CODES` of H.273, by a `PROFILE` that is made, or '' not at all.
    iptc: whether it has a place for IPTC.
  """

  depths: tuple[int, ...]
  longest: int
  largest: int = 2**62
  alpha: bool = True
  grey: bool = True
  metadata: bool = True
  colours: str = PROFILE
  iptc: bool = False


FORMATS = {
  'PNG': Format((8, 16), 2**31 - 1, colours=CHUNKS, iptc=True),
  'JPEG': Format((8,), 65500, alpha=False, iptc=True),
  'TIFF': Format((8, 16, 32), 2**31 - 1, 2**32 - 2**20, iptc=True),
  'WEBP': Format((8,), 16383, grey=False),
  'BMP': Format(
    (8,), 2**31 - 1, 2**32 - 2**20, alpha=False, metadata=False, colours=''
  ),
  'AVIF': Format((8, 10, 12), 16384, colours=CODES),
  'JXL': Format((8, 10, 12, 16, 32), 2**30 - 1, colours=CODES),
}
# Suffixes of what is written.
WRITTEN = tuple(s for s, name in SUFFIXES.items() if name in FORMATS)


def of_path(path: str | os.PathLike[str]) -> str:
  """The format that a file's suffix names, or ''."""
  return SUFFIXES.get(pathlib.Path(path).suffix.lower(), '')


def depth(name: str, wanted: int) -> int:
  """The bits that a format keeps of so many: as many or more, if it can."""
  depths = FORMATS[name].depths
  return next((d for d in depths if d >= wanted), depths[-1])

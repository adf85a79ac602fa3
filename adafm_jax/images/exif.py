"""EXIF: what is kept of it, whether it is whole, and its comment."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

# Of the main directory, what describes the picture. The rest lays out the old
# file, or is kept elsewhere (ICC profile, XMP). IFD1 is the thumbnail, of the
# picture as it was.
_KEPT = (
  Base.ProcessingSoftware,
  Base.DocumentName,
  Base.ImageDescription,
  Base.Make,
  Base.Model,
  Base.Software,
  Base.DateTime,
  Base.Artist,
  Base.HostComputer,
  Base.Copyright,
  Base.Rating,
  Base.RatingPercent,
  Base.XPTitle,
  Base.XPComment,
  Base.XPAuthor,
  Base.XPKeywords,
  Base.XPSubject,
)
# Says that a video follows the picture, which no result has.
_MICRO_VIDEO = 0x8897
# Bytes of a value of each type; others are unknown to readers, who skip them.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8}
_SIZES |= {11: 4, 12: 8, 13: 4}
_BYTE, UNDEFINED = 1, 7  # types
_ORDERS = {b'II': '<', b'MM': '>'}
_ASCII, _UNICODE, _JIS = b'ASCII\0\0\0', b'UNICODE\0', b'JIS\0\0\0\0\0'
_CODING = 8  # bytes that name a comment's coding


def copy(exif: Image.Exif) -> Image.Exif:
  """What is kept of EXIF data; its sub-directories become dictionaries.

  The byte order stays, since makers' notes go by it.
  """
  kept = Image.Exif()
  kept.endian = exif.endian or '<'
  for tag in _KEPT:
    if tag in exif:
      kept[tag] = _exact(exif[tag])
  for ifd in (IFD.Exif, IFD.GPSInfo):
    if entries := _exact_values(exif.get_ifd(ifd)):
      if IFD.Interop in entries:
        entries[IFD.Interop] = _exact_values(exif.get_ifd(IFD.Interop))
      entries.pop(_MICRO_VIDEO, None)
      kept[ifd] = entries
  return kept


def _exact_values(entries: Mapping[int, Any]) -> dict[int, Any]:
  return {tag: _exact(value) for tag, value in entries.items()}


def _exact(value: Any) -> Any:
  return Latin1(value) if isinstance(value, str) else value


class Latin1(str):
  """Text that becomes the bytes it was: Pillow reads Latin-1, writes ASCII."""

  __slots__ = ()

  def encode(self, *_: str) -> bytes:
    """The bytes, whatever coding is asked for."""
    return super().encode('latin-1', 'replace')


def is_whole(data: bytes, start: int | None = None) -> bool:
  """Whether all entries of a directory, and of those in it, are in the data.

  Args:
    data: EXIF data as in a TIFF file, or a TIFF file.
    start: of the main directory; None: where the header says.
  """
  order = _ORDERS.get(data[:2])
  if order is None or len(data) < _CODING:
    return False
  if struct.unpack_from(order + 'H', data, 2)[0] != 42:
    return True  # BigTIFF: offsets are longer, and nothing is known
  try:
    for _, entry in _entries(data, order, start):
      _, kind, number, value = struct.unpack_from(order + 'HHII', data, entry)
      size = _SIZES.get(kind, 0) * number
      if size > 4 and value + size > len(data):
        return False
  except ValueError:
    return False
  return True


def _entries(
  data: bytes, order: str, start: int | None = None
) -> Iterator[tuple[int, int]]:
  """The entries of a directory and of those in it, each once.

  Yields:
    (tag of the directory, 0 for the main one; where the entry begins).

  Raises:
    ValueError: a directory reaches beyond the data.
  """
  if start is None:
    (start,) = struct.unpack_from(order + 'I', data, 4)
  seen: set[int] = set()
  waiting = [(0, start)]
  while waiting:
    directory, offset = waiting.pop()
    if offset in seen:
      continue
    seen.add(offset)
    if offset + 2 > len(data):
      raise ValueError('a directory is cut off')
    (count,) = struct.unpack_from(order + 'H', data, offset)
    if offset + 2 + 12 * count > len(data):
      raise ValueError('a directory is cut off')
    for entry in range(offset + 2, offset + 2 + 12 * count, 12):
      tag, value = struct.unpack_from(order + 'H6xI', data, entry)
      if tag in (IFD.Exif, IFD.GPSInfo, IFD.Interop):
        waiting.append((tag, value))
      yield directory, entry


def encoded(exif: Image.Exif) -> bytes:
  """EXIF data with 'Exif' in front, its bytes of the types of the standard.

  For bytes Pillow writes BYTE (1), which in sub-directories is the type of two
  entries alone; those of makers' notes, comments and the others are UNDEFINED
  (7) there (Exif 2.32, 4.6).
  """
  data = exif.tobytes()
  typed, order = bytearray(data[6:]), _ORDERS[data[6:8]]
  for directory, entry in _entries(data[6:], order):
    tag, kind = struct.unpack_from(order + 'HH', typed, entry)
    if kind == _BYTE and directory and not is_byte(directory, tag):
      struct.pack_into(order + 'H', typed, entry + 2, UNDEFINED)
  return data[:6] + typed


def is_byte(directory: int, tag: int) -> bool:
  """Whether the standard has an entry of a sub-directory as BYTE."""
  return directory == IFD.GPSInfo and tag in (
    GPS.GPSVersionID,
    GPS.GPSAltitudeRef,
  )


def comment(value: Any, endian: str | None) -> str:
  """The text of a UserComment.

  Args:
    value: 8 bytes that name the coding, then the text; '' for other types.
    endian: '<' or '>', of the EXIF data; text with a byte order mark, or that
      is text in the other order alone, goes by that.
  """
  if not isinstance(value, bytes):
    return ''
  coding, text = value[:_CODING], value[_CODING:]
  if coding == _UNICODE:
    return _utf16(text, '<' if endian == '<' else '>').strip('\0 ')
  for name in ('iso2022_jp',) if coding == _JIS else ('utf-8', 'latin-1'):
    try:
      return text.decode(name).strip('\0 ')
    except ValueError:
      continue
  return text.decode('latin-1').strip('\0 ')


def _utf16(text: bytes, endian: str) -> str:
  if text[:2] in (b'\xff\xfe', b'\xfe\xff'):
    return text.decode('utf-16', 'replace')
  names = {'<': 'utf-16-le', '>': 'utf-16-be'}
  # ASCII tells the order by where its zeros are.
  first, second = text[0::2].count(0), text[1::2].count(0)
  if first != second:
    endian = '>' if first > second else '<'
  return text.decode(names[endian], 'replace')


def with_texts(old: Any, texts: Mapping[str, str], endian: str | None) -> bytes:
  """A UserComment of what was there and, on a line of its own, texts as JSON.

  Args:
    old: the comment so far, or None.
    texts: by name.
    endian: '<' or '>', of the EXIF data it goes into.
  """
  written = json.dumps(dict(texts))
  return coded('\n'.join(filter(None, (comment(old, endian), written))), endian)


def coded(text: str, endian: str | None) -> bytes:
  """A UserComment of a text."""
  if text.isascii():
    return _ASCII + text.encode('ascii')
  order = 'utf-16-le' if endian == '<' else 'utf-16-be'
  return _UNICODE + text.encode(order, 'replace')

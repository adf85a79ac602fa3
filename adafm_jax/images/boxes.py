"""Boxes, of which AVIF, HEIC and JPEG XL files consist (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_EXIF, _MIME, _XMP_TYPE = b'Exif', b'mime', b'application/rdf+xml'


def walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
  """The boxes in some data, as (kind, body); a cut one ends it."""
  i = 0
  while i + 8 <= len(data):
    size, kind = struct.unpack_from('>I4s', data, i)
    head = 8
    if size == 1 and i + 16 <= len(data):
      (size,) = struct.unpack_from('>Q', data, i + 8)
      head = 16
    elif size == 0:
      size = len(data) - i
    if size < head:
      return
    yield kind, data[i + head : i + size]
    i += size


def box(kind: bytes, *parts: bytes) -> bytes:
  """A box of all parts, one behind the other."""
  body = b''.join(parts)
  return struct.pack('>I4s', 8 + len(body), kind) + body


def full_box(kind: bytes, *parts: bytes) -> bytes:
  """A box that begins with version 0 and no flags."""
  return box(kind, bytes(4), *parts)


class Item(NamedTuple):
  """A picture, or what is said of one.

  Attributes:
    number: its own.
    kind: such as b'av01', b'Exif' or b'mime'.
    info: body of its 'infe' box.
    data: what it holds.
    properties: (kind, body) of those of it.
  """

  number: int
  kind: bytes
  info: bytes
  data: bytes
  properties: tuple[tuple[bytes, bytes], ...]


class Still(NamedTuple):
  """What a still picture's file holds.

  Attributes:
    brand: of the file.
    primary: number of the item that is shown.
    items: all of them.
    references: (kind, from, to) between them.
  """

  brand: bytes
  primary: int
  items: tuple[Item, ...]
  references: tuple[tuple[bytes, int, int], ...]

  @property
  def shown(self) -> Item:
    """The item that is shown."""
    return next(item for item in self.items if item.number == self.primary)

  def about(self, kind: bytes, coded: bytes = b'') -> bytes | None:
    """The data of an item of a kind that describes the one that is shown."""
    about = {
      a for k, a, b in self.references if (k, b) == (b'cdsc', self.primary)
    }
    for item in self.items:
      if item.kind == kind and item.number in about and coded in item.info:
        return item.data
    return None

  @property
  def exif(self) -> bytes | None:
    """EXIF data, without the offset in front of it."""
    data = self.about(_EXIF)
    if data is None or len(data) < 4:
      return None
    return data[4 + struct.unpack_from('>I', data)[0] :]

  @property
  def xmp(self) -> bytes | None:
    """XMP packet."""
    return self.about(_MIME, _XMP_TYPE)


def still(data: bytes) -> Still:
  """Reads the items of a file.

  Raises:
    ValueError: they can't be made out.
  """
  try:
    top = dict(reversed(list(walk(data))))
    meta = dict(walk(top[b'meta'][4:]))
    primary = _number(meta[b'pitm'][4:], meta[b'pitm'][0] > 0)[0]
    places = _places(meta[b'iloc'], data, meta.get(b'idat', b''))
    shared = list(walk(dict(walk(meta[b'iprp']))[b'ipco']))
    of_item = _associations(dict(walk(meta[b'iprp']))[b'ipma'])
    items = []
    for _, info in walk(meta[b'iinf'][4 + (4 if meta[b'iinf'][0] else 2) :]):
      number, rest = _number(info[4:], info[0] > 2)
      mine = [shared[i - 1] for i in of_item.get(number, []) if i]
      kind = rest[2:6]
      stored = places.get(number, b'')
      items.append(Item(number, kind, info, stored, tuple(mine)))
    found = Still(
      top.get(b'ftyp', b'')[:4],
      primary,
      tuple(items),
      tuple(_references(meta.get(b'iref', bytes(4)))),
    )
    _ = found.shown
    return found
  except (KeyError, IndexError, struct.error, StopIteration) as error:
    raise ValueError('its boxes are damaged') from error


def _number(data: bytes, long: bool) -> tuple[int, bytes]:
  """A number of 16 or 32 bits, and what follows."""
  size = 4 if long else 2
  if len(data) < size:
    raise IndexError
  return int.from_bytes(data[:size], 'big'), data[size:]


def _places(iloc: bytes, data: bytes, idat: bytes) -> dict[int, bytes]:
  """What each item holds."""
  version = iloc[0]
  sizes = (iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4, iloc[5] & 15)
  offset_size, length_size, base_size, index_size = sizes
  count, rest = _number(iloc[6:], version > 1)
  found = {}

  def take(size: int) -> int:
    nonlocal rest
    value, rest = int.from_bytes(rest[:size], 'big'), rest[size:]
    return value

  for _ in range(min(count, len(iloc))):
    number = take(4 if version > 1 else 2)
    method = take(2) & 15 if version else 0
    take(2)  # which file
    base, parts = take(base_size), []
    for _ in range(min(take(2), len(iloc))):
      if version:
        take(index_size)
      offset, length = base + take(offset_size), take(length_size)
      source = idat if method == 1 else data
      parts.append(source[offset : offset + length])
    if sum(map(len, parts)) > 2 * len(data):
      raise ValueError('its boxes are damaged')
    found[number] = b''.join(parts)
  return found


def _associations(ipma: bytes) -> dict[int, list[int]]:
  """Numbers of the properties of each item, from 1."""
  version, wide = ipma[0], ipma[3] & 1
  count, rest = _number(ipma[4:], True)
  found = {}
  for _ in range(min(count, len(ipma))):
    number, rest = _number(rest, version > 0)
    length, rest = rest[0], rest[1:]
    numbers = []
    for _ in range(length):
      if wide:
        value, rest = _number(rest, False)
        numbers.append(value & 0x7FFF)
      else:
        numbers.append(rest[0] & 0x7F)
        rest = rest[1:]
    found[number] = numbers
  return found


def _references(iref: bytes) -> Iterator[tuple[bytes, int, int]]:
  long = iref[0] > 0
  for kind, body in walk(iref[4:]):
    source, rest = _number(body, long)
    count, rest = _number(rest, False)
    for _ in range(count):
      target, rest = _number(rest, long)
      yield kind, source, target


def write_still(
  read: Still,
  *,
  exif: bytes | None,
  xmp: bytes | None,
  icc: bytes | None,
) -> bytes:
  """A file of the same pictures, with what is said of the one that is shown.

  Args:
    read: of a file that has few items.
    exif: EXIF data as in a TIFF file, or None.
    xmp: or None.
    icc: colour profile, or None.
  """
  items, references = list(read.items), list(read.references)
  for kind, data, tail in (
    (_EXIF, exif and bytes(4) + exif, b'\0'),
    (_MIME, xmp, b'\0' + _XMP_TYPE + b'\0'),
  ):
    if data:
      number = 1 + max(item.number for item in items)
      info = b'\2\0\0\0' + struct.pack('>HH4s', number, 0, kind) + tail
      items.append(Item(number, kind, info, data, ()))
      references.append((b'cdsc', number, read.primary))
  if icc:
    profile = (b'colr', b'prof' + icc)
    items = [
      item._replace(properties=(*item.properties, profile))
      if item.number == read.primary
      else item
      for item in items
    ]
  ftyp = box(b'ftyp', read.brand, bytes(4), read.brand, b'mif1miaf')
  # Offsets count from the file's beginning, so the length comes first.
  length = len(ftyp) + len(_meta(read, items, references, 0)) + 8
  meta = _meta(read, items, references, length)
  return ftyp + meta + box(b'mdat', *(item.data for item in items))


# Properties that a reader must understand to show a picture.
_ESSENTIAL = (b'av1C', b'hvcC', b'irot', b'imir', b'clap', b'a1op', b'lsel')


def _meta(
  read: Still,
  items: Sequence[Item],
  references: Sequence[tuple[bytes, int, int]],
  offset: int,
) -> bytes:
  """The box that lists the items, whose data begin at `offset`."""
  shared = list(dict.fromkeys(p for item in items for p in item.properties))
  places, owned = b'', b''
  for item in items:
    places += struct.pack('>HHHII', item.number, 0, 1, offset, len(item.data))
    offset += len(item.data)
    if item.properties:
      owned += struct.pack('>HB', item.number, len(item.properties))
      owned += bytes(
        shared.index(p) + 1 | 128 * (p[0] in _ESSENTIAL)
        for p in item.properties
      )
  count = struct.pack('>I', sum(bool(item.properties) for item in items))
  parts = [
    full_box(b'hdlr', bytes(4), b'pict', bytes(13)),
    full_box(b'pitm', struct.pack('>H', read.primary)),
    full_box(b'iloc', struct.pack('>HH', 0x4400, len(items)), places),
    full_box(
      b'iinf',
      struct.pack('>H', len(items)),
      *(box(b'infe', item.info) for item in items),
    ),
    box(
      b'iprp',
      box(b'ipco', *(box(kind, body) for kind, body in shared)),
      full_box(b'ipma', count, owned),
    ),
  ]
  if references:
    boxes = [
      box(kind, struct.pack('>HHH', a, 1, b)) for kind, a, b in references
    ]
    parts.insert(4, full_box(b'iref', *boxes))
  return full_box(b'meta', *parts)

"""Decoding JPEG files, of 8 bits by Pillow and of more by imagecodecs."""

from __future__ import annotations

import io
import re
import struct
from typing import NamedTuple

import imagecodecs
import numpy as np
from PIL import Image

from adafm_jax.images import decode, reading
from adafm_jax.images import iptc as iptcs
from adafm_jax.images import metadata as metadatas
from adafm_jax.images.decode import Decoded, Measured
from adafm_jax.images.metadata import COMMENT, Metadata

_EOI, _SOS, _DQT = 0xD9, 0xDA, 0xDB
_APP1, _APP2, _APP13, _COM = 0xE1, 0xE2, 0xED, 0xFE
# Frame headers: all of C0 to CF but for tables and what is reserved.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS_FRAMES = (0xC3, 0xC7, 0xCB, 0xCF)
_LONE = (0x01, *range(0xD0, 0xD8))  # markers without a body
# A marker in the scans: FF before what is neither stuffing nor a restart.
_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')
_END = b'\xff\xd9'
_XMP, _ICC = b'http://ns.adobe.com/xap/1.0/\0', b'ICC_PROFILE\0'
_ZIGZAG = sorted(
  ((r, c) for r in range(8) for c in range(8)),
  key=lambda p: (sum(p), p[1] if sum(p) % 2 == 0 else p[0]),
)

_VIDEO = 'The video of the motion photo was left out.'
_NO_END = 'Its end marker is missing.'


class Segments(NamedTuple):
  """What is before the first scan of a JPEG file.

  Attributes:
    found: (marker, body), in order.
    frame: marker of the frame.
    bits: of a sample.
    size: (height, width); the height may be 0, when it follows the scan.
    scan: where the first scan begins.
  """

  found: tuple[tuple[int, bytes], ...]
  frame: int
  bits: int
  size: tuple[int, int]
  scan: int

  def bodies(self, marker: int, head: bytes) -> list[bytes]:
    """What follows `head` in the segments of a marker that begin with it."""
    return [
      body.removeprefix(head)
      for kind, body in self.found
      if kind == marker and body.startswith(head)
    ]


def segments(data: bytes) -> Segments:
  """Takes a JPEG file apart, up to its first scan.

  Raises:
    ValueError: there is no picture in it.
  """
  found: list[tuple[int, bytes]] = []
  frame = None
  i = 2
  while i + 4 <= len(data):
    if data[i] != 0xFF or data[i + 1] in (0x00, 0xFF):
      i += 1  # decoders pass over it
      continue
    marker = data[i + 1]
    if marker in _LONE:
      i += 2
      continue
    if marker == _EOI:
      break
    (length,) = struct.unpack_from('>H', data, i + 2)
    if marker == _SOS:
      if frame is None:
        break
      return Segments(tuple(found), *frame, i)
    body = data[i + 4 : i + 2 + length]
    if marker in _FRAMES and len(body) >= 6:
      bits, height, width = struct.unpack_from('>BHH', body)
      frame = (marker, bits, (height, width))
    found.append((marker, body))
    i += 2 + max(length, 2)
  raise ValueError('it is damaged, or not an image of a known kind')


def measure(data: bytes) -> Measured:
  """See `Measured`."""
  parts = segments(data)
  described = metadatas.with_exif(_metadata(data, parts), _exif(parts))
  return parts.size[::-1], described[1]


def decode_jpeg(data: bytes) -> Decoded:
  """Decodes a JPEG file.

  Raises:
    ValueError: the file is refused; the reason completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  parts = segments(data)
  reading.check_size(parts.size[1], parts.size[0])
  if parts.bits > 8 or parts.frame in _LOSSLESS_FRAMES:
    return _deep(data, parts)
  try:
    return _by_pillow(data, parts)
  except OSError:
    if not _lacks_end(data):
      raise
  decoded = _by_pillow(data + _END, parts)
  return decoded._replace(notes=(*decoded.notes, _NO_END))


def _lacks_end(data: bytes) -> bool:
  """Whether a file holds all of its picture, but no end marker.

  Where scans are whole, it makes no difference what follows them.
  """
  seen = None
  for filling in (b'', b'\0' * 64, b'\x5a' * 64):
    with Image.open(io.BytesIO(data + filling + _END)) as image:
      samples = np.asarray(image)
    if seen is not None and not np.array_equal(seen, samples):
      return False
    seen = samples
  return True


def segment(marker: int, body: bytes) -> bytes:
  """A segment; its body has at most 65,533 bytes."""
  return struct.pack('>BBH', 0xFF, marker, len(body) + 2) + body


def photoshop(resources: bytes) -> bytes:
  """The segment that holds Photoshop's image resources."""
  return segment(_APP13, iptcs.HEADER + resources)


def _by_pillow(data: bytes, parts: Segments) -> Decoded:
  note = ''
  with Image.open(io.BytesIO(data), formats=('JPEG',)) as image:
    frames = getattr(image, 'n_frames', 1)
    if frames > 1:  # previews and gain maps of cameras and telephones
      note = f'Of the {frames} pictures in the file, the first was taken.'
    image.load()
    found = _metadata(data, parts)
    dpi = metadatas.checked_dpi(image.info.get('dpi'))
    metadata, orientation, notes = metadatas.with_exif(
      found._replace(dpi=dpi), _exif(parts)
    )
    samples, icc, converted = decode.samples_of(image, metadata.icc)
    luma = getattr(image, 'layer', [('', 0, 0, 0)])[0][3]
  return Decoded(
    samples,
    255,
    8,
    metadata._replace(icc=icc),
    orientation,
    _tables(parts, luma),
    tuple(filter(None, (*notes, note, converted))),
  )


def _metadata(data: bytes, parts: Segments) -> Metadata:
  """All but what EXIF says."""
  comments = (b.rstrip(b'\0') for b in parts.bodies(_COM, b''))
  comment = '\n'.join(_as_text(x) for x in comments if x)
  packets = parts.bodies(_APP1, _XMP)
  resources = b''.join(parts.bodies(_APP13, iptcs.HEADER))
  behind = data[_end(data, parts.scan) :]
  video = behind[4:8] == b'ftyp' or b'MotionPhoto_Data' in behind[-65536:]
  profile = b''.join(  # behind a number and the number of parts
    body[2:] for body in sorted(parts.bodies(_APP2, _ICC), key=lambda b: b[:1])
  )
  return Metadata(
    icc=profile or None,
    xmp=packets[0] if packets else None,
    text=((COMMENT, comment),) if comment else (),
    iptc=iptcs.records(resources),
    left_out=(_VIDEO,) if video else (),
  )


def _exif(parts: Segments) -> bytes | None:
  found = parts.bodies(_APP1, b'Exif\0\0')
  return found[0] if found else None


def _as_text(data: bytes) -> str:
  try:
    return data.decode('utf-8')
  except ValueError:
    return data.decode('latin-1')


def _end(data: bytes, scan: int) -> int:
  """Where the picture ends, of which a scan begins at `scan`."""
  i = scan
  while found := _MARKER.search(data, i + 2):
    i = found.start()
    if data[i + 1] == _EOI:
      return i + 2
    if data[i + 1] != _SOS and i + 4 <= len(data):
      i += struct.unpack_from('>H', data, i + 2)[0]
  return len(data)


def _tables(parts: Segments, luma: int) -> tuple[np.ndarray, ...] | None:
  """Quantisation tables [8, 8], that of the first component first."""
  tables: dict[int, np.ndarray] = {}
  for marker, body in parts.found:
    if marker != _DQT:
      continue
    i = 0
    while i < len(body):
      wide, number = body[i] >> 4, body[i] & 15
      steps = np.frombuffer(
        body[i + 1 : i + 65 + 64 * bool(wide)], '>u2' if wide else 'u1'
      )
      if len(steps) < 64:
        break
      table = np.zeros((8, 8), np.uint16)
      table[tuple(np.transpose(_ZIGZAG))] = steps
      tables[number] = table
      i += 65 + 64 * bool(wide)
  order = sorted(tables, key=lambda number: (number != luma, number))
  return tuple(tables[i] for i in order) or None


def _deep(data: bytes, parts: Segments) -> Decoded:
  """12 bits, and what is compressed without loss."""
  samples = imagecodecs.jpeg8_decode(data)
  samples = samples.reshape(*samples.shape[:2], -1)
  if samples.shape[-1] not in (1, 3):
    raise ValueError(
      f'its {samples.shape[-1]} channels of {parts.bits} bits are neither grey'
      ' nor RGB; convert it to RGB first'
    )
  metadata, orientation, notes = metadatas.with_exif(
    _metadata(data, parts), _exif(parts)
  )
  depth = 8 if parts.bits <= 8 else 16
  frame = dict(parts.found)[parts.frame]
  lossless = parts.frame in _LOSSLESS_FRAMES
  return Decoded(
    samples,
    2.0**parts.bits - 1,
    depth,
    metadata,
    orientation,
    None if lossless else _tables(parts, frame[8] if len(frame) > 8 else 0),
    notes,
  )

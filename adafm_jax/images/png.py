"""Decoding PNG files: decoders see the picture's chunks, the rest is read here.

What is damaged beside the picture costs it nothing; other programs open those
files as well.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence

import imagecodecs
import numpy as np
from PIL import Image

from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import decode, reading
from adafm_jax.images import iptc as iptcs
from adafm_jax.images import metadata as metadatas
from adafm_jax.images.decode import Decoded, Measured
from adafm_jax.images.metadata import Metadata

SIGNATURE = b'\x89PNG\r\n\x1a\n'
_PICTURE = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')
# The most that text may unfold to (Pillow opens no file with more), and a
# colour profile.
_MAX_TEXT, _MAX_PROFILE = 2**20, 2**24
_MAX_KEYWORD = 79
_XMP = 'XML:com.adobe.xmp'
_RAW = 'Raw profile type '  # ImageMagick's way to keep EXIF, IPTC and others
_METRE = 0.0254  # of an inch

_TEXT_LOST = 'Its text is damaged or too long and was left out.'
_WITH_ALPHA = (4, 6)  # kinds of pictures: grey and RGB
_TRANSPARENCY_LOST = 'Its transparency is damaged and was left out.'
_PROFILE_LOST = 'Its colour profile is damaged or too long and was left out.'

Chunk = tuple[bytes, bytes]  # kind and body


def split(data: bytes) -> tuple[list[Chunk], bool]:
  """Takes a PNG file apart.

  Returns:
    The chunks, with the one that marks the end even where that is missing, and
    whether all that were there are whole. Damaged ones are left out, but for
    those of the picture itself, which a decoder is to judge.
  """
  chunks: list[Chunk] = []
  whole, i = True, len(SIGNATURE)
  while i + 8 <= len(data) and (not chunks or chunks[-1][0] != b'IEND'):
    length, kind = struct.unpack_from('>I4s', data, i)
    body, check = data[i + 8 : i + 8 + length], data[i + 8 + length :][:4]
    sound = check == struct.pack('>I', zlib.crc32(kind + body))
    if sound or kind in (b'PLTE', b'IDAT'):
      chunks.append((kind, body))
    elif kind == b'IHDR':
      raise ValueError('its header is damaged')
    elif kind != b'IEND':
      whole = False
    i += 12 + length
  if not chunks or chunks[0][0] != b'IHDR' or len(chunks[0][1]) != 13:
    raise ValueError('it has no header')
  if chunks[-1][0] != b'IEND':
    chunks.append((b'IEND', b''))
  return chunks, whole


def join(chunks: Iterable[Chunk]) -> bytes:
  """Puts a PNG file together."""
  parts = [SIGNATURE]
  for kind, body in chunks:
    parts += [struct.pack('>I', len(body)), kind, body]
    parts.append(struct.pack('>I', zlib.crc32(kind + body)))
  return b''.join(parts)


def measure(data: bytes) -> Measured:
  """See `Measured`."""
  chunks, _ = split(data)
  return struct.unpack_from('>II', chunks[0][1]), _metadata(chunks)[1]


def decode_png(data: bytes) -> Decoded:
  """Decodes a PNG file.

  Raises:
    ValueError: the file is refused; the reason completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  chunks, whole = split(data)
  frames = [body for kind, body in chunks if kind == b'acTL' and len(body) == 8]
  if frames and (count := int.from_bytes(frames[0][:4], 'big')) > 1:
    raise ValueError(
      f'it is animated, with {count} frames; save each frame as an image'
    )
  width, height, bits, kind = struct.unpack_from('>IIBB', chunks[0][1])
  reading.check_size(width, height)
  metadata, orientation, notes = _metadata(chunks)
  if not whole:
    notes = (*notes, 'It has damaged parts beside the picture; left out.')
  key = dict(chunks).get(b'tRNS')
  if key is not None and not _is_key(key, kind):
    chunks = [chunk for chunk in chunks if chunk[0] != b'tRNS']
    if kind not in _WITH_ALPHA:  # there it says nothing
      notes = (*notes, _TRANSPARENCY_LOST)
  bare = join(chunk for chunk in chunks if chunk[0] in _PICTURE)
  if bits == 16:
    try:
      samples = imagecodecs.png_decode(bare)
    except imagecodecs.PngError as error:
      # Its words may be gone: libpng keeps them in memory that it gives back.
      raise ValueError('the picture in it is damaged') from error
    samples = samples.reshape(*samples.shape[:2], -1)
    return Decoded(samples, 65535, 16, metadata, orientation, notes=notes)
  with Image.open(io.BytesIO(bare), formats=('PNG',)) as image:
    image.load()
    low = bits < 8 and kind == 0  # 0: grey
    if low:  # its transparent grey isn't on the scale of Pillow's samples
      image.info.pop('transparency', None)
    samples, _, _ = decode.samples_of(image, metadata.icc)
  if low:
    samples = _with_transparency(samples, dict(chunks).get(b'tRNS'), bits)
  return Decoded(samples, 255, 8, metadata, orientation, notes=notes)


def _is_key(key: bytes, kind: int) -> bool:
  """Whether a tRNS chunk has the length that pictures of its kind ask for."""
  lengths = {0: (2,), 2: (6,), 3: range(1, 257)}  # grey, RGB, palette
  return len(key) in lengths.get(kind, ())


def _with_transparency(
  samples: np.ndarray, key: bytes | None, bits: int
) -> np.ndarray:
  """Adds the alpha of a grey PNG file of 1, 2 or 4 bits.

  Its transparent grey is in those bits, while Pillow scales the samples to 8.
  """
  if key is None:
    return samples
  grey = int.from_bytes(key[:2], 'big')
  transparent = samples == grey * 255 // (2**bits - 1)
  alpha = np.where(transparent, np.uint8(0), np.uint8(255))
  return np.concatenate([samples, alpha], axis=-1)


def _metadata(
  chunks: Sequence[Chunk],
) -> tuple[Metadata, int, tuple[str, ...]]:
  """See `metadatas.with_exif`."""
  texts, sound = _texts(chunks)
  text = dict(texts)
  notes = () if sound else (_TEXT_LOST,)
  profiles = {
    name.removeprefix(_RAW).lower(): _raw_profile(value)
    for name, value in text.items()
    if name.startswith(_RAW)
  }
  icc = profiles.get('icc') or profiles.get('icm')
  exif = profiles.get('exif') or profiles.get('app1')
  if exif and not exif.startswith((b'Exif\0\0', b'II*\0', b'MM\0*')):
    exif = None  # APP1 holds XMP, too
  dpi = None
  for kind, body in chunks:
    if kind == b'iCCP':
      icc = _profile(body)
      notes = notes if icc else (*notes, _PROFILE_LOST)
    elif kind == b'eXIf':
      exif = body
    elif kind == b'pHYs' and len(body) == 9 and body[8] == 1:  # a metre
      x, y = struct.unpack_from('>II', body)
      dpi = metadatas.checked_dpi((x * _METRE, y * _METRE))
  xmp = text.get(_XMP)
  metadata, orientation, more = metadatas.with_exif(
    Metadata(
      icc=icc,
      dpi=dpi,
      xmp=xmp.encode() if xmp else profiles.get('xmp'),
      text=tuple(
        item for item in texts if not item[0].startswith(('XML:', _RAW))
      ),
      iptc=iptcs.records(profiles.get('iptc') or profiles.get('8bim') or b''),
      colours=colour_chunks.of_chunks(chunks),
    ),
    exif,
  )
  return metadata, orientation, (*notes, *more)


def _texts(
  chunks: Iterable[Chunk],
) -> tuple[list[tuple[str, str]], bool]:
  """Keywords and texts, some of one keyword; and whether all could be read."""
  found: list[tuple[str, str]] = []
  sound, left = True, 64 * _MAX_TEXT
  for kind, body in chunks:
    if kind not in (b'tEXt', b'zTXt', b'iTXt'):
      continue
    try:
      name, text = _text(kind, body)
    except (ValueError, IndexError, zlib.error):
      sound = False
      continue
    left -= len(text)
    if left < 0:
      return found, False
    found.append((name, text))
  return found, sound


def _text(kind: bytes, body: bytes) -> tuple[str, str]:
  """Keyword and text of a chunk; raises ValueError and others for damage."""
  name, rest = body.split(b'\0', 1)
  if not 1 <= len(name) <= _MAX_KEYWORD:
    raise ValueError('a keyword of no legal length')
  packed = kind == b'zTXt'
  if kind == b'iTXt':
    packed = rest[0] == 1
    _, _, rest = rest[2:].split(b'\0', 2)  # language, translated keyword
  elif packed:
    rest = rest[1:]
  if packed:
    rest = _unpacked(rest, _MAX_TEXT)
  elif len(rest) > _MAX_TEXT:
    raise ValueError('text too long')
  coding = 'utf-8' if kind == b'iTXt' else 'latin-1'
  return name.decode('latin-1'), rest.decode(coding)


def _profile(body: bytes) -> bytes | None:
  """The colour profile of an iCCP chunk, if it can be read."""
  try:
    return _unpacked(body.split(b'\0', 1)[1][1:], _MAX_PROFILE) or None
  except (ValueError, IndexError, zlib.error):
    return None


def _unpacked(data: bytes, most: int) -> bytes:
  stream = zlib.decompressobj()
  text = stream.decompress(data, most)
  if stream.unconsumed_tail:
    raise ValueError('it unfolds to too much')
  return text


def _raw_profile(text: str) -> bytes | None:
  """What ImageMagick keeps as hexadecimal text behind a name and a length."""
  try:
    return bytes.fromhex(''.join(text.split()[2:])) or None
  except ValueError:
    return None


def raw_profile(name: str, data: bytes) -> tuple[str, str]:
  """Keyword and text that `_raw_profile` reads, as ImageMagick and ExifTool."""
  digits = data.hex()
  lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
  text = f'\n{name}\n{len(data):8d}\n' + '\n'.join(lines) + '\n'
  return _RAW + name, text

"""JPEG XL files: imagecodecs has the picture, header and boxes the rest."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np

from adafm_jax.images import alpha as alphas
from adafm_jax.images import boxes, jpeg, jxl_header, jxl_icc, reading
from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import exif as exifs
from adafm_jax.images import metadata as metadatas
from adafm_jax.images.carry import Carried
from adafm_jax.images.decode import Decoded, Measured
from adafm_jax.images.encode import Settings
from adafm_jax.images.jxl_header import CodestreamHeader, Colour
from adafm_jax.images.metadata import Metadata

_CONTAINER = b'\0\0\0\x0cJXL \r\n\x87\n'
_THREADS = 2
_MAX_METADATA = 2**24
_PROFILE_LOST = (
  'Its colours, kept with loss under a colour profile, are in Display P3 now.'
)


def measure(data: bytes) -> Measured:
  """See `Measured`."""
  header = jxl_header.read(_parts(data)[0])
  return header.size[::-1], header.orientation


def decode_jxl(data: bytes) -> Decoded:
  """Decodes a JPEG XL file; a JPEG file that is inside is decoded as that.

  Raises:
    ValueError: the file is refused; the reason completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  stream, found = _parts(data)
  header = jxl_header.read(stream)
  if header.animated:
    raise ValueError('it is animated; save each frame as an image')
  reading.check_size(header.size[1], header.size[0])
  if b'jbrd' in found:
    return jpeg.decode_jpeg(
      bytes(imagecodecs.jpegxl_decode_jpeg(data, numthreads=_THREADS))
    )
  notes: tuple[str, ...] = ()
  if header.xyb and header.colour.profile:
    data = stream = _in_p3(header, stream)
    header, notes = jxl_header.read(stream), (_PROFILE_LOST,)
  exif = found.get(b'Exif', b'')
  metadata, _, more = metadatas.with_exif(
    _described(header, stream)._replace(xmp=found.get(b'xml ')),
    exif[4 + int.from_bytes(exif[:4], 'big') :] or None,
  )  # the decoder turns the picture, as the header says
  samples = np.asarray(imagecodecs.jpegxl_decode(data, numthreads=_THREADS))
  samples = samples.reshape(*samples.shape[:2], -1)
  grey = header.colour.space == jxl_header.GREY
  samples, dropped = _channels(samples, header, 1 if grey else 3)
  notes = tuple(filter(None, (*notes, *more, dropped)))
  if samples.dtype.kind == 'f':
    if not np.isfinite(samples).all():
      raise ValueError('it has values that are not numbers (NaN or infinity)')
    samples = np.clip(samples.astype(np.float32), 0, 1)
    return Decoded(
      samples, 1.0, 32, metadata, notes=notes, lossless=not header.xyb
    )
  return Decoded(
    samples,
    2.0 ** min(header.bits, 16) - 1,
    next(d for d in (8, 10, 12, 16) if d >= min(header.bits, 16)),
    metadata,
    notes=notes,
    lossless=not header.xyb,
  )


def _parts(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
  """The codestream, and the boxes beside it."""
  if data[:2] == jxl_header.SIGNATURE:
    return data, {}
  stream, found = [], {}
  for kind, body in boxes.walk(data):
    if kind == b'jxlc':
      stream.append(body)
    elif kind == b'jxlp':
      stream.append(body[4:])
    elif kind == b'brob' and body[:4] in (b'Exif', b'xml '):
      unpacked = imagecodecs.brotli_decode(body[4:], out=_MAX_METADATA)
      found[body[:4]] = bytes(unpacked)
    else:
      found.setdefault(kind, body)
  return b''.join(stream), found


def _described(header: CodestreamHeader, stream: bytes) -> Metadata:
  """What the header says of the numbers."""
  colour = header.colour
  if colour.profile:
    return Metadata(icc=jxl_icc.read(stream, header.end)[0])
  white, primaries = colour.white, colour.primaries
  gamma = 1 / colour.gamma if colour.gamma else None
  known = {v: k for k, v in jxl_header.PRIMARIES.items()}
  if white == jxl_header.D65 and primaries in known and not gamma:
    assert isinstance(primaries, int)
    coded = colour_chunks.of_code_points(known[primaries], colour.transfer)
    return Metadata(colours=coded)
  if isinstance(primaries, int):
    primaries = known.get(primaries, 1)
  channels = 1 if colour.space == jxl_header.GREY else 3
  point = jxl_header.WHITES.get(white) if isinstance(white, int) else white
  icc = colour_chunks.made_profile(point, primaries, gamma, channels)
  return Metadata(icc=icc)


def _in_p3(header: CodestreamHeader, stream: bytes) -> bytes:
  """The codestream of the same picture that decodes to Display P3.

  Where it is kept with loss and goes by a profile, libjxl, which knows no
  profiles here, would give 8 bits of linear light, too coarse in the shadows.
  """
  _, end = jxl_icc.read(stream, header.end)
  space = header.colour.space
  colour = Colour(space, primaries=jxl_header.PRIMARIES[12], transfer=13)
  return jxl_header.recoloured(stream, colour, end=end)


def _channels(
  samples: np.ndarray, header: CodestreamHeader, colour: int
) -> tuple[np.ndarray, str]:
  """Grey or RGB, with straight alpha where there is alpha; and a note."""
  note = 'It has extra channels that were left out.'
  alpha = colour + header.alpha if header.alpha >= 0 else None
  if alpha is None or samples.shape[-1] <= alpha:
    extra = samples.shape[-1] > colour
    return samples[..., :colour], note if extra else ''
  kept = [*range(colour), alpha]
  picked = samples[..., kept]
  if header.premultiplied:
    highest = 1.0 if samples.dtype.kind == 'f' else 2.0**header.bits - 1
    picked = alphas.straight(picked, highest)
  return picked, note if samples.shape[-1] > len(kept) else ''


def encode_jxl(
  samples: np.ndarray, carried: Carried, settings: Settings
) -> bytes:
  """A JPEG XL file of uint8, uint16 or float32 [H, W, 1 to 4].

  imagecodecs takes 8 bits for sRGB, and more for linear light. With loss the
  numbers can't be given another meaning afterwards: all but 8 bits in sRGB is
  written without.
  """
  icc = carried.icc
  plain = samples.dtype == np.uint8 and not settings.lossless
  if icc and plain and colour_chunks.is_srgb(icc):
    icc = None
  coded = colour_chunks.code_points(carried.colours)
  usual = samples.dtype == np.uint8 and not icc and not coded
  lossless = settings.lossless or not usual
  given: dict[str, Any] = {'lossless': lossless}
  if not lossless:
    given['distance'] = _distance(settings)
  if samples.dtype == np.uint16:
    given['bitspersample'] = settings.bits
  made = imagecodecs.jpegxl_encode(
    np.squeeze(samples, -1) if samples.shape[-1] == 1 else samples,
    numthreads=_THREADS,
    **given,
  )
  stream, found = _parts(bytes(made))
  if not usual:
    space = jxl_header.GREY if samples.shape[-1] < 3 else 0
    stream = _meaning(stream, space, icc, coded or (1, 13))
  parts = [_CONTAINER, boxes.box(b'ftyp', b'jxl \0\0\0\0jxl ')]
  if b'jxll' in found:  # the level of what decoders must be able to do
    parts.append(boxes.box(b'jxll', found[b'jxll']))
  if len(carried.exif):
    parts.append(boxes.box(b'Exif', bytes(4), exifs.encoded(carried.exif)[6:]))
  if carried.xmp:
    parts.append(boxes.box(b'xml ', carried.xmp))
  return b''.join([*parts, boxes.box(b'jxlc', stream)])


def _meaning(
  stream: bytes, space: int, icc: bytes | None, coded: tuple[int, int]
) -> bytes:
  """A codestream whose numbers mean a profile's colours, or coded ones."""
  if icc:
    profile = jxl_icc.write(icc)
    return jxl_header.recoloured(stream, Colour(space, True), profile)
  primaries, transfer = coded
  colour = Colour(
    space,
    primaries=jxl_header.PRIMARIES[primaries],
    transfer=jxl_header.TRANSFERS[transfer],
  )
  return jxl_header.recoloured(stream, colour)


def _distance(settings: Settings) -> float:
  """Of a quality, as libjxl's own tools: 1 (hardly visible) for 90."""
  quality = settings.quality
  if quality >= 30:
    return 0.1 + (100 - quality) * 0.09
  return 53 / 3000 * quality**2 - 23 / 20 * quality + 25

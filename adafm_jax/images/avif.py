"""AVIF files: imagecodecs has the picture, of 8 to 12 bits, boxes the rest."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np

from adafm_jax.images import boxes, reading
from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import exif as exifs
from adafm_jax.images import metadata as metadatas
from adafm_jax.images.carry import Carried
from adafm_jax.images.decode import Decoded, Measured
from adafm_jax.images.encode import Settings
from adafm_jax.images.metadata import Metadata

_SPEED = 8  # of 10; slower ones take minutes for 12 megapixels
_THREADS = 2
# EXIF's orientation of a picture that is turned by so many quarters against
# the clock, and then mirrored: not, top and bottom, left and right.
_ORIENTATIONS = {
  (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
  (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
  (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip
_GAIN_MAP = 'The gain map, which HDR screens show, was left out.'


def measure(data: bytes) -> Measured:
  """See `Measured`."""
  still = boxes.still(data)
  properties = dict(still.shown.properties)
  return struct.unpack_from('>II', properties[b'ispe'], 4), orientation(still)


def decode_avif(data: bytes) -> Decoded:
  """Decodes an AVIF file.

  Raises:
    ValueError: the file is refused; the reason completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  if data[8:12] == b'avis':
    raise ValueError('it is animated; save each frame as an image')
  still = boxes.still(data)
  properties = dict(still.shown.properties)
  reading.check_size(*measure(data)[0])
  metadata, _, notes = metadatas.with_exif(
    described(still), still.exif
  )  # the picture turns as its own properties say
  samples = np.asarray(
    imagecodecs.avif_decode(data, index=0, numthreads=_THREADS)
  )
  samples = samples.reshape(*samples.shape[:2], -1)
  bits = _bits(properties.get(b'av1C', b''))
  return Decoded(
    samples, 2.0**bits - 1, bits, metadata, orientation(still), notes=notes
  )


def _bits(av1c: bytes) -> int:
  high, twelve = (
    (av1c[2] >> 6 & 1, av1c[2] >> 5 & 1) if len(av1c) > 2 else (0, 0)
  )
  return 12 if high and twelve else 10 if high else 8


def orientation(still: boxes.Still) -> int:
  """How the picture must be turned, as in EXIF, 1 to 8."""
  turned, mirrored = 0, None
  for kind, body in still.shown.properties:
    if kind == b'irot' and body:
      turned = body[0] & 3
    elif kind == b'imir' and body:
      mirrored = body[0] & 1
  return _ORIENTATIONS[turned, mirrored]


def described(still: boxes.Still) -> Metadata:
  """What a file says of its picture outside of EXIF."""
  icc = None
  coded: colour_chunks.Chunks = ()
  for kind, body in still.shown.properties:
    if kind == b'colr' and body[:4] in (b'prof', b'rICC'):
      icc = body[4:]
    elif kind == b'colr' and body[:4] == b'nclx' and len(body) >= 8:
      coded = colour_chunks.of_code_points(*struct.unpack_from('>HH', body, 4))
  gain = any(item.kind == b'tmap' for item in still.items)
  return Metadata(
    icc=icc,
    xmp=still.xmp,
    colours=() if icc else coded,
    left_out=(_GAIN_MAP,) if gain else (),
  )


def encode_avif(
  samples: np.ndarray, carried: Carried, settings: Settings
) -> bytes:
  """An AVIF file of uint8 or uint16 [H, W, 1 to 4]."""
  primaries, transfer = colour_chunks.code_points(carried.colours) or (1, 13)
  level = 100 if settings.lossless else settings.quality
  made = imagecodecs.avif_encode(
    np.squeeze(samples, -1) if samples.shape[-1] == 1 else samples,
    level=level,
    speed=_SPEED,
    bitspersample=settings.bits,
    pixelformat=_layout(samples, settings),
    primaries=primaries,
    transfer=transfer,
    numthreads=_THREADS,
  )
  exif = exifs.encoded(carried.exif)[6:] if len(carried.exif) else None
  return boxes.write_still(
    boxes.still(bytes(made)), exif=exif, xmp=carried.xmp, icc=carried.icc
  )


def _layout(samples: np.ndarray, settings: Settings) -> str:
  if samples.shape[-1] < 3:
    return 'yuv400'
  return 'yuv444' if settings.sharp or settings.lossless else 'yuv420'

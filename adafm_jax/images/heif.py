"""Decoding HEIC files, by pillow-heif, which the extra `heif` installs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from adafm_jax.images import alpha as alphas
from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import metadata as metadatas
from adafm_jax.images import reading
from adafm_jax.images.decode import Decoded, Measured
from adafm_jax.images.metadata import Metadata

_GAIN_MAP = 'The gain map, which HDR screens show, was left out.'
_DEPTH = 'The map of distances was left out.'


def measure(data: bytes) -> Measured:
  """See `Measured`; libheif gives the size upright."""
  file = _open(data)
  return file[file.primary_index].size, 1


def decode_heif(data: bytes) -> Decoded:
  """Decodes a HEIC file; libheif turns the picture as it says.

  Raises:
    ValueError: the file is refused, or pillow-heif is missing; the reason
      completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  if data[8:12] in (b'hevc', b'hevx', b'msf1'):
    raise ValueError('it is animated; save each frame as an image')
  file = _open(data)
  picture = file[file.primary_index]
  reading.check_size(*picture.size)
  info: dict[str, Any] = dict(picture.info)
  metadata, _, notes = metadatas.with_exif(_described(info), info.get('exif'))
  if len(file) > 1:
    several = f'Of the {len(file)} pictures in the file, the first was taken.'
    notes = (*notes, several)
  samples = np.asarray(picture)
  samples = samples.reshape(*samples.shape[:2], -1)
  bits = info.get('bit_depth', 8)
  if picture.premultiplied_alpha:
    samples = alphas.straight(samples, 2.0**bits - 1)
  return Decoded(samples, 2.0**bits - 1, bits, metadata, notes=notes)


def _open(data: bytes):
  """The file as pillow-heif has it; nothing is decoded yet."""
  try:
    import pillow_heif
  except ImportError as error:
    raise ValueError(
      'it is a HEIC file, which takes the package pillow-heif: pip install'
      " 'adafm_jax[heif]'"
    ) from error
  return pillow_heif.open_heif(
    io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False
  )


def _described(info: dict[str, Any]) -> Metadata:
  """What libheif says of the picture."""
  icc = info.get('icc_profile') or None
  nclx = info.get('nclx_profile')
  coded: colour_chunks.Chunks = ()
  if nclx and not icc:
    coded = colour_chunks.of_code_points(
      int(nclx['color_primaries']), int(nclx['transfer_characteristics'])
    )
  left_out = []
  if any('hdrgainmap' in name for name in info.get('aux', ())):
    left_out.append(_GAIN_MAP)
  if info.get('depth_images'):
    left_out.append(_DEPTH)
  return Metadata(
    icc=icc,
    xmp=info.get('xmp') or None,
    colours=coded,
    left_out=tuple(left_out),
  )

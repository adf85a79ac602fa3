"""What a picture's numbers mean where no ICC profile says it.

PNG says it in chunks, AVIF and HEIC by the same code points (ITU-T H.273).
They are kept as PNG's chunks, which have room for all of it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

Chunks = tuple[tuple[bytes, bytes], ...]

_KINDS = {b'cICP': 4, b'mDCV': 24, b'cLLI': 8}
_KINDS |= {b'sRGB': 1, b'gAMA': 4, b'cHRM': 32}  # and their lengths
# Code points of H.273: primaries, as x, y of red, green and blue, and white.
_D65 = (0.3127, 0.3290)
_PRIMARIES = {
  1: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06),  # BT.709 and sRGB
  5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06),  # BT.601, 625 lines
  6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07),  # BT.601, 525 lines
  9: (0.708, 0.292, 0.17, 0.797, 0.131, 0.046),  # BT.2020
  12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # Display P3
}
UNSPECIFIED = 2
# Transfer functions that are shown by the curve of sRGB, those of a plain
# gamma, and those of HDR.
_SRGB = (1, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
HDR = {16: 'PQ', 18: 'HLG'}
_SRGB_GAMMA = 45455  # 1 / 2.2, which stands for sRGB's own curve
_CLOSE = 0.002  # of primaries that are the same


def of_chunks(chunks: Iterable[tuple[bytes, bytes]]) -> Chunks:
  """Those of a PNG file's chunks that are about colours, and sound."""
  return tuple(
    (kind, body) for kind, body in chunks if _KINDS.get(kind) == len(body)
  )


def of_code_points(primaries: int, transfer: int) -> Chunks:
  """H.273 code points of RGB; () for sRGB and what is not specified."""
  primaries = 1 if primaries in (0, UNSPECIFIED) else primaries
  transfer = 13 if transfer in (0, UNSPECIFIED) else transfer
  if primaries == 1 and transfer in _SRGB:
    return ()
  return ((b'cICP', bytes([primaries, transfer, 0, 1])),)


def code_points(chunks: Chunks) -> tuple[int, int] | None:
  """(primaries, transfer) if the file names them."""
  body = dict(chunks).get(b'cICP')
  return (body[0], body[1]) if body else None


def hdr(chunks: Chunks) -> str:
  """'PQ' or 'HLG' if the numbers are of a high dynamic range, else ''."""
  found = code_points(chunks)
  return HDR.get(found[1], '') if found else ''


def profile(chunks: Chunks, channels: int) -> bytes | None:
  """An ICC profile that says the same, for formats without these chunks.

  Args:
    chunks: of a picture without a profile.
    channels: 1 or 2 for grey, 3 or 4 for RGB.

  Returns:
    The profile; None for sRGB, which is what files without one are shown as.

  Raises:
    ValueError: no profile of this kind can say it: HDR, or an unknown code.
  """
  return made_profile(*_described(chunks), channels)


def made_profile(
  white: tuple[float, ...] | None,
  primaries: tuple[float, ...] | int,
  gamma: float | None,
  channels: int,
) -> bytes | None:
  """As `profile`, of numbers.

  Args:
    white: x and y; None is D65.
    primaries: x and y of red, green and blue, or their code point.
    gamma: exponent of the display; None is sRGB's curve.
    channels: see `profile`.
  """
  white = white or _D65
  if isinstance(primaries, int):
    primaries = _PRIMARIES[primaries]
  same = all(
    abs(a - b) < _CLOSE
    for a, b in zip((*white, *primaries), (*_D65, *_PRIMARIES[1]), strict=True)
  )
  if gamma is None and (same or channels < 3):
    return None
  curve = {'transferfunction': _curve()} if gamma is None else {'gamma': gamma}
  made = imagecodecs.cms_profile(
    'gray' if channels < 3 else 'rgb',
    whitepoint=white,
    primaries=primaries,
    **curve,
  )
  # The date would make two results of one picture differ.
  return made[:24] + struct.pack('>6H', 2000, 1, 1, 0, 0, 0) + made[36:]


def is_srgb(icc: bytes) -> bool:
  """Whether a profile shows all RGB as sRGB does, to one of 255."""
  steps = np.linspace(0, 255, 9).astype(np.uint8)
  colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
  try:
    shown = to_srgb(colours, icc)
  except (ImageCms.PyCMSError, OSError):
    return False
  return bool(np.abs(shown - colours.astype(int)).max() <= 1)


def to_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray:
  """What a profile says of uint8 [H, W, 3], in sRGB.

  Raises:
    ImageCms.PyCMSError: the profile is damaged, or not of grey or RGB.
    OSError: so it is.
  """
  grey = icc[16:20] == b'GRAY'
  image = Image.fromarray(pixels[..., 0] if grey else pixels)
  profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
  srgb = ImageCms.createProfile('sRGB')
  shown = ImageCms.profileToProfile(image, profile, srgb, outputMode='RGB')
  return np.asarray(shown)


def _described(
  chunks: Chunks,
) -> tuple[tuple[float, ...], tuple[float, ...], float | None]:
  """White, primaries and gamma; None is sRGB's curve."""
  found = dict(chunks)
  white, primaries, gamma = _D65, _PRIMARIES[1], None
  if b'cICP' in found:
    code, transfer = found[b'cICP'][:2]
    if code not in _PRIMARIES or transfer not in (*_SRGB, *_GAMMAS):
      raise ValueError('no ICC profile for these colours')
    return white, _PRIMARIES[code], _GAMMAS.get(transfer)
  if b'sRGB' in found:
    return white, primaries, None
  if b'cHRM' in found:
    numbers = [n / 1e5 for n in struct.unpack('>8I', found[b'cHRM'])]
    if not all(0 < n < 1 for n in numbers):
      raise ValueError('no ICC profile for these colours')
    white, primaries = tuple(numbers[:2]), tuple(numbers[2:])
  if b'gAMA' in found:
    (value,) = struct.unpack('>I', found[b'gAMA'])
    if not 1000 <= value <= 10_000_000:
      raise ValueError('no ICC profile for this gamma')
    gamma = None if abs(value - _SRGB_GAMMA) < 100 else 1e5 / value
  return white, primaries, gamma


def _curve() -> np.ndarray:
  """The curve of sRGB, as a table of uint16."""
  x = np.linspace(0, 1, 1024)
  y = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
  return np.rint(y * 65535).astype(np.uint16)

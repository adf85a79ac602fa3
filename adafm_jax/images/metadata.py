"""What a photograph carries beside its pixels, and how it is kept."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from PIL import Image
from PIL.ExifTags import Base

from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import exif as exifs
from adafm_jax.images import iptc as iptcs
from adafm_jax.images import xmp as xmps

# TIFF tags
_ICC, _XMP, _IPTC, _PHOTOSHOP = 34675, 700, 33723, 34377
_MAX_DPI = 65535  # that JPEG files hold
_DAMAGED = 'Its EXIF data is damaged; what could not be read is left out.'
COMMENT = 'Comment'  # the name of a text that JPEG has a place for


class Metadata(NamedTuple):
  """What is kept of a file beside its pixels.

  Attributes:
    exif: EXIF as `Image.Exif.tobytes` gives it, upright (without orientation,
      which means 1), without thumbnail; or None.
    icc: ICC colour profile, or None.
    dpi: (horizontal, vertical) pixels an inch, or None.
    xmp: XMP packet, upright, or None.
    text: texts of a PNG file, and the comment of a JPEG file, as (name, text).
    iptc: IPTC records, or None.
    colours: what else says how the numbers are shown; see `colours`.
    left_out: sentences for the user about what no result has of the file.
  """

  exif: bytes | None = None
  icc: bytes | None = None
  dpi: tuple[float, float] | None = None
  xmp: bytes | None = None
  text: tuple[tuple[str, str], ...] = ()
  iptc: bytes | None = None
  colours: colour_chunks.Chunks = ()
  left_out: tuple[str, ...] = ()


Described = tuple[Metadata, int, tuple[str, ...]]


def of_image(image: Image.Image) -> Described:
  """As `with_exif`, of an open WebP, AVIF, HEIC or BMP file, loaded."""
  info = image.info
  found = Metadata(
    icc=info.get('icc_profile'),
    dpi=checked_dpi(info.get('dpi')),
    xmp=info.get('xmp'),
  )
  return with_exif(found, info.get('exif'))


def of_tiff(load: Callable[[], Image.Exif], whole: bool) -> Described:
  """As `with_exif`, of a TIFF file whose main directory `load` gives.

  Args:
    load: may raise anything.
    whole: whether all entries are in the file.
  """
  return _with_directory(Metadata(), load, whole)


def with_exif(found: Metadata, data: bytes | None) -> Described:
  """Adds what EXIF data says.

  Args:
    found: of the same file.
    data: with or without 'Exif' in front; or None.

  Returns:
    The metadata, the orientation (1 to 8) that the pixels are stored in, and
    notes for the user.
  """
  if not data:
    return _with_directory(found, Image.Exif, True)
  data = data.removeprefix(b'Exif\0\0')

  def load() -> Image.Exif:
    exif = Image.Exif()
    exif.load(data)
    return exif

  return _with_directory(found, load, exifs.is_whole(data))


def _with_directory(
  found: Metadata, load: Callable[[], Image.Exif], whole: bool
) -> Described:
  exif, described = Image.Exif(), None
  try:
    exif = load()
    kept = exifs.copy(exif)
    described = kept.tobytes() if len(kept) else None
  except Exception:  # whatever a damaged entry happens to break
    whole = False
  resources = _bytes(exif, _IPTC) or _bytes(exif, _PHOTOSHOP) or b''
  found = found._replace(
    exif=described,
    icc=found.icc or _bytes(exif, _ICC),
    dpi=found.dpi or _resolution(exif),
    xmp=found.xmp or _bytes(exif, _XMP),
    iptc=found.iptc or iptcs.records(resources),
  )
  orientation = _value(exif, Base.Orientation)
  if found.xmp:
    if orientation is None:
      orientation = xmps.orientation(found.xmp)
    xmp, lost = xmps.without_claims(xmps.upright(found.xmp))
    left_out = tuple(dict.fromkeys((*found.left_out, *lost)))
    found = found._replace(xmp=xmp, left_out=left_out)
  if not isinstance(orientation, int) or not 1 <= orientation <= 8:
    orientation = 1
  if found.dpi and orientation >= 5:  # the picture is going to be turned
    found = found._replace(dpi=found.dpi[::-1])
  return found, orientation, () if whole else (_DAMAGED,)


def _value(exif: Image.Exif, tag: int) -> Any:
  """A value, or None where there is none that can be read."""
  try:
    return exif.get(tag)
  except Exception:  # whatever a damaged entry happens to break
    return None


def _bytes(exif: Image.Exif, tag: int) -> bytes | None:
  value = _value(exif, tag)
  if isinstance(value, tuple) and tag == _IPTC:  # numbers of 32 bits
    words = [v for v in value if isinstance(v, int) and 0 <= v < 2**32]
    return struct.pack(f'{exif.endian or "<"}{len(words)}I', *words)
  return value if isinstance(value, bytes) else None


def _resolution(exif: Image.Exif) -> tuple[float, float] | None:
  """DPI of EXIF; its unit is the inch where none is named."""
  unit = {2: 1.0, 3: 2.54}.get(_value(exif, Base.ResolutionUnit) or 2)
  given = checked_dpi(
    (_value(exif, Base.XResolution), _value(exif, Base.YResolution))
  )
  return (given[0] * unit, given[1] * unit) if given and unit else None


def profile_space(icc: bytes | None) -> str:
  """The colour space that a profile is for, such as 'RGB' or 'GRAY'; or ''."""
  return (icc or b'')[16:20].decode('latin-1').rstrip()


def checked_dpi(value: Any) -> tuple[float, float] | None:
  """Pixels an inch, if they are two positive numbers."""
  try:
    x, y = (float(v) for v in value)
  except (TypeError, ValueError, ZeroDivisionError):
    return None
  return (x, y) if 0 < x < _MAX_DPI and 0 < y < _MAX_DPI else None

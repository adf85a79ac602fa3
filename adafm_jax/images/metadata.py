"""What a photograph carries beside its pixels, and how it is kept."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from PIL import Image
from PIL.ExifTags import IFD, Base

# Of the main directory, what describes the picture. The rest lays out the old
# file, or is kept elsewhere (ICC profile, XMP). IFD1 is the thumbnail, of the
# picture as it was.
_KEPT = (
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
_ICC, _XMP = 34675, 700  # TIFF tags
_MOST_DPI = 65535  # that JPEG files hold
_DAMAGED = 'Its EXIF data is damaged; what could not be read is left out.'

# In attribute and in element form.
_XMP_ORIENTATION = re.compile(
  rb'(tiff:Orientation(?:\s*=\s*["\']|>)\s*)([1-8])'
)


class Metadata(NamedTuple):
  """What is kept of a file beside its pixels.

  Attributes:
    exif: EXIF as `Image.Exif.tobytes` gives it, upright (without orientation,
      which means 1), without thumbnail; or None.
    icc: ICC colour profile, or None.
    dpi: (horizontal, vertical) pixels an inch, or None.
    xmp: XMP packet, upright, or None.
    text: text chunks of a PNG file, as (name, text).
  """

  exif: bytes | None = None
  icc: bytes | None = None
  dpi: tuple[float, float] | None = None
  xmp: bytes | None = None
  text: tuple[tuple[str, str], ...] = ()


def of_image(image: Image.Image) -> tuple[Metadata, int, tuple[str, ...]]:
  """Metadata of an open PNG, JPEG, WebP or BMP file, loaded.

  Returns:
    The metadata, the orientation (1 to 8) that the pixels are stored in, and
    notes for the user.
  """
  info = image.info
  xmp = info.get('xmp') or info.get('XML:com.adobe.xmp')
  if isinstance(xmp, str):
    xmp = xmp.encode()
  text = tuple(
    (str(name), str(value))
    for name, value in getattr(image, 'text', {}).items()
    if not name.startswith(('XML:', 'Raw profile'))
  )
  metadata = Metadata(
    None, info.get('icc_profile'), _dpi(info.get('dpi')), xmp, text
  )
  return _with_exif(metadata, image.getexif)


def of_tiff(
  load: Callable[[], Image.Exif],
) -> tuple[Metadata, int, tuple[str, ...]]:
  """As `of_image`, of a TIFF file whose main directory `load` gives."""
  return _with_exif(Metadata(), load)


def _with_exif(
  metadata: Metadata, load: Callable[[], Image.Exif]
) -> tuple[Metadata, int, tuple[str, ...]]:
  """Adds what EXIF data says; see `of_image` for what is returned."""
  exif, kept = Image.Exif(), Image.Exif()
  with warnings.catch_warnings(record=True) as damage:
    warnings.simplefilter('always')  # how Pillow tells of lost entries
    try:
      exif = load()
      kept = _copy(exif)
      described = kept.tobytes() if len(kept) else None
    except Exception as error:  # whatever a damaged entry happens to break
      warnings.warn(str(error), stacklevel=1)
      described = None
    metadata = metadata._replace(
      exif=described,
      icc=metadata.icc or _bytes(exif, _ICC),
      dpi=metadata.dpi or _resolution(exif),
      xmp=metadata.xmp or _bytes(exif, _XMP),
    )
  orientation = exif.get(Base.Orientation)
  if xmp := metadata.xmp:
    if orientation is None and (found := _XMP_ORIENTATION.search(xmp)):
      orientation = int(found[2])
    metadata = metadata._replace(xmp=_XMP_ORIENTATION.sub(rb'\g<1>1', xmp))
  if not isinstance(orientation, int) or not 1 <= orientation <= 8:
    orientation = 1
  return metadata, orientation, (_DAMAGED,) if damage else ()


def _bytes(exif: Image.Exif, tag: int) -> bytes | None:
  value = exif.get(tag)
  return value if isinstance(value, bytes) else None


def _copy(exif: Image.Exif) -> Image.Exif:
  """What is kept of EXIF data; its sub-directories become dictionaries."""
  kept = Image.Exif()
  for tag in _KEPT:
    if tag in exif:
      kept[tag] = _exact(exif[tag])
  for ifd in (IFD.Exif, IFD.GPSInfo):
    if entries := _exact_values(exif.get_ifd(ifd)):
      if IFD.Interop in entries:
        entries[IFD.Interop] = _exact_values(exif.get_ifd(IFD.Interop))
      kept[ifd] = entries
  return kept


def _exact_values(entries: Mapping[int, Any]) -> dict[int, Any]:
  return {tag: _exact(value) for tag, value in entries.items()}


def _exact(value: Any) -> Any:
  return _Latin1(value) if isinstance(value, str) else value


class _Latin1(str):
  """Text that becomes the bytes it was: Pillow reads Latin-1, writes ASCII."""

  __slots__ = ()

  def encode(self, *_: str) -> bytes:
    return super().encode('latin-1', 'replace')


def _resolution(exif: Image.Exif) -> tuple[float, float] | None:
  """DPI of EXIF; its unit is the inch where none is named."""
  unit = {2: 1.0, 3: 2.54}.get(exif.get(Base.ResolutionUnit, 2))
  given = _dpi((exif.get(Base.XResolution), exif.get(Base.YResolution)))
  return (given[0] * unit, given[1] * unit) if given and unit else None


def _dpi(value: Any) -> tuple[float, float] | None:
  """Pixels an inch, if they are two positive numbers."""
  try:
    x, y = (float(v) for v in value)
  except (TypeError, ValueError, ZeroDivisionError):
    return None
  return (x, y) if 0 < x < _MOST_DPI and 0 < y < _MOST_DPI else None


def for_size(
  metadata: Metadata,
  height: int,
  width: int,
  text: Mapping[str, str],
) -> Image.Exif:
  """EXIF of a picture that was made of another.

  Args:
    metadata: of the original.
    height: of the new picture, in pixels.
    width: of the new picture, in pixels.
    text: if any, to be kept in UserComment, as JSON, after what is there.

  Returns:
    EXIF whose sub-directories are plain dictionaries.
  """
  source = Image.Exif()
  source.load(metadata.exif or b'')
  exif = _copy(source)
  entries = exif.get(IFD.Exif, {})
  if metadata.dpi:
    exif[Base.XResolution], exif[Base.YResolution] = metadata.dpi
    exif[Base.ResolutionUnit] = 2  # inch
  if metadata.exif:
    entries[Base.ExifImageWidth] = width
    entries[Base.ExifImageHeight] = height
  if text:
    entries[Base.UserComment] = _comment(entries.get(Base.UserComment), text)
  if entries:
    exif[IFD.Exif] = entries
  return exif


def _comment(old: Any, text: Mapping[str, str]) -> bytes:
  """An EXIF UserComment: 8 bytes that name the coding, then the text."""
  before = ''
  if isinstance(old, bytes) and old.startswith(b'ASCII\0\0\0'):
    before = old[8:].decode('ascii', 'replace').strip('\0 ')
  elif isinstance(old, bytes) and old.startswith(b'UNICODE\0'):
    before = old[8:].decode('utf-16', 'replace').strip('\0 ')
  joined = '\n'.join(filter(None, (before, json.dumps(dict(text)))))
  return b'ASCII\0\0\0' + joined.encode('ascii', 'replace')

"""What a file that is written gets of a photograph's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from PIL import Image
from PIL.ExifTags import IFD, Base

from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import exif as exifs
from adafm_jax.images import formats, jxl_header
from adafm_jax.images.metadata import COMMENT, Metadata, profile_space

# Most bytes of a JPEG segment, less its length and name.
_MAX_EXIF, _MAX_XMP, _MAX_COMMENT, _MAX_IPTC = 65533, 65502, 65533, 65500
# Names of texts that EXIF has a place for.
_IN_EXIF = {
  'Description': Base.ImageDescription,
  'Title': Base.ImageDescription,
  'Author': Base.Artist,
  'Copyright': Base.Copyright,
  'Software': Base.Software,
}


class Carried(NamedTuple):
  """What goes into a file beside its samples.

  Attributes:
    exif: with its sub-directories as dictionaries.
    icc: see `Metadata`; so are dpi, xmp, iptc and colours.
    dpi: see above.
    xmp: see above.
    iptc: see above.
    colours: see above.
    text: of PNG.
    comment: of JPEG, or ''.
  """

  exif: Image.Exif
  icc: bytes | None
  dpi: tuple[float, float] | None
  xmp: bytes | None
  iptc: bytes | None
  colours: colour_chunks.Chunks
  text: tuple[tuple[str, str], ...] = ()
  comment: str = ''


def carry(
  metadata: Metadata,
  name: str,
  shape: tuple[int, ...],
  texts: Mapping[str, str],
) -> tuple[Carried, list[str]]:
  """Chooses what a format can carry.

  Args:
    metadata: of the photograph.
    name: of the format.
    shape: [H, W, N] of the samples.
    texts: further ones, by name, which go into EXIF's UserComment as JSON
      where a format has no texts.

  Returns:
    What is carried, and sentences for the user about what is lost.
  """
  kind, notes = formats.FORMATS[name], list(metadata.left_out)
  if not kind.metadata:
    if metadata.exif or metadata.icc or metadata.xmp:
      notes.append(f'{name} holds no EXIF, colour profile or XMP.')
    if metadata.colours and not metadata.icc:
      notes.append(f'{name} cannot say what its colours mean; that is lost.')
    if texts or metadata.text or metadata.iptc:
      notes.append(f'{name} holds no text.')
    return Carried(
      Image.Exif(), None, metadata.dpi, None, None, (), (), ''
    ), notes
  metadata = _with_profile(metadata, name, shape[-1], notes)
  if metadata.iptc and not kind.iptc:
    notes.append(f'{name} holds no IPTC data; it was left out.')
    metadata = metadata._replace(iptc=None)
  if name == 'PNG':
    exif = for_size(metadata, shape)
    kept = [item for item in metadata.text if item[0] not in texts]
    text = (*kept, *texts.items())
    return _carried(exif, metadata, text=text), notes
  exif, comment = _with_texts(for_size(metadata, shape), metadata, name, notes)
  _add_texts(exif, texts)
  if name == 'JPEG':
    return _for_jpeg(exif, metadata, comment, shape, texts, notes), notes
  return _carried(exif, metadata), notes


def _carried(exif: Image.Exif, metadata: Metadata, **more) -> Carried:
  return Carried(
    exif,
    metadata.icc,
    metadata.dpi,
    metadata.xmp,
    metadata.iptc,
    metadata.colours,
    **more,
  )


def _with_profile(
  metadata: Metadata, name: str, channels: int, notes: list[str]
) -> Metadata:
  """Metadata whose colours the format can say, and that fit the channels."""
  space = 'GRAY' if channels < 3 else 'RGB'
  if metadata.icc and profile_space(metadata.icc) != space:
    metadata = metadata._replace(icc=None)
    notes.append('The colour profile does not fit the channels; left out.')
  described, kind = metadata.colours, formats.FORMATS[name].colours
  coded = colour_chunks.code_points(described)
  sayable = coded and (name != 'JXL' or jxl_header.has_code(*coded))
  if kind == formats.CHUNKS or (kind == formats.CODES and sayable):
    return metadata
  if not described:
    return metadata
  try:
    icc = metadata.icc or colour_chunks.profile(described, channels)
  except ValueError:
    notes.append(f'{name} cannot say what its colours mean; that is lost.')
    icc = None
  return metadata._replace(icc=icc, colours=())


def for_size(metadata: Metadata, shape: tuple[int, ...]) -> Image.Exif:
  """EXIF of a picture [H, W, N] that was made of another.

  Returns:
    EXIF whose sub-directories are plain dictionaries.
  """
  source = Image.Exif()
  source.load(metadata.exif or b'')
  exif = exifs.copy(source)
  if metadata.dpi:
    exif[Base.XResolution], exif[Base.YResolution] = metadata.dpi
    exif[Base.ResolutionUnit] = 2  # inch
  if metadata.exif:
    entries = exif.get(IFD.Exif, {})
    entries[Base.ExifImageHeight], entries[Base.ExifImageWidth] = shape[:2]
    exif[IFD.Exif] = entries
  return exif


def _add_texts(exif: Image.Exif, texts: Mapping[str, str]) -> None:
  """Writes texts behind the comment that EXIF data has."""
  if texts:
    entries = exif.get(IFD.Exif, {})
    old = entries.get(Base.UserComment)
    entries[Base.UserComment] = exifs.with_texts(old, texts, exif.endian)
    exif[IFD.Exif] = entries


def _with_texts(
  exif: Image.Exif, metadata: Metadata, name: str, notes: list[str]
) -> tuple[Image.Exif, str]:
  """Finds a place in EXIF for the texts of a PNG or JPEG file.

  Returns:
    EXIF, and the comment of a JPEG file.
  """
  lost, comment = [], ''
  for key, text in metadata.text:
    tag = _IN_EXIF.get(key)
    # EXIF is read as Latin-1 here, and as UTF-8 by most.
    written = exifs.Latin1(text.encode().decode('latin-1'))
    entries = exif.get(IFD.Exif, {})
    if key == COMMENT and name == 'JPEG':
      comment = '\n'.join(filter(None, (comment, text)))
    elif key == COMMENT and Base.UserComment not in entries:
      entries[Base.UserComment] = exifs.coded(text, exif.endian)
      exif[IFD.Exif] = entries
    elif tag is not None and tag not in exif:
      exif[tag] = written
    elif tag is None or exif[tag] != written:
      lost.append(key)
  lost = list(dict.fromkeys(lost))
  if lost:
    notes.append(f'{name} has no place for the texts {", ".join(lost)}.')
  return exif, comment


def _for_jpeg(
  exif: Image.Exif,
  metadata: Metadata,
  comment: str,
  shape: tuple[int, ...],
  texts: Mapping[str, str],
  notes: list[str],
) -> Carried:
  """What fits into the segments of a JPEG file."""
  if len(exif) and len(exif.tobytes()) > _MAX_EXIF:
    exif = for_size(metadata._replace(exif=None), shape)
    _add_texts(exif, texts)
    notes.append('The EXIF data is too long for JPEG and was left out.')
  too_long = 'data is too long for JPEG and was left out.'
  if len(metadata.xmp or b'') > _MAX_XMP:
    metadata = metadata._replace(xmp=None)
    notes.append(f'The XMP {too_long}')
  if len(metadata.iptc or b'') > _MAX_IPTC:
    metadata = metadata._replace(iptc=None)
    notes.append(f'The IPTC {too_long}')
  if len(comment.encode()) > _MAX_COMMENT:
    comment = ''
    notes.append('The comment is too long for JPEG and was left out.')
  return _carried(exif, metadata, comment=comment)

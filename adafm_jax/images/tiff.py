"""Decoding TIFF files: what Pillow can't carry goes through tifffile."""

from __future__ import annotations

import io
import logging

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, SAMPLEFORMAT

from adafm_jax.images import decode, reading
from adafm_jax.images import exif as exifs
from adafm_jax.images import metadata as metadatas
from adafm_jax.images.decode import Decoded, Measured

# It logs damage that it could repair; what matters is raised as an error.
logging.getLogger('tifffile').addHandler(logging.NullHandler())

_DNG_VERSION = 50706
# Bits of NewSubfileType: a smaller copy, a transparency mask.
_REDUCED, _MASK = 1, 4
_COLOURS: dict[int, int] = {
  PHOTOMETRIC.MINISWHITE: 1,
  PHOTOMETRIC.MINISBLACK: 1,
  PHOTOMETRIC.RGB: 3,
  PHOTOMETRIC.PALETTE: 3,
}
# Image codecs, which give RGB for their YCbCr; no others do in tifffile.
_CODECS = (
  *(COMPRESSION.JPEG, COMPRESSION.ALT_JPEG, COMPRESSION.JPEG_LOSSY),
  *(COMPRESSION.JPEG2000, COMPRESSION.JPEG_2000_LOSSY),
  *(COMPRESSION.APERIO_JP2000_RGB, COMPRESSION.APERIO_JP2000_YCBC),
  *(COMPRESSION.JPEGXL, COMPRESSION.JPEGXL_DNG, COMPRESSION.PNG),
  *(COMPRESSION.JPEGXR, COMPRESSION.JPEGXR_NDPI),
  *(COMPRESSION.WEBP, COMPRESSION.WEBP_DEPRECATED),
)
# What every build of Pillow decodes; others may say on the terminal that they
# lack it.
_PILLOW_S = (
  *(COMPRESSION.NONE, COMPRESSION.PACKBITS, COMPRESSION.LZW),
  *(COMPRESSION.CCITTRLE, COMPRESSION.CCITTFAX3, COMPRESSION.CCITTFAX4),
  *(COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.CCIRLEW),
  *(COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.THUNDERSCAN),
)
# More than half of a float image above 1 is no highlight: other units.
MAX_ABOVE = 0.5


def measure(data: bytes) -> Measured:
  """See `Measured`."""
  with tifffile.TiffFile(io.BytesIO(data)) as tiff:
    page = tiff.pages.first
    size = page.imagewidth, page.imagelength
    return size, _described(tiff, page, data)[1]


def decode_tiff(data: bytes) -> Decoded:
  """Decodes a TIFF file of one page.

  Raises:
    ValueError: the file is refused; the reason completes 'Cannot read it: '.
    Exception: whatever a decoder raises for broken data.
  """
  with tifffile.TiffFile(io.BytesIO(data)) as tiff:
    page = _only_page(tiff, data)
    reading.check_size(page.imagewidth, page.imagelength)
    metadata, orientation, notes = _described(tiff, page, data)
    deep = page.bitspersample > 8 or page.sampleformat != SAMPLEFORMAT.UINT
    if not deep and page.compression in _PILLOW_S:
      try:
        samples, icc, note = _by_pillow(data, metadata.icc)
        metadata = metadata._replace(icc=icc)
        notes = (*notes, note) if note else notes
        return Decoded(samples, 255, 8, metadata, notes=notes)
      except UnidentifiedImageError:
        pass  # a layout that it does not know
    samples, highest, depth, more = _by_tifffile(page)
  return Decoded(
    samples, highest, depth, metadata, orientation, None, (*notes, *more)
  )


def _by_pillow(
  data: bytes, icc: bytes | None
) -> tuple[np.ndarray, bytes | None, str]:
  """See `decode.samples_of`; turned as the orientation says."""
  with Image.open(io.BytesIO(data), formats=('TIFF',)) as image:
    image.load()
    return decode.samples_of(image, icc)


def _described(
  tiff: tifffile.TiffFile, page: tifffile.TiffPage, data: bytes
) -> metadatas.Described:
  """What a page's directory says, which has the form of EXIF data."""

  def load() -> Image.Exif:
    exif = Image.Exif()
    exif.endian, exif.bigtiff = tiff.byteorder, tiff.is_bigtiff
    exif.load_from_fp(io.BytesIO(data), page.offset)
    return exif

  return metadatas.of_tiff(load, exifs.is_whole(data, page.offset))


def _only_page(tiff: tifffile.TiffFile, data: bytes) -> tifffile.TiffPage:
  """The one page of a file, smaller copies and masks left aside."""
  first = tiff.pages.first
  if (
    _DNG_VERSION in first.tags
    or first.subfiletype & _REDUCED
    or data[8:10] == b'CR'
  ):
    raise ValueError(
      'it is a camera raw file; develop it first and save it as TIFF or PNG'
    )
  pages = [p for p in tiff.pages if not _subfile(p) & (_REDUCED | _MASK)]
  if len(pages) > 1:
    raise ValueError(
      f'it holds {len(pages)} pages; save each page as a file of its own'
    )
  return first


def _subfile(page: tifffile.TiffPage | tifffile.TiffFrame) -> int:
  tags = getattr(page, 'tags', None)
  return tags.valueof(254, 0) if tags is not None else 0


def _by_tifffile(
  page: tifffile.TiffPage,
) -> tuple[np.ndarray, float, int, list[str]]:
  """What Pillow does not decode: samples, the highest, the depth, and notes."""
  colours = _COLOURS.get(page.photometric)
  if page.photometric == PHOTOMETRIC.YCBCR and page.compression in _CODECS:
    colours = 3
  _check_kind(page, colours)
  assert colours is not None
  samples = page.asarray()
  if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
    samples = np.moveaxis(samples, 0, -1)
  samples = samples.reshape(*samples.shape[:2], -1)
  notes: list[str] = []
  if page.photometric == PHOTOMETRIC.PALETTE:
    table = np.asarray(page.colormap).T
    return table[samples[..., 0]], 65535, 8, notes
  if page.sampleformat == SAMPLEFORMAT.IEEEFP:
    highest, depth = 1.0, 32
    samples, notes = _floats(samples, page.bitspersample)
  else:
    highest = 2.0**page.bitspersample - 1
    depth = 8 if page.bitspersample <= 8 else 16
  if page.photometric == PHOTOMETRIC.MINISWHITE:
    samples = np.concatenate(
      [(highest - samples[..., :1]).astype(samples.dtype), samples[..., 1:]],
      axis=-1,
    )
  samples, highest = _with_alpha(page, samples, colours, highest, notes)
  return samples, highest, depth, notes


def _check_kind(page: tifffile.TiffPage, colours: int | None) -> None:
  """Refuses what is no photograph, or of samples that say no brightness."""
  bits, kind = page.bitspersample, page.sampleformat
  palette = page.photometric == PHOTOMETRIC.PALETTE
  if colours is None or page.samplesperpixel < (1 if palette else colours):
    raise ValueError(
      f'its colours ({PHOTOMETRIC(page.photometric).name}, {bits} bits) are'
      ' neither grey nor RGB; convert it to RGB first'
    )
  if kind not in (SAMPLEFORMAT.UINT, SAMPLEFORMAT.IEEEFP) or (
    kind == SAMPLEFORMAT.UINT and bits > 16
  ):
    raise ValueError(
      f'it has {bits}-bit samples ({SAMPLEFORMAT(kind).name}); save it with 8'
      ' or 16 bits, or 32-bit floats'
    )


def _floats(samples: np.ndarray, bits: int) -> tuple[np.ndarray, list[str]]:
  """Checks floats, and clips highlights to what a network can take."""
  if not np.isfinite(samples).all():
    raise ValueError('it has values that are not numbers (NaN or infinity)')
  low, high = float(samples.min()), float(samples.max())
  if np.mean(samples > 1) > MAX_ABOVE:
    raise ValueError(
      f'its values reach {high:g}, most of them above 1; scale them to 0..1'
    )
  notes = []
  if bits > 32:
    notes.append(f'Its {bits}-bit floats were cut to 32 bits.')
  if low < 0 or high > 1:
    notes.append(f'Its values from {low:g} to {high:g} were clipped to 0..1.')
  return np.clip(samples, 0, 1).astype(np.float32), notes


def _with_alpha(
  page: tifffile.TiffPage,
  samples: np.ndarray,
  colours: int,
  highest: float,
  notes: list[str],
) -> tuple[np.ndarray, float]:
  """Keeps the alpha channel of the extra samples, straight, and drops others.

  Returns:
    [H, W, colours or colours + 1], and the sample that means 1.
  """
  extra = list(page.extrasamples)
  extra += [EXTRASAMPLE.UNSPECIFIED] * (
    samples.shape[-1] - colours - len(extra)
  )
  alphas = [
    i for i, kind in enumerate(extra) if kind != EXTRASAMPLE.UNSPECIFIED
  ]
  if len(extra) > len(alphas[:1]):
    notes.append('It has extra channels that were left out.')
  if not alphas:
    return samples[..., :colours], highest
  picture, alpha = (
    samples[..., :colours],
    samples[..., colours + alphas[0], None],
  )
  if extra[alphas[0]] == EXTRASAMPLE.ASSOCALPHA:
    part = np.maximum(alpha.astype(np.float32), 1e-6)
    straight = np.minimum(picture / part, 1).astype(np.float32)
    alpha = (alpha / np.float32(highest)).astype(np.float32)
    picture, highest = straight, 1.0
  return np.concatenate([picture, alpha], axis=-1), highest

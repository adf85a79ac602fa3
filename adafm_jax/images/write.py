"""Writing photographs: depth, alpha and metadata are kept where they can be."""

from __future__ import annotations

import io
import os
import pathlib
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.images import eight_bit as images
from adafm_jax.images import metadata as metadatas
from adafm_jax.images.photo import SUFFIXES, Photo

_WHITE = 1.0  # what pictures without alpha are put on
# Most bytes of a JPEG segment, less its length and name.
_LONGEST_EXIF, _LONGEST_XMP = 65533, 65502
_HIGHEST_QUALITY = 100
_SHARP_QUALITY = 90  # from here on, chroma at full resolution is worth it


class _Format(NamedTuple):
  """What a format can carry: depths, sides up to `longest`, and more."""

  depths: tuple[int, ...]
  longest: int
  alpha: bool = True
  grey: bool = True
  metadata: bool = True


_FORMATS = {
  'PNG': _Format((8, 16), 2**31 - 1),
  'JPEG': _Format((8,), 65500, alpha=False),
  'TIFF': _Format((8, 16, 32), 2**31 - 1),
  'WEBP': _Format((8,), 16383, grey=False),
  'BMP': _Format((8,), 2**31 - 1, alpha=False, metadata=False),
}


class _Extras(NamedTuple):
  """What goes into a file beside its samples, as the writers need it."""

  exif: Image.Exif
  icc: bytes | None
  dpi: tuple[float, float] | None
  xmp: bytes | None
  text: tuple[tuple[str, str], ...]
  quality: int
  lossless: bool


def write_photo(
  path: str | os.PathLike[str],
  pixels: np.ndarray,
  like: Photo,
  *,
  format: str | None = None,
  quality: int = 95,
  extra_text: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
  """Writes a photograph, whole or not at all.

  Args:
    path: of the new file; its folder is made if it is missing.
    pixels: float32 [H, W, 1 or 3] in [0, 1] (clipped to that, and rounded to
      the depth of the file), with straight colours.
    like: the photograph it was made of. Its depth, alpha and metadata are
      written as far as the format can carry them. Its alpha must have the size
      of `pixels`: after enlarging, give `like._replace(alpha=...)`.
    format: 'PNG', 'JPEG', 'TIFF', 'WEBP' or 'BMP'; by default what the suffix
      of `path` says.
    quality: of JPEG and WebP, 1 to 100; WebP is lossless at 100, and where
      `like` is.
    extra_text: names and texts to keep in the file: text chunks of a PNG, EXIF
      UserComment (as JSON) of JPEG, WebP and TIFF.

  Returns:
    Sentences for the user: what the format could not carry. Often none.

  Raises:
    UserError: the format is unknown, can't hold the size, or the file can't be
      written.
    ValueError: `pixels` and the alpha of `like` differ in size.
  """
  path = pathlib.Path(path)
  name = format or SUFFIXES.get(path.suffix.lower(), '')
  check_size(path, name, *pixels.shape[:2])
  samples, notes = _samples(pixels, like, name)
  extras, more = _extras(samples, like, name, quality, extra_text or {})
  with files.atomic_path(path) as temporary:
    try:
      _WRITERS[name](temporary, samples, extras)
    except (ValueError, RuntimeError, struct.error) as error:
      raise UserError(f'Cannot write {path}: {error}.') from error
  return (*notes, *more)


def encode_png(
  pixels: np.ndarray, like: Photo, text: Mapping[str, str]
) -> bytes:
  """A photograph as a PNG file in memory; see `write_photo`.

  Args:
    pixels: float32 [H, W, 1 or 3] in [0, 1].
    like: the photograph it was made of, its alpha of the size of `pixels`.
    text: to keep in the file.
  """
  samples, _ = _samples(pixels, like, 'PNG')
  extras, _ = _extras(samples, like, 'PNG', _HIGHEST_QUALITY, text)
  return _png(samples, extras)


def check_size(path: pathlib.Path, name: str, height: int, width: int) -> None:
  """Checks that a format can hold a picture of so many pixels.

  Args:
    path: of the file, for the message.
    name: see `write_photo`.
    height: in pixels.
    width: in pixels.

  Raises:
    UserError: it can't, or is unknown.
  """
  if name not in _FORMATS:
    raise UserError(
      f'Cannot write {path}: its format is not known; give it one of the'
      f' suffixes {", ".join(SUFFIXES)}.'
    )
  if max(height, width) > _FORMATS[name].longest:
    raise UserError(
      f'Cannot write {path}: {name} holds at most {_FORMATS[name].longest}'
      f' pixels a side, not {width} x {height}; write PNG or TIFF.'
    )


def _samples(
  pixels: np.ndarray, like: Photo, name: str
) -> tuple[np.ndarray, list[str]]:
  """[H, W, N] of the format's depth and channels, and what was lost."""
  kind, notes = _FORMATS[name], []
  if pixels.shape[-1] == 1 and (like.grey_rgb or not kind.grey):
    pixels = np.repeat(pixels, 3, axis=-1)
  pixels = np.clip(pixels, 0, 1)
  if like.alpha is not None:
    if like.alpha.shape[:2] != pixels.shape[:2]:
      raise ValueError(f'alpha is {like.alpha.shape}, pixels {pixels.shape}')
    if kind.alpha:
      pixels = np.concatenate([pixels, like.alpha], axis=-1)
    else:
      pixels = pixels * like.alpha + _WHITE * (1 - like.alpha)
      if (like.alpha < 1).any():
        notes.append(f'{name} has no transparency; the picture is on white.')
  depth = min(like.depth, max(kind.depths))
  if depth < like.depth:
    notes.append(
      f'{name} holds {depth} bits a channel; the {like.depth}-bit picture was'
      ' rounded to that.'
    )
  if depth == 32:
    return pixels.astype(np.float32), notes
  if depth == 16:
    return np.rint(pixels * 65535).astype(np.uint16), notes
  return images.to_uint8(pixels), notes


def _extras(
  samples: np.ndarray,
  like: Photo,
  name: str,
  quality: int,
  text: Mapping[str, str],
) -> tuple[_Extras, list[str]]:
  """The metadata that the format can carry, and what was lost."""
  metadata, notes = like.metadata, []
  if not _FORMATS[name].metadata:
    if metadata.exif or metadata.icc or metadata.xmp:
      notes.append(f'{name} holds no EXIF, colour profile or XMP.')
    if text:
      notes.append(f'{name} holds no text.')
    metadata = metadatas.Metadata(dpi=metadata.dpi)
  # Bytes 16 to 20 of a profile name the colour space it is for.
  space = b'GRAY' if samples.shape[-1] < 3 else b'RGB '
  if metadata.icc and metadata.icc[16:20] != space:
    metadata = metadata._replace(icc=None)
    notes.append('The colour profile does not fit the channels; left out.')
  height, width = samples.shape[:2]
  comment = {} if name == 'PNG' else text
  exif = metadatas.for_size(metadata, height, width, comment)
  if name == 'JPEG':
    if len(exif) and len(exif.tobytes()) > _LONGEST_EXIF:
      bare = metadata._replace(exif=None)
      exif = metadatas.for_size(bare, height, width, comment)
      notes.append('The EXIF data is too long for JPEG and was left out.')
    if metadata.xmp and len(metadata.xmp) > _LONGEST_XMP:
      metadata = metadata._replace(xmp=None)
      notes.append('The XMP data is too long for JPEG and was left out.')
  texts = dict(metadata.text) | dict(text)
  return _Extras(
    exif,
    metadata.icc,
    metadata.dpi,
    metadata.xmp,
    tuple(texts.items()),
    quality,
    like.lossless or quality == _HIGHEST_QUALITY,
  ), notes


def _pillow(samples: np.ndarray) -> Image.Image:
  return Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)


def _common(extras: _Extras) -> dict[str, Any]:
  """What all of Pillow's writers take."""
  given: dict[str, Any] = {'icc_profile': extras.icc, 'dpi': extras.dpi}
  if len(extras.exif):
    given['exif'] = extras.exif.tobytes()
  return {name: value for name, value in given.items() if value}


def _write_jpeg(
  path: pathlib.Path, samples: np.ndarray, extras: _Extras
) -> None:
  given = {
    'quality': extras.quality,
    'subsampling': '4:4:4' if extras.quality >= _SHARP_QUALITY else '4:2:0',
    **_common(extras),
    **({'xmp': extras.xmp} if extras.xmp else {}),
  }
  image, data = _pillow(samples), io.BytesIO()
  try:
    image.save(data, 'JPEG', optimize=True, **given)
  except OSError:  # grain takes more bytes than Pillow keeps for optimizing
    data = io.BytesIO()
    image.save(data, 'JPEG', **given)
  path.write_bytes(data.getvalue())


def _write_webp(
  path: pathlib.Path, samples: np.ndarray, extras: _Extras
) -> None:
  given = _common(extras)
  given.pop('dpi', None)  # it is in EXIF
  _pillow(samples).save(
    path,
    'WEBP',
    quality=extras.quality,
    lossless=extras.lossless,
    exact=True,  # keep the colours that cannot be seen
    **given,
    **({'xmp': extras.xmp} if extras.xmp else {}),
  )


def _write_bmp(
  path: pathlib.Path, samples: np.ndarray, extras: _Extras
) -> None:
  given = {'dpi': extras.dpi} if extras.dpi else {}
  _pillow(samples).save(path, 'BMP', **given)


def _write_png(
  path: pathlib.Path, samples: np.ndarray, extras: _Extras
) -> None:
  path.write_bytes(_png(samples, extras))


def _png(samples: np.ndarray, extras: _Extras) -> bytes:
  texts = PngImagePlugin.PngInfo()
  if extras.xmp:
    packet = extras.xmp.decode('utf-8', 'replace')
    texts.add_itxt('XML:com.adobe.xmp', packet)
  for name, text in extras.text:
    texts.add_text(name, text)  # as iTXt where it isn't Latin-1
  given = {**_common(extras), 'pnginfo': texts}
  file = io.BytesIO()
  if samples.dtype == np.uint8:
    _pillow(samples).save(file, 'PNG', **given)
    return file.getvalue()
  import imagecodecs

  # Pillow has no 16-bit colour, imagecodecs no metadata: join them.
  _pillow(samples[:1, :1].astype(np.uint8)).save(file, 'PNG', **given)
  data = imagecodecs.png_encode(samples, level=6)
  extra = [
    chunk
    for kind, chunk in _chunks(file.getvalue())
    if kind not in (b'IHDR', b'IDAT', b'IEND')
  ]
  header = 8 + 25  # signature and IHDR
  return b''.join([data[:header], *extra, data[header:]])


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
  """The chunks of a PNG: (kind, all bytes of it)."""
  found, i = [], 8
  while i < len(data):
    end = i + 12 + int.from_bytes(data[i : i + 4], 'big')
    found.append((data[i + 4 : i + 8], data[i:end]))
    i = end
  return found


def _write_tiff(
  path: pathlib.Path, samples: np.ndarray, extras: _Extras
) -> None:
  from adafm_jax.images import tiff_write as photo_tiff_write

  photo_tiff_write.write(
    path, samples, exif=extras.exif, icc=extras.icc, xmp=extras.xmp
  )


_WRITERS = {
  'PNG': _write_png,
  'JPEG': _write_jpeg,
  'TIFF': _write_tiff,
  'WEBP': _write_webp,
  'BMP': _write_bmp,
}

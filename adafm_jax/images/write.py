"""Writing photographs: depth, alpha and metadata are kept where they can be."""

from __future__ import annotations

import os
import pathlib
import struct
from collections.abc import Mapping

import numpy as np

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.images import carry, encode, formats
from adafm_jax.images import colours as colour_chunks
from adafm_jax.images.photo import Photo

_WHITE = 1.0  # what pictures without alpha are put on
_MAX_QUALITY = 100
_BAND = 64  # rows


def write_photo(
  path: str | os.PathLike[str],
  pixels: np.ndarray,
  like: Photo,
  *,
  format: str | None = None,
  quality: int = 95,
  extra_text: Mapping[str, str] | None = None,
  written: files.Written | None = None,
) -> tuple[str, ...]:
  """Writes a photograph, whole or not at all.

  Args:
    path: of the new file; its folder is made if it is missing.
    pixels: float32 [H, W, 1 or 3] in [0, 1] (clipped to that, and rounded to
      the depth of the file), with straight colours.
    like: the photograph it was made of. Its depth, alpha and metadata are
      written as far as the format can carry them. Its alpha must have the size
      of `pixels`: after enlarging, give `like._replace(alpha=...)`.
    format: one of `formats.FORMATS`; by default what the suffix of `path` says.
    quality: of formats with loss, 1 to 100; those that can do both are without
      loss at 100, and where `like` is.
    extra_text: names and texts to keep in the file: text chunks of a PNG, EXIF
      UserComment (as JSON) of others.
    written: see `files.atomic_path`.

  Returns:
    Sentences for the user: what the format could not carry. Often none.

  Raises:
    UserError: the format is unknown, can't hold the picture, or the file can't
      be written.
    ValueError: `pixels` and the alpha of `like` differ in size.
  """
  path = pathlib.Path(path)
  name = format or formats.of_path(path)
  check(path, name, (pixels.shape[0], pixels.shape[1]), like)
  samples, notes = _samples(pixels, like, name)
  carried, settings, more = _beside(
    samples, like, name, quality, extra_text or {}
  )
  with files.atomic_path(path, written) as temporary:
    try:
      if name == 'TIFF':
        from adafm_jax.images import tiff_write

        tiff_write.write(temporary, samples, carried)
      else:
        from adafm_jax.images import encoders

        data = encoders.ENCODERS[name](samples, carried, settings)
        temporary.write_bytes(data)
    except (ValueError, RuntimeError, struct.error) as error:
      raise UserError(f'Cannot write {path}: {error}.') from error
  return (*notes, *more)


def _beside(
  samples: np.ndarray,
  like: Photo,
  name: str,
  quality: int,
  text: Mapping[str, str],
) -> tuple[carry.Carried, encode.Settings, tuple[str, ...]]:
  """What an encoder takes beside the samples, and what was lost."""
  carried, notes = carry.carry(like.metadata, name, samples.shape, text)
  # As asked for, or as the photograph's file was.
  lossless = quality == _MAX_QUALITY or (like.lossless and name == like.format)
  depth = formats.depth(name, like.depth)
  return carried, encode.Settings(quality, lossless, depth), tuple(notes)


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
  carried, settings, _ = _beside(samples, like, 'PNG', _MAX_QUALITY, text)
  return encode.encode_png(samples, carried, settings)


def check(
  path: pathlib.Path, name: str, size: tuple[int, int], like: Photo
) -> None:
  """Checks that a photograph can be written, before any work is done on it.

  Args:
    path: of the new file.
    name: of the format.
    size: (height, width) of the new picture.
    like: the photograph it is to be made of.

  Raises:
    UserError: the format is unknown, can't hold the size, or can't say what
      the numbers mean.
  """
  if name in formats.SIBLINGS:
    raise UserError(
      f'Cannot write {path}: {name} is read, but not written; write'
      f' {formats.SIBLINGS[name]}.'
    )
  if name not in formats.FORMATS:
    raise UserError(
      f'Cannot write {path}: its format is not known; give it one of the'
      f' suffixes {", ".join(formats.WRITTEN)}.'
    )
  kind, (height, width) = formats.FORMATS[name], size
  if max(size) > kind.longest:
    raise UserError(
      f'Cannot write {path}: {name} holds at most {kind.longest}'
      f' pixels a side, not {width} x {height}; write PNG or TIFF.'
    )
  colour = like.pixels.shape[-1] == 3 or like.grey_rgb or not kind.grey
  channels = (3 if colour else 1) + (like.alpha is not None and kind.alpha)
  sample = -(-formats.depth(name, like.depth) // 8)
  length = height * width * channels * sample
  if length > kind.largest:
    raise UserError(
      f'Cannot write {path}: {name} holds at most 4 GiB, and {width} x {height}'
      f' pixels take {length / 2**30:.1f}; write PNG.'
    )
  hdr = colour_chunks.hdr(like.metadata.colours)
  saying = (formats.CHUNKS, formats.CODES)
  if hdr and kind.colours not in saying:
    able = [n for n, k in formats.FORMATS.items() if k.colours in saying]
    raise UserError(
      f'Cannot write {path}: the picture is HDR ({hdr}), which {name} cannot'
      f' say; write {" or ".join(able)}.'
    )


def _samples(
  pixels: np.ndarray, like: Photo, name: str
) -> tuple[np.ndarray, list[str]]:
  """[H, W, N] of the format's depth and channels, and what was lost."""
  kind, notes, alpha = formats.FORMATS[name], [], like.alpha
  if alpha is not None and alpha.shape[:2] != pixels.shape[:2]:
    raise ValueError(f'alpha is {alpha.shape}, pixels {pixels.shape}')
  if alpha is not None and not kind.alpha and (alpha < 1).any():
    notes.append(f'{name} has no transparency; the picture is on white.')
  bits = formats.depth(name, like.depth)
  if bits < like.depth:
    notes.append(
      f'{name} holds {bits} bits a channel; the {like.depth}-bit picture was'
      ' rounded to that.'
    )
  grey = pixels.shape[-1] == 1 and not like.grey_rgb and kind.grey
  channels = (1 if grey else 3) + (alpha is not None and kind.alpha)
  dtype = {8: np.uint8, 32: np.float32}.get(bits, np.uint16)
  samples = np.empty((*pixels.shape[:2], channels), dtype)
  # In bands: whole, a large picture would be held several times.
  for top in range(0, len(samples), _BAND):
    rows = slice(top, top + _BAND)
    part = np.clip(pixels[rows], 0, 1)
    if alpha is not None and not kind.alpha:
      part = part * alpha[rows] + _WHITE * (1 - alpha[rows])
    elif alpha is not None:
      part = np.concatenate(
        [np.broadcast_to(part, (*part.shape[:2], channels - 1)), alpha[rows]],
        axis=-1,
      )
    samples[rows] = part if bits == 32 else np.rint(part * (2**bits - 1))
  return samples, notes

"""What a sweep reads: images and their references, checked before any work."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax import errors
from adafm_jax.commands.sweep_results import Reference
from adafm_jax.errors import UserError
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.images import alpha as alphas
from adafm_jax.images import eight_bit as images
from adafm_jax.images import photo as photos
from adafm_jax.images.folder import find_images
from adafm_jax.images.photo import Photo
from adafm_jax.models.architecture import Architecture
from adafm_jax.restore import contrast, pipeline


class Input(NamedTuple):
  """One image, read.

  Attributes:
    stem: of its file.
    like: the photograph, with alpha of the results' size.
    pixels: float32 [H, W, C], the network's input.
    finish: turns the network's output into an image, see `pipeline`; colours
      are straight.
    stretched: whether it has little contrast, which is raised for the network.
    reference: or None.
  """

  stem: str
  like: Photo
  pixels: np.ndarray
  finish: pipeline.Finish
  stretched: bool
  reference: Reference | None


def check_names(paths: Sequence[pathlib.Path], output: pathlib.Path) -> None:
  """Results are named by stems, and must not be the next call's inputs.

  Raises:
    UserError: two images have one stem, or `output` is an image's folder.
  """
  seen: dict[str, pathlib.Path] = {}
  for path in paths:
    if path.stem in seen:
      raise UserError(
        f'{seen[path.stem]} and {path} would get results of the same name;'
        ' rename one or sweep them separately.'
      )
    seen[path.stem] = path
  if any(path.parent.resolve() == output.resolve() for path in paths):
    raise UserError(
      f'--output {output} holds the images to sweep; give another folder, or'
      ' the results would be swept next time.'
    )


def find_references(
  given: str | None, paths: Sequence[pathlib.Path]
) -> dict[pathlib.Path, pathlib.Path]:
  """The reference of each image, by stem; {} if none are wanted.

  Args:
    given: file or folder, or None. Of one image, the name does not matter.
    paths: of the images.

  Raises:
    UserError: an image has none, or two.
  """
  if given is None:
    return {}
  found = find_images(given)
  if len(paths) == len(found) == 1:
    return {paths[0]: found[0]}
  by_stem: dict[str, pathlib.Path] = {}
  for path in found:
    if path.stem in by_stem:
      raise UserError(
        f'{by_stem[path.stem]} and {path} would be references of the same'
        ' image; take one away.'
      )
    by_stem[path.stem] = path
  if missing := [p.name for p in paths if p.stem not in by_stem]:
    raise UserError(
      f'{given} has no reference for {errors.listed(missing)};'
      ' references go by file name without suffix.'
    )
  return {path: by_stem[path.stem] for path in paths}


def read(
  path: pathlib.Path,
  reference_path: pathlib.Path | None,
  *,
  arch: Architecture,
  task: str,
  scale: float,
  border: int,
) -> Input:
  """Reads an image and its reference, and checks that they can be swept.

  Args:
    path: of the image.
    reference_path: of the clean image, or None.
    arch: of the network.
    task: of the model.
    scale: by which the image is enlarged first.
    border: pixels that PSNR leaves out.

  Raises:
    UserError: a file can't be read, or the reference does not fit the image.
  """
  photo, image = _read_photo(path)
  straight = (image / 255).astype(np.float32)
  found = contrast.find(straight[None], task, photo.alpha)
  stretched = bool(found.gain[0] != 1)
  if photo.alpha is None and not stretched:
    pixels, finish = pipeline.to_network(image, arch.channels, scale=scale)
  else:
    photo, pixels, finish = _in_floats(
      photo, straight, arch.channels, scale, found
    )
  height, width, _ = pixels.shape
  reference = None
  if reference_path:
    reference = Reference(
      _read_reference(
        reference_path,
        (height, width, image.shape[-1]),
        slack=border if task == 'sr' else 0,
      ),
      border,
      Protocol.of(task).channels,
    )
  return Input(path.stem, photo, pixels, finish, stretched, reference)


def _read_photo(path: pathlib.Path) -> tuple[Photo, np.ndarray]:
  """A photograph, and its colours as uint8 [H, W, 1 or 3]; 1 if it is grey.

  Raises:
    UserError: it can't be read, or has more than 8 bits a channel.
  """
  photo = photos.read_photo(path)
  if photo.depth > 8:
    raise UserError(
      f'The image {path} has more than 8 bits a channel; convert it to 8 bits'
      ' first.'
    )
  return photo, images.to_uint8(photo.pixels)


def _in_floats(
  photo: Photo,
  straight: np.ndarray,
  channels: int,
  scale: float,
  found: contrast.Contrast,
) -> tuple[Photo, np.ndarray, pipeline.Finish]:
  """As `pipeline.to_network`, of what can be seen, with its contrast raised."""
  seen = alphas.seen(straight, photo.alpha)
  pixels, finish = contrast.prepare(seen[None], channels, found, scale=scale)
  alpha, hidden = pipeline.enlarge_hidden(photo.alpha, straight, scale)

  def whole(output: np.ndarray) -> np.ndarray:
    finished = np.clip(finish(output[None])[0], 0, 1)
    if alpha is not None:
      finished = alphas.unpremultiply(finished, alpha, hidden)
    return images.to_uint8(finished)

  return photo._replace(alpha=alpha), pixels[0], whole


def _read_reference(
  path: pathlib.Path, shape: tuple[int, ...], slack: int
) -> np.ndarray:
  """Reads a reference for results of a shape [H, W, C].

  In super-resolution the sizes may differ by a pixel of the small image, at the
  bottom and right; they are then compared where they overlap.
  """
  _, image = _read_photo(path)
  height, width, channels = shape
  if max(abs(image.shape[0] - height), abs(image.shape[1] - width)) > slack:
    raise UserError(
      f'The reference {path} has {image.shape[0]} x {image.shape[1]} pixels;'
      f' the result has {height} x {width}.'
    )
  if channels == 1 and image.shape[-1] == 3:
    raise UserError(
      f'The reference {path} is in colour, but the image to sweep is grey; make'
      ' both the same.'
    )
  return images.to_channels(image[:height, :width], channels)

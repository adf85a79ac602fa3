"""What a sweep reads: images and their references, checked before any work."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax.commands.sweep_results import Reference
from adafm_jax.errors import UserError
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.images import eight_bit as images
from adafm_jax.images.folder import find_images
from adafm_jax.models.architecture import Architecture
from adafm_jax.restore import pipeline


class Input(NamedTuple):
  """One image, read.

  Attributes:
    stem: of its file.
    pixels: float32 [H, W, C], the network's input.
    finish: turns the network's output into an image, see `pipeline`.
    reference: or None.
  """

  stem: str
  pixels: np.ndarray
  finish: pipeline.Finish
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
    more = f' and {len(missing) - 5} more' if len(missing) > 5 else ''
    raise UserError(
      f'{given} has no reference for {", ".join(missing[:5])}{more};'
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
  image = images.read(path)
  pixels, finish = pipeline.to_network(image, arch.channels, scale=scale)
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
  return Input(path.stem, pixels, finish, reference)


def _read_reference(
  path: pathlib.Path, shape: tuple[int, ...], slack: int
) -> np.ndarray:
  """Reads a reference for results of a shape [H, W, C].

  In super-resolution the sizes may differ by a pixel of the small image, at the
  bottom and right; they are then compared where they overlap.
  """
  image = images.read(path)
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

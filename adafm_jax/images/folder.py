"""Image files in folders."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

from adafm_jax.errors import UserError
from adafm_jax.images import formats

SUFFIXES = tuple(formats.SUFFIXES)


def find_images(
  paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
  *,
  deep: bool = False,
) -> list[pathlib.Path]:
  """Lists image files, sorted by name.

  Args:
    paths: files and folders.
    deep: where a folder holds no image itself, take those of the folders below
      it; otherwise folders below are ignored.

  Returns:
    The files, each once; of folders those with one of `SUFFIXES`, in any case,
    hidden ones left out.

  Raises:
    UserError: a path doesn't exist, or a folder holds no image or can't be
      read.
  """
  if isinstance(paths, str | os.PathLike):
    paths = [paths]
  found = []
  for path in paths:
    if not os.fspath(path):
      raise UserError('A path is empty; give a file or a folder.')
    path = pathlib.Path(path)
    if os.path.isdir(path):
      found += _inside(path, deep)
    elif os.path.exists(path):
      found.append(path)
    else:
      raise UserError(f'There is no file or folder {path}.')
  return list(dict.fromkeys(found))


def _inside(folder: pathlib.Path, deep: bool) -> list[pathlib.Path]:
  try:
    found = _images(folder)
    if deep and not found:
      below = sorted(path for path in folder.rglob('*') if path.is_dir())
      found = [path for place in below for path in _images(place)]
  except OSError as error:
    raise UserError(
      f'Cannot read the folder {folder}: {error.strerror}.'
    ) from error
  if not found:
    raise UserError(
      f'The folder {folder} holds no images ({", ".join(SUFFIXES)}).'
    )
  return found


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
  return sorted(
    path
    for path in folder.iterdir()
    if path.suffix.lower() in SUFFIXES
    and not path.name.startswith('.')
    and not path.is_dir()
  )

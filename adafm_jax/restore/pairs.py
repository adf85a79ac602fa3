"""Which pictures a call restores, and where each result goes."""

from __future__ import annotations

import glob
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from adafm_jax.errors import UserError
from adafm_jax.images.folder import SUFFIXES, find_images

# --ext: the suffix it stands for; 'auto' keeps that of the input.
EXTENSIONS = {
  'auto': None,
  'png': '.png',
  'jpg': '.jpg',
  'webp': '.webp',
  'tiff': '.tiff',
}
_MOST_CLASHES = 5  # told at once


class Pair(NamedTuple):
  """A picture and where its result goes."""

  source: pathlib.Path
  target: pathlib.Path


class _Found(NamedTuple):
  """A picture and its folder below the output folder."""

  source: pathlib.Path
  below: pathlib.Path


def plan(
  inputs: Sequence[str],
  output: str,
  *,
  suffix: str = '',
  ext: str = 'auto',
  recursive: bool = False,
  keep: Iterable[str] = (),
) -> list[Pair]:
  """Finds the pictures and names their results.

  Args:
    inputs: files, folders and glob patterns ('**' reaches into sub-folders).
    output: a file, if there is one input file and this has an image suffix and
      is no folder; otherwise a folder.
    suffix: goes behind the names of results, before '.png' and the like.
    ext: one of `EXTENSIONS`.
    recursive: whether to go into sub-folders; results keep their structure.
    keep: further files that no result may overwrite.

  Returns:
    The pairs, in order. Results of an earlier call that lie among the inputs
    are left out: those below the output folder, and those with `suffix` beside
    the picture they were made of.

  Raises:
    UserError: an input doesn't exist or holds no image; a result would
      overwrite an input, or two would have one name; or `output` is a file and
      there are several pictures.
  """
  if os.sep in suffix or '/' in suffix:
    raise UserError(f'--suffix is {suffix!r}; it goes into a file name.')
  folder = pathlib.Path(output)
  found = list(_find(inputs, folder, recursive))
  if _names_file(inputs, output):
    if suffix or ext != 'auto':
      raise UserError(
        f'-o {output} names the result itself: leave --suffix and --ext out, or'
        ' give a folder.'
      )
    pairs = [Pair(found[0].source, folder)]
  else:
    if folder.exists() and not folder.is_dir():
      raise UserError(f'-o {output} is a file; give a folder for the results.')
    if suffix:
      found = _without_results(found, folder, suffix)
    pairs = [Pair(f.source, _target(f, folder, suffix, ext)) for f in found]
  _check_targets(pairs, keep)
  return pairs


def _names_file(inputs: Sequence[str], output: str) -> bool:
  """Whether the output is one file and not a folder.

  Raises:
    UserError: it looks like a file, but there may be several pictures.
  """
  path = pathlib.Path(output)
  if path.is_dir() or path.suffix.lower() not in SUFFIXES:
    return False
  if output.endswith(('/', os.sep)):
    return False
  if len(inputs) > 1 or not pathlib.Path(inputs[0]).is_file():
    raise UserError(
      f'-o {output} is the name of one picture; for several give a folder'
      f' (an existing one, or {path.stem}/).'
    )
  return True


def _find(
  inputs: Sequence[str], output: pathlib.Path, recursive: bool
) -> Iterator[_Found]:
  """All pictures, each once."""
  seen = set()
  for text in inputs:
    for found in _find_one(text, output, recursive):
      key = found.source.resolve()
      if key not in seen:
        seen.add(key)
        yield found


def _find_one(text: str, output: pathlib.Path, recursive: bool) -> list[_Found]:
  path = pathlib.Path(text)
  here = pathlib.Path()
  if path.is_dir():
    inside = _inside(path, output, recursive)
    return [_Found(p, p.parent.relative_to(path)) for p in inside]
  if not path.exists() and glob.has_magic(text):
    matched = map(pathlib.Path, sorted(glob.glob(text, recursive=True)))
    inside = [p for p in matched if _is_image(p) and not p.is_dir()]
    if not inside:
      raise UserError(f'No image matches the pattern {text}.')
    return [_Found(p, here) for p in inside]
  return [_Found(p, here) for p in find_images(path)]


def _inside(
  folder: pathlib.Path, output: pathlib.Path, recursive: bool
) -> list[pathlib.Path]:
  """Images of a folder; those below an output folder inside it are results."""
  if not recursive:
    return find_images(folder)
  results = output.resolve()
  if results == folder.resolve():
    results = results / '\0'  # the same folder: nothing lies below
  found = [
    path
    for path in sorted(folder.rglob('*'))
    if _is_image(path)
    and not path.is_dir()
    and not any(p.startswith('.') for p in path.relative_to(folder).parts)
    and results not in path.resolve().parents
  ]
  if not found:
    raise UserError(
      f'Neither the folder {folder} nor any below it holds an image'
      f' ({", ".join(SUFFIXES)}).'
    )
  return found


def _is_image(path: pathlib.Path) -> bool:
  return path.suffix.lower() in SUFFIXES


def _without_results(
  found: Sequence[_Found], folder: pathlib.Path, suffix: str
) -> list[_Found]:
  """Leaves out what an earlier call with this suffix wrote beside its input."""
  originals = {f.source.with_suffix('') for f in found}

  def is_result(item: _Found) -> bool:
    stem = item.source.stem
    if not stem.endswith(suffix) or stem == suffix:
      return False
    original = item.source.with_name(stem.removesuffix(suffix))
    beside = (folder / item.below).resolve() == item.source.parent.resolve()
    return beside and original in originals

  return [item for item in found if not is_result(item)]


def _target(
  found: _Found, folder: pathlib.Path, suffix: str, ext: str
) -> pathlib.Path:
  source = found.source
  kept = source.suffix if _is_image(source) else '.png'
  name = source.stem if _is_image(source) else source.name
  return folder / found.below / f'{name}{suffix}{EXTENSIONS[ext] or kept}'


def _check_targets(pairs: Sequence[Pair], keep: Iterable[str]) -> None:
  """Raises UserError if a result would overwrite an input or another result."""
  inputs = {_identity(pair.source) for pair in pairs}
  others = {_identity(path) for x in keep if (path := pathlib.Path(x)).exists()}
  problems = []
  made: dict[pathlib.Path, pathlib.Path] = {}
  for source, target in pairs:
    identity = _identity(target) if target.exists() else None
    if identity in inputs:
      problems.append(
        f'The result of {source} would overwrite the input {target}; give'
        ' another -o, or --suffix.'
      )
    elif identity in others:
      problems.append(f'The result of {source} would overwrite {target}.')
    elif target in made:
      problems.append(
        f'{made[target]} and {source} would both be written to {target};'
        ' restore them separately, or see --recursive and --ext.'
      )
    made[target] = source
  if (more := len(problems) - _MOST_CLASHES) > 0:
    problems[_MOST_CLASHES:] = [
      f'{more} more results would overwrite something.'
    ]
  if problems:
    raise UserError(problems)


def _identity(path: pathlib.Path) -> tuple[int, int]:
  """The file itself, whatever link leads to it."""
  status = path.stat()
  return status.st_dev, status.st_ino

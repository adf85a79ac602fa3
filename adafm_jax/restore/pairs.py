"""Which pictures a call restores, and where each result goes."""

from __future__ import annotations

import glob
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.images import formats
from adafm_jax.images.folder import SUFFIXES, find_images
from adafm_jax.restore import own

# --ext: the suffix it stands for; 'auto' keeps that of the input.
EXTENSIONS = {
  'auto': None,
  'png': '.png',
  'jpg': '.jpg',
  'webp': '.webp',
  'tiff': '.tiff',
  'avif': '.avif',
  'jxl': '.jxl',
}
# Of pictures and films, beside those that Pillow knows.
_MORE_SUFFIXES = ('.heic', '.heif', '.hif', '.svg', '.raw', '.dng')


class Pair(NamedTuple):
  """A picture and where its result goes.

  Attributes:
    source: the picture.
    target: the result.
    problem: why there is no picture, for a path that cannot be read; or None.
  """

  source: pathlib.Path
  target: pathlib.Path
  problem: str | None = None


class _Found(NamedTuple):
  """A picture, its folder below the output folder, and what is wrong."""

  source: pathlib.Path
  below: pathlib.Path = pathlib.Path()
  problem: str | None = None


def find(
  inputs: Sequence[str],
  output: str,
  *,
  suffix: str = '',
  ext: str = 'auto',
  recursive: bool = False,
) -> list[Pair]:
  """Finds the pictures and names their results.

  Args:
    inputs: files, folders and glob patterns ('**' reaches into sub-folders).
    output: a file, if there is one input file and this has an image suffix and
      is no folder; otherwise a folder.
    suffix: goes behind the names of results, before '.png' and the like.
    ext: one of `EXTENSIONS`.
    recursive: whether to go into sub-folders; results keep their structure.

  Returns:
    The pairs, in order; inputs that cannot be read carry a problem. Results of
    an earlier call that lie among the inputs are left out: those below the
    output folder, and those that carry its mark and are named with `suffix`
    beside the picture they were made of, or lie where this call would write
    them again. Where no marks are kept (see `own`), a name with `suffix` is
    enough.

  Raises:
    UserError: no input holds an image; or `output` is a file of an unknown
      format, or is one file and there are several pictures.
  """
  if not output:
    raise UserError('-o is empty; give a folder for the results.')
  if output == '-':
    raise UserError(
      '-o is -, but results go into files; give a folder (./- for one of that'
      ' name).'
    )
  if '\0' in output + suffix:
    raise UserError('-o or --suffix holds a null byte; no file name does.')
  if os.sep in suffix or '/' in suffix:
    raise UserError(f'--suffix is {suffix!r}; it goes into a file name.')
  folder = pathlib.Path(output)
  found = _find(inputs, folder, recursive)
  if _names_file(inputs, output):
    if suffix or ext != 'auto':
      raise UserError(
        f'-o {output} names the result itself: leave --suffix and --ext out, or'
        ' give a folder.'
      )
    return [Pair(found[0].source, folder)]
  if os.path.exists(folder) and not os.path.isdir(folder):
    raise UserError(f'-o {output} is a file; give a folder for the results.')
  if suffix:
    found = _without_results(found, folder, suffix, ext)
  return _without_own(
    [Pair(f.source, _target(f, folder, suffix, ext), f.problem) for f in found]
  )


def _names_file(inputs: Sequence[str], output: str) -> bool:
  """Whether the output is one file and not a folder.

  Raises:
    UserError: it looks like a file, but there may be several pictures; or
      nothing writes its format.
  """
  path = pathlib.Path(output)
  if os.path.isdir(path) or output.endswith(('/', os.sep)):
    return False
  one = len(inputs) == 1 and os.path.isfile(inputs[0])
  if path.suffix.lower() not in formats.WRITTEN:
    known = path.suffix.lower() in {
      *Image.registered_extensions(),
      *_MORE_SUFFIXES,
    }
    # Not a folder's version or date: .2, .v1.
    if known or (one and path.suffix[1:].isalpha()):
      raise UserError(
        f'-o {output}: {path.suffix} is not a format that can be written; give'
        f' one of {", ".join(formats.WRITTEN)}, or {output}/ for a folder.'
      )
    return False
  if not one:
    raise UserError(
      f'-o {output} is the name of one picture; for several give a folder'
      f' (an existing one, or {path.stem}/).'
    )
  return True


def _find(
  inputs: Sequence[str], output: pathlib.Path, recursive: bool
) -> list[_Found]:
  """All pictures, each once, and the inputs that cannot be read.

  Raises:
    UserError: there is no picture at all.
  """
  found: dict[str, _Found] = {}
  for text in inputs:
    try:
      items = _find_one(text, output, recursive)
    except UserError as error:
      items = [_Found(pathlib.Path(text), problem=str(error))]
    except (OSError, ValueError) as error:  # too long, a null byte
      reason = getattr(error, 'strerror', None) or error
      problem = f'Cannot read the input {text}: {reason}.'
      items = [_Found(pathlib.Path(text), problem=problem)]
    for item in items:
      named = text and '\0' not in text
      at = os.path.realpath(item.source) if named else text
      found.setdefault(at, item)
  problems = [item.problem for item in found.values() if item.problem]
  if len(problems) == len(found):
    raise UserError(problems)
  return list(found.values())


def _find_one(text: str, output: pathlib.Path, recursive: bool) -> list[_Found]:
  if not text:
    raise UserError('An input is empty; give a file, a folder or a pattern.')
  path = pathlib.Path(text)
  if os.path.isdir(path):
    return _inside(path, output, recursive)
  if not os.path.exists(path) and glob.has_magic(text):
    matched = map(pathlib.Path, sorted(glob.glob(text, recursive=True)))
    inside = [p for p in matched if is_image(p) and not p.is_dir()]
    if not inside:
      raise UserError(f'No image matches the pattern {text}.')
    return [_Found(p) for p in inside]
  if os.path.islink(path) and not os.path.exists(path):
    raise UserError(f'The link {path} leads to no file.')
  return [_Found(p) for p in find_images(path)]


def _inside(
  folder: pathlib.Path, output: pathlib.Path, recursive: bool
) -> list[_Found]:
  """Images of a folder; those below an output folder inside it are results."""
  if not recursive:
    return [_Found(path) for path in find_images(folder)]
  found = []

  def unreadable(error: OSError) -> None:
    path = pathlib.Path(error.filename)
    problem = f'Cannot read the folder {path}: {error.strerror}.'
    found.append(_Found(path, path.relative_to(folder).parent, problem))

  results = os.path.realpath(output)
  for at, folders, names in os.walk(folder, onerror=unreadable):
    here = pathlib.Path(at)
    folders[:] = [
      name
      for name in folders
      if not name.startswith('.') and os.path.realpath(here / name) != results
    ]
    found += [
      _Found(here / name, here.relative_to(folder))
      for name in names
      if is_image(here / name) and not name.startswith('.')
    ]
  if not found:
    raise UserError(
      f'Neither the folder {folder} nor any below it holds an image'
      f' ({", ".join(SUFFIXES)}).'
    )
  return sorted(found)


def is_image(path: pathlib.Path) -> bool:
  """Whether a file's suffix is one that is read."""
  return path.suffix.lower() in SUFFIXES


def _without_results(
  found: Sequence[_Found], folder: pathlib.Path, suffix: str, ext: str
) -> list[_Found]:
  """Leaves out what an earlier call with this suffix wrote beside its input."""
  originals = {f.source.with_suffix('') for f in found}
  targets = {
    os.path.realpath(_target(item, folder, suffix, ext))
    for item in found
    if not item.problem
  }

  def is_result(item: _Found) -> bool:
    path, stem = item.source, item.source.stem
    if item.problem or not stem.endswith(suffix) or stem == suffix:
      return False
    original = path.with_name(stem.removesuffix(suffix))
    beside = (folder / item.below).resolve() == path.parent.resolve()
    if not beside or original not in originals:
      return False
    if own.can_tell(path):
      return own.is_own(path)
    return os.path.realpath(path) in targets

  return [item for item in found if not is_result(item)]


def _without_own(pairs: Sequence[Pair]) -> list[Pair]:
  """Leaves out pictures that an earlier call made of others among them."""
  sound = [pair for pair in pairs if not pair.problem]
  sources = [os.path.realpath(pair.source) for pair in sound]
  targets = [os.path.realpath(pair.target) for pair in sound]
  made = {new for old, new in zip(sources, targets, strict=True) if old != new}
  results = {
    pair
    for pair, source in zip(sound, sources, strict=True)
    if source in made and own.is_own(pair.source)
  }
  return [pair for pair in pairs if pair not in results]


def _target(
  found: _Found, folder: pathlib.Path, suffix: str, ext: str
) -> pathlib.Path:
  name = found.below / found.source.name
  return folder / result_path(name, suffix=suffix, ext=ext)


def result_path(
  picture: pathlib.Path, *, suffix: str = '', ext: str = 'auto'
) -> pathlib.Path:
  """A result's path below the output folder, by the picture's below its own.

  Args:
    picture: relative path.
    suffix: see `find`.
    ext: one of `EXTENSIONS`.
  """
  kept = formats.SIBLINGS.get(formats.of_path(picture), picture.suffix)
  kept = kept if is_image(picture) else '.png'
  stem = picture.stem if is_image(picture) else picture.name
  return picture.parent / f'{stem}{suffix}{EXTENSIONS[ext] or kept}'

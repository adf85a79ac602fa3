"""Reads a folder of images and checks it against what the set should hold."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import pathlib
from collections.abc import Mapping, Sequence

from adafm_jax import errors, files, progress
from adafm_jax.data import known, overlap, prepared
from adafm_jax.data.image import fingerprint
from adafm_jax.errors import UserError
from adafm_jax.images import eight_bit as images


def scan(paths: Sequence[pathlib.Path], name: str) -> list[prepared.Entry]:
  """Reads and hashes images; reports all unreadable ones at once.

  Args:
    paths: of the files.
    name: of the set, for the progress bar.

  Returns:
    One entry a file, in order of `paths`.

  Raises:
    UserError: a sentence for every file that can't be read, and for every name
      that two files share.
  """
  twice = collections.Counter(path.stem for path in paths)
  problems = [
    f'{count} images of {name} are called {stem}; keep one of them.'
    for stem, count in twice.items()
    if count > 1
  ]
  entries = []
  workers = min(8, os.cpu_count() or 1)  # decoding and hashing free the GIL
  with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    results = pool.map(_entry, paths)
    for entry in progress.bar(
      f'checking {name}', 'image', items=results, total=len(paths)
    ):
      if isinstance(entry, prepared.Entry):
        entries.append(entry)
      else:
        problems += entry
  errors.raise_all(problems)
  return entries


def _entry(path: pathlib.Path) -> prepared.Entry | list[str]:
  """The entry of a file, or sentences that say what is wrong with it."""
  try:
    path.stem.encode()
  except UnicodeEncodeError:
    return [f'The name of {path} is not UTF-8; rename the file.']
  try:
    pixels = images.read(path)
    digest = files.sha256(path)
  except UserError as error:
    return error.problems
  except OSError as error:
    return [f'Cannot read {path}: {error.strerror}.']
  height, width = pixels.shape[:2]
  luma = images.to_channels(pixels, 1)
  hashes = fingerprint(pixels), fingerprint(luma)
  return prepared.Entry(path.stem, path, digest, *hashes, height, width)


def check(name: str, splits: Mapping[str, Sequence[prepared.Entry]]) -> None:
  """Checks the number and sizes of the images of a known set.

  Args:
    name: of the set.
    splits: its images.

  Raises:
    UserError: a sentence for each wrong count and each wrong size.
  """
  rule = known.get(name)
  problems = []
  for split, entries in splits.items():
    count = rule.splits[split].count
    if count is not None and len(entries) != count:
      where = f' in {entries[0].path.parent}' if entries else ''
      problems.append(
        f'{name} has {count} images in split {split}, but {len(entries)} were'
        f' found{where}.'
      )
    for entry in entries:
      if why := rule.size_problem(entry.height, entry.width):
        problems.append(
          f'{entry.path} has {entry.width} x {entry.height} pixels; {why}.'
        )
  if problems:
    problems.append(
      'Correct the files, or prepare them as they are with --unchecked.'
    )
  errors.raise_all(problems)


def check_apart(splits: Mapping[str, Sequence[prepared.Entry]]) -> None:
  """Refuses images of other splits that are also in 'train'.

  Raises:
    UserError: there are some; the message names them.
  """
  problems = []
  for name, entries in splits.items():
    if name == 'train':
      continue
    seen = [entry.seen() for entry in entries]
    train = [entry.seen() for entry in splits.get('train', ())]
    if found := overlap.common(train, seen):
      problems.append(
        f'{len(found)} image(s) of split {name} are in split train too, by'
        f' their pixels: {errors.listed(found)}; remove the copies.'
      )
  errors.raise_all(problems)

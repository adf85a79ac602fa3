"""What becomes of files where results would go: nothing is lost unasked."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adafm_jax.errors import UserError, raise_all
from adafm_jax.restore import own
from adafm_jax.restore.pairs import Pair


class Existing(NamedTuple):
  """What becomes of files that have the name of a result.

  Attributes:
    skip: their pictures are left out.
    replace: they are replaced, whatever they are; otherwise only those that an
      earlier call wrote.
    claimed: files of an earlier call; believed only where a disk keeps no
      marks (see `own`), since another program may have written them since.
  """

  skip: bool = False
  replace: bool = False
  claimed: frozenset[pathlib.Path] = frozenset()

  def blocking(self, *paths: pathlib.Path) -> pathlib.Path | None:
    """The first of some files that may not be written; None if all may."""
    for path in paths:
      if self.replace or not os.path.lexists(path) or own.is_own(path):
        continue
      if path not in self.claimed or own.can_tell(path):
        return path
    return None


REFUSE = Existing()


def refuse(
  paths: Iterable[pathlib.Path],
  *,
  replace: bool,
  earlier: str = 'call',
  other: str = '--output',
) -> None:
  """Refuses to write files where others are that nobody gave up.

  Args:
    paths: to be written.
    replace: whether anything may be replaced.
    earlier: what may have written them before.
    other: what the user can give another of.

  Raises:
    UserError: a file that no earlier call wrote would be replaced; or a folder,
      which nothing replaces.
  """
  paths = list(paths)
  for path in paths:
    if path.is_dir():
      raise UserError(f'{path} is a folder; give another {other}.')
  if taken := Existing(replace=replace).blocking(*paths):
    raise UserError(
      f'{taken} exists, and {_unknown(taken, earlier)}; give --overwrite or'
      f' another {other}.'
    )


def _unknown(path: pathlib.Path, earlier: str = 'call') -> str:
  """Why a file is not replaced, as the second half of a sentence."""
  if own.can_tell(path):
    return f'no earlier {earlier} wrote it as it is'
  return 'this system or its disk keeps no marks, so its origin is not known'


def check(
  pairs: Sequence[Pair],
  *,
  existing: Existing = REFUSE,
  sidecar: str = '',
  keep: Iterable[str] = (),
) -> None:
  """Checks that nothing is overwritten.

  Args:
    pairs: to be restored.
    existing: what becomes of files that have the name of a result.
    sidecar: what goes behind a result's name for a further file beside it,
      which overwrites nothing either; '' if none is written.
    keep: further files that no result may overwrite.

  Raises:
    UserError: a result would overwrite a file, or two would have one name.
  """
  pairs = [pair for pair in pairs if not pair.problem]
  inputs = {_identity(pair.source) for pair in pairs} - {None}
  others = {_identity(pathlib.Path(x)) for x in keep} - {None}
  problems = []
  made: dict[pathlib.Path, pathlib.Path] = {}
  for source, target, _ in pairs:
    if existing.skip and os.path.lexists(target):
      continue
    identity = _identity(target)
    beside = target.with_name(target.name + sidecar)
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
    elif os.path.isdir(target):
      problems.append(f'{target} is a folder, where a result would go.')
    elif taken := existing.blocking(target, beside):
      problems.append(
        f'{taken} exists, where the result of {source} would go, and'
        f' {_unknown(taken)}; give --skip-existing, --overwrite or another -o.'
      )
    made[target] = source
  raise_all(problems, limit=5)


def _identity(path: pathlib.Path) -> tuple[int, int] | None:
  """The file itself, whatever link leads to it; None if there is none."""
  try:
    status = path.stat()
  except (OSError, ValueError):  # a null byte
    return None
  return status.st_dev, status.st_ino

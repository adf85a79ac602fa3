"""Bulk work that can be stopped, repeated and shared out: the manifest.

Process I of N restores the pictures whose results' names fall to it, and no
other: that depends on the name alone. It notes each picture in a journal of
its own in the manifest's folder, DIR/part-I-of-N.jsonl, as soon as the result
is in its place. Whoever begins again skips what any journal has. `merge.py`
joins the journals.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adafm_jax import errors, files
from adafm_jax.errors import UserError
from adafm_jax.restore import objects, report, workers
from adafm_jax.restore.shards import Shard
from adafm_jax.restore.workers import Outcome

_PART = re.compile(r'part-(\d+)-of-(\d+)\.jsonl')
DONE = (workers.RESTORED, workers.LEFT_ALONE)
# Of `report.picture`.
_REPORTED = (
  *('input', 'status', 'level', 'estimated', 'strength', 'share'),
  *('width', 'height', 'error'),
)
# Of the line of a picture, what must be there; see `row`.
_NEEDED = {'result', 'status', 'sha256', 'error', 'finished'}


def result_name(target: pathlib.Path, output: pathlib.Path) -> str:
  """What a result is called in a manifest: its path below the output folder."""
  if target == output:
    return target.name
  return target.relative_to(output).as_posix()


def check_names(sources: Iterable[tuple[str, str]]) -> None:
  """Refuses two pictures whose results would have one name.

  Args:
    sources: pairs of a result and what it is to be made from.

  Raises:
    UserError: there are such.
  """
  made: dict[str, str] = {}
  for result, source in sources:
    if (other := made.setdefault(result, source)) != source:
      raise UserError(
        f'{other} and {source} would both be written to {result};'
        ' restore them separately, or see --recursive and --ext.'
      )


class Journal:
  """What one process has done, a line a picture.

  Attributes:
    begun: whether an earlier call already worked on this part.
    done: results that need no more work, in any part, and what each was made
      from.
    claimed: results that were not there when a call of this job began, so that
      those without a line of their own are the job's all the same.
  """

  def __init__(self, path: pathlib.Path, folder: pathlib.Path):
    self._file: io.TextIOWrapper | None = None
    self._path, self.begun = path, path.exists()
    journals = read(folder)
    self.done = {
      row['result']: str(row.get('input'))
      for row in rows(journals)
      if row['status'] in DONE
    }
    self.claimed = {
      name
      for lines in journals.values()
      for values in lines
      for name in values.get('claims', ())
    }

  def check_sources(self, sources: Iterable[tuple[str, str]]) -> None:
    """Refuses results that are done, but were made from other pictures.

    A picture that has moved is taken for the same one.

    Args:
      sources: pairs of a result and what it would be made from now.

    Raises:
      UserError: a picture of the same name, from another folder, is done.
    """
    errors.raise_all(
      (
        f'The manifest has {result} from {self.done[result]}, and now it would'
        f' be made from {source}; give another --manifest and -o.'
        for result, source in sources
        if result in self.done and _differ(self.done[result], source)
      ),
      limit=3,
    )

  def begin(
    self, expected: int, left: Iterable[str], new: Iterable[str], output: str
  ) -> None:
    """Writes how many pictures fall to this part; lines follow.

    Args:
      expected: their number.
      left: results that are to be written.
      new: those of them where no file is yet.
      output: folder of the results, or the URI of one.

    Raises:
      UserError: the journal can't be written, as on a full disk; `add` and
        `close` raise it too.
    """
    with files.writing(self._path):
      self._file = self._path.open('a', encoding='utf-8')
    claims = sorted(set(new) - self.claimed)
    if not objects.is_uri(output):
      output = os.path.abspath(output)
    self._add(
      {
        'expected': expected,
        'claims': claims,
        'left': sorted(set(left).difference(claims)),
        'output': output,
      }
    )

  def add(self, row: Mapping[str, Any]) -> None:
    """Notes what became of a picture, once its result is in its place.

    Args:
      row: see `row`.
    """
    if row['status'] in (*DONE, workers.FAILED):
      self._add(row)

  def close(self) -> None:
    """Ends the journal."""
    if self._file:
      with files.writing(self._path):
        self._file.close()

  def _add(self, values: Mapping[str, Any]) -> None:
    assert self._file
    with files.writing(self._path):
      self._file.write(json.dumps(values) + '\n')
      self._file.flush()


def _differ(known: str, source: str) -> bool:
  """Whether two names are of different pictures, as far as can be told."""
  if known in (source, absolute(source)):
    return False
  if objects.is_uri(known) or objects.is_uri(source):
    return True
  # What is gone has moved, or was named from another folder.
  both = os.path.exists(known) and os.path.exists(source)
  return both and not os.path.samefile(known, source)


def absolute(source: str) -> str:
  """The name of a picture from any folder."""
  return source if objects.is_uri(source) else os.path.abspath(source)


def row(outcome: Outcome, output: pathlib.Path) -> dict[str, Any]:
  """A picture's line; its fields are those of `merge.COLUMNS`."""
  told, done = report.picture(outcome), outcome.status in DONE
  return {
    'result': result_name(outcome.pair.target, output),
    **{name: told.get(name) for name in _REPORTED},
    'input': absolute(told['input']),
    'seconds': outcome.seconds,
    'sha256': files.sha256(outcome.pair.target) if done else None,
    'finished': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
  }


@contextlib.contextmanager
def opened(
  folder: pathlib.Path,
  shard: Shard,
  identity: Mapping[str, Any],
  *,
  dry_run: bool = False,
) -> Iterator[Journal]:
  """Opens a part of a manifest, for one process at a time.

  Args:
    folder: of the manifest; made if it is missing.
    shard: the part.
    identity: JSON values of all that fixes the results beside the pictures,
      such as the model's checksum; the same for all parts.
    dry_run: whether to look only, and write nothing.

  Raises:
    UserError: another process works on this part, the folder can't be written
      to, or it is the manifest of another job.
  """
  path = folder / f'{shard.part}.jsonl'
  if dry_run:
    _check_identity(folder, identity)
    yield Journal(path, folder)
    return
  busy = f'Another process works on {path}; wait until it ends.'
  with files.locked(folder / f'{shard.part}.lock', busy):
    if not _check_identity(folder, identity):
      files.write_json(folder / 'job.json', identity)
    if path.exists():
      _mend(path)
    journal = Journal(path, folder)
    try:
      yield journal
    finally:
      journal.close()


def _check_identity(folder: pathlib.Path, identity: Mapping[str, Any]) -> bool:
  """Compares a job with the one that began a manifest; False if none did."""
  path = folder / 'job.json'
  try:
    known = json.loads(path.read_text('utf-8'))
  except FileNotFoundError:
    return False
  except NotADirectoryError as error:
    raise UserError(f'--manifest {folder} is not a folder.') from error
  except (OSError, ValueError) as error:
    raise UserError(f'Cannot use {path}: {error}.') from error
  if not isinstance(known, dict):
    raise UserError(
      f'{path} does not say which job this is; give another --manifest.'
    )
  names = identity.keys() | known.keys()
  changed = sorted(x for x in names if known.get(x) != identity.get(x))
  if changed:
    raise UserError(
      f'The manifest in {folder} is of another job: {", ".join(changed)} had'
      ' other values; give another --manifest, or the same options.'
    )
  return True


def _mend(path: pathlib.Path) -> None:
  """Cuts off a last line that was not written to its end."""
  with files.writing(path), path.open('rb+') as file:
    data = file.read()
    file.truncate(data.rfind(b'\n') + 1)


def read(folder: pathlib.Path) -> dict[Shard, list[dict[str, Any]]]:
  """The lines of all journals of a manifest.

  Raises:
    UserError: a journal is damaged, or can't be read.
  """
  found = {}
  for path in sorted(folder.glob('*.jsonl')):
    if match := _PART.fullmatch(path.name):
      try:
        found[Shard(int(match[1]), int(match[2]))] = list(_lines(path))
      except OSError as error:
        raise UserError(f'Cannot read {path}: {error.strerror}.') from error
  return found


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """The lines of a journal, but for one that is still being written."""
  with path.open('rb') as file:
    for number, line in enumerate(file, 1):
      if not line.endswith(b'\n'):
        return  # being written
      try:
        values = json.loads(line)
      except ValueError:  # no JSON, or no UTF-8
        values = None
      if not _is_ours(values):
        raise UserError(
          f'Line {number} of {path} is broken; remove it, and what it was'
          ' about is done again.'
        )
      yield values


def _is_ours(values: Any) -> bool:
  """Whether a JSON value is a line of a journal."""
  return isinstance(values, dict) and (
    'expected' in values or values.keys() >= _NEEDED
  )


def rows(
  journals: Mapping[Shard, Iterable[dict[str, Any]]],
) -> list[dict[str, Any]]:
  """The rows of all journals; of a picture that a part tried again, the last.

  Args:
    journals: see `read`.
  """
  found = []
  for shard, lines in journals.items():
    last = {x['result']: x for x in lines if 'result' in x}
    found += [values | {'part': shard.part} for values in last.values()]
  return found

"""Reports on restored photographs, on the screen and as JSON lines."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from adafm_jax import errors, files
from adafm_jax.errors import UserError
from adafm_jax.restore import job as jobs
from adafm_jax.restore import workers
from adafm_jax.restore.pairs import Pair
from adafm_jax.restore.workers import Outcome
from adafm_jax.version import __version__

STDOUT = '-'  # as the name of a report
_STATUSES = (
  *(workers.RESTORED, workers.LEFT_ALONE, workers.PLANNED),
  *(workers.SKIPPED, workers.FAILED),
)


def line(outcome: Outcome) -> str:
  """A line for the screen; that of a failure is its problem."""
  source, target = (errors.one_line(str(x)) for x in outcome.pair[:2])
  if outcome.status == workers.FAILED:
    return errors.one_line(f'failed: {outcome.problem}')
  if outcome.status == workers.SKIPPED:
    return f'{source}: skipped, {target} exists'
  verb = 'would become' if outcome.status == workers.PLANNED else '->'
  sentence = outcome.choice.sentence if outcome.choice else ''
  notes = ''.join(f'\n  {note}' for note in outcome.notes)
  return f'{source} {verb} {target}: {sentence}{notes}'


def summary(
  outcomes: Sequence[Outcome], total: int, seconds: float, output: str
) -> str:
  """The last line: how many of each kind."""
  counts = collections.Counter(outcome.status for outcome in outcomes)
  parts = [f'{counts[kind]} {kind}' for kind in _STATUSES if counts[kind]]
  if len(outcomes) < total:
    parts.append(f'{total - len(outcomes)} left')
  shown = ', '.join(parts) or 'nothing to do'
  return f'{total} picture(s): {shown}; {seconds:.1f} s; {output}'


def picture(outcome: Outcome) -> dict[str, Any]:
  """The JSON values of a photograph.

  `input`, `output` and `status`; where they are known `level` (task's unit),
  `estimated` (whether that was, or was given), `strength`, `share` (of the
  network's output in the result), `how` (a sentence), `notes`, `width`,
  `height`, `network_seconds` and `error`.
  """
  choice, size = outcome.choice, outcome.size
  values = {
    'input': str(outcome.pair.source),
    'output': str(outcome.pair.target),
    'status': outcome.status,
    'level': choice and choice.level,
    'estimated': choice and choice.estimated,
    'strength': choice and choice.strength,
    'share': choice and choice.share,
    'how': choice and choice.sentence,
    'notes': list(outcome.notes) or None,
    'width': size and size[1],
    'height': size and size[0],
    'network_seconds': outcome.seconds and round(outcome.seconds, 3),
    'error': outcome.problem,
  }
  return {name: x for name, x in values.items() if x is not None}


def call(
  job: jobs.Job, outcomes: Sequence[Outcome], total: int, seconds: float
) -> dict[str, Any]:
  """The JSON values of a whole call, its last line.

  `counts` has every status that there is; `left` are pictures that a stopped
  call did not reach.
  """
  found = collections.Counter(outcome.status for outcome in outcomes)
  return {
    'adafm_jax': __version__,
    'model': {'name': job.name, 'sha256': job.sha256},
    'task': job.header.levels.task,
    'self_ensemble': job.network.self_ensemble,
    'mask_sha256': job.mask_sha256,
    'seconds': round(seconds, 3),
    'pictures': total,
    'counts': {
      **{status: found[status] for status in _STATUSES},
      'left': total - len(outcomes),
    },
  }


class Lines:
  """Where JSON lines go, each as soon as it is known.

  Attributes:
    problem: why lines could not be written, a sentence; or None.
  """

  def __init__(self, name: str, file: TextIO | None):
    self._name, self._file = name, file
    self.problem: str | None = None

  def add(self, values: Mapping[str, Any]) -> None:
    """Writes a line; a file that fails gets no more of them."""
    if self._file is None:
      return
    try:
      self._file.write(json.dumps(values, allow_nan=False) + '\n')
      self._file.flush()
    except BrokenPipeError:  # whoever read them has left
      self.close()
    except OSError as error:
      self.problem = f'Cannot write --json {self._name}: {error.strerror}.'
      self.close()

  def close(self) -> None:
    """Ends the file."""
    file, self._file = self._file, None
    if file and file is not sys.stdout:
      with contextlib.suppress(OSError):  # reported before
        file.close()


@contextlib.contextmanager
def opened(name: str | None) -> Iterator[Lines]:
  """Opens a report, which empties one of an earlier call.

  Args:
    name: of the file, `STDOUT`, or None for no report; see `check`.

  Raises:
    UserError: it can't be opened.
  """
  file: TextIO | None = None
  if name == STDOUT:
    file = sys.stdout
  elif name is not None:
    try:
      pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
      file = open(name, 'w', encoding='utf-8')  # noqa: SIM115
    except OSError as error:
      raise UserError(f'Cannot write --json {name}: {error.strerror}.') from (
        error
      )
  lines = Lines(name or '', file)
  try:
    yield lines
  finally:
    lines.close()


def check(name: str, pairs: Sequence[Pair]) -> None:
  """Checks that a report can be written, and overwrites nothing else.

  Raises:
    UserError: it can't, or it would.
  """
  if name == STDOUT:
    return
  path = pathlib.Path(name)
  pictures = {
    os.path.realpath(x)
    for pair in pairs
    if not pair.problem
    for x in (pair.source, pair.target)
  }
  if not name or '\0' in name:
    raise UserError(f'--json {name!r} is not a file name.')
  if os.path.realpath(path) in pictures:
    raise UserError(f'--json {path} would overwrite a picture.')
  if os.path.isdir(path):
    raise UserError(f'--json {path} is a folder; give a file name.')
  if not os.path.lexists(path):
    files.check_place(path)
  elif not _is_stream(path) and not _is_report(path):
    raise UserError(
      f'--json {path} would overwrite a file that is not a report; give another'
      ' name.'
    )
  elif not os.access(path, os.W_OK):
    raise UserError(f'--json {path} cannot be written to.')


def _is_stream(path: pathlib.Path) -> bool:
  """Whether what is written there is not kept: a pipe, a terminal."""
  try:
    mode = path.stat().st_mode
  except OSError:
    return False
  return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _is_report(path: pathlib.Path) -> bool:
  """Whether an earlier call wrote a file, of version 0.1.0 or later."""
  try:
    with path.open(encoding='utf-8') as file:
      text = file.read()
    # Version 0.1.0 wrote one JSON document. The last line of a call that was
    # killed may be cut.
    lines = [text] if text.startswith('{\n') else text.splitlines()
    whole = text.endswith('\n')
    found = [json.loads(line) for line in (lines if whole else lines[:-1])]
  except (OSError, ValueError, RecursionError):
    return False
  return (bool(found) or not text) and all(map(_is_ours, found))


def _is_ours(values: Any) -> bool:
  """Whether a JSON value is a line of a report."""
  if not isinstance(values, dict):
    return False
  picture = {'input', 'output'} <= values.keys()
  return {'adafm_jax', 'pictures'} <= values.keys() or (
    picture and values.get('status') in _STATUSES
  )

"""What is told about restored photographs, on the screen and as JSON."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from adafm_jax.restore import job as jobs
from adafm_jax.restore import workers
from adafm_jax.restore.workers import Outcome
from adafm_jax.version import __version__


def line(outcome: Outcome) -> str:
  """A line for the screen; that of a failure is its problem."""
  source, target, _ = outcome.pair
  if outcome.status == workers.FAILED:
    return f'failed: {outcome.problem}'
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
  kinds = (
    *(workers.RESTORED, workers.LEFT_ALONE, workers.PLANNED),
    *(workers.SKIPPED, workers.FAILED),
  )
  parts = [f'{counts[kind]} {kind}' for kind in kinds if counts[kind]]
  if len(outcomes) < total:
    parts.append(f'{total - len(outcomes)} left')
  return f'{total} picture(s): {", ".join(parts)}; {seconds:.1f} s; {output}'


def to_json(
  job: jobs.Job, outcomes: Sequence[Outcome], total: int, seconds: float
) -> dict[str, Any]:
  """The report of a call as JSON values.

  `files` has an object a photograph: `input`, `output`, `status`, and where
  they are known `level` (task's unit), `strength`, `share`
  (of the network's output in the result), `how` (a sentence), `notes`,
  `width`, `height`, `network_seconds` and `error`.
  """
  return {
    'adafm_jax': __version__,
    'model': {'name': job.name, 'sha256': job.sha256},
    'task': job.header.levels.task,
    'self_ensemble': job.network.self_ensemble,
    'mask_sha256': job.mask_sha256,
    'seconds': round(seconds, 3),
    'pictures': total,
    'files': [_file(outcome) for outcome in outcomes],
  }


def _file(outcome: Outcome) -> dict[str, Any]:
  choice, size = outcome.choice, outcome.size
  values = {
    'input': str(outcome.pair.source),
    'output': str(outcome.pair.target),
    'status': outcome.status,
    'level': choice and choice.level,
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

"""The paper's claims as differences: the paper's, ours, whether they hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from adafm_jax.paper import numbers, tables
from adafm_jax.paper.blocks import Block, Heading, Table, Text
from adafm_jax.paper.results import FinishedRuns, Value
from adafm_jax.report.tables import MISSING

_FAR = {'sr': (3, 4), 'dejpeg': (80, 10), 'denoise': (15, 75)}
# From easy to hard and back (Tables 4 and 5).
_BACK = {'sr': (2, 4), 'dejpeg': (80, 10), 'denoise': (15, 75)}
# From a small range to a large one.
_GROWING = {
  'sr': ((2, 3), (2, 4)),
  'dejpeg': ((80, 60), (80, 40), (80, 20), (80, 10)),
  'denoise': ((15, 25), (15, 35), (15, 50), (15, 75)),
}


class Claim(NamedTuple):
  """A claim in one task on one set.

  Attributes:
    text: the claim as a difference.
    where: task and set.
    paper: the difference in the paper, dB; None if it has none.
    ours: the same, measured here.
    holds: whether ours agrees; None if it is missing.
  """

  text: str
  where: str
  paper: float | None
  ours: Value
  holds: bool | None


def table(results: FinishedRuns) -> Iterator[Block]:
  """All claims."""
  yield Heading(2, 'What holds at this size')
  yield Text(
    'Differences of PSNR in dB. A claim holds if the difference has its sign,'
    ' and with several seeds if it is more than two standard errors from zero.'
  )
  rows = []
  for task in tables.TASKS:
    for name in tables.sets(results, task):
      if not any(row['set'] == name for r in results.runs for row in r.rows):
        continue
      for claim in _claims(results, task, name):
        rows.append(
          [
            claim.text,
            claim.where,
            MISSING if claim.paper is None else f'{claim.paper:+.2f}',
            claim.ours.text(3),
            {None: MISSING, True: 'yes', False: 'no'}[claim.holds],
          ]
        )
  yield Table(['claim', 'task, set', 'paper', 'ours', 'holds'], rows)


def positive(value: Value) -> bool | None:
  """Whether a difference is above zero beyond its spread; None if missing."""
  if value.mean is None:
    return None
  error = 0.0
  if value.spread is not None:
    error = value.spread / len(value.by_seed) ** 0.5
  return value.mean > 2 * error


def _claims(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  where = f'{tables.TASKS[task]}, {tables.set_title(name)}'
  start, end = _FAR[task]
  fields = {'task': task, 'start': start, 'end': end}

  def at_end(**others) -> Value:
    return results.psnr(name, end, **(fields | others))

  def claim(text, paper, ours) -> Claim:
    return Claim(text, where, paper, ours, positive(ours))

  filters = numbers.FILTERS.get(name)
  yield claim(
    '7x7 filters adapt better than 1x1',
    filters and filters[3] - filters[0],
    at_end(kernel=7).minus(at_end(kernel=1)),
  )
  yield _direction(results, task, name, where)
  yield from _growth(results, task, name, where)
  norms = numbers.NORMALISATION.get((name, end))
  for i, system in enumerate(('adabn', 'condin')):
    title = ('AdaBN', 'conditional instance norm')[i]
    yield claim(
      f'AdaFM is above {title} at the far end',
      norms and norms[2] - norms[i],
      at_end().minus(at_end(system=system)),
    )
  for system in ('interpolate', 'blend'):
    title = {'interpolate': 'DNI', 'blend': 'blended outputs'}[system]
    yield claim(
      f'between the ends AdaFM is above {title} (ours)',
      None,
      _between(results, name, fields, system),
    )


def _direction(
  results: FinishedRuns, task: str, name: str, where: str
) -> Claim:
  """Distance from hard to easy, minus that from easy to hard."""
  easy, hard = _BACK[task]
  paper, ours = _farther(results, task, name, (hard, easy), (easy, hard))
  text = 'hard to easy has the larger distance than easy to hard'
  return Claim(text, where, paper, ours, positive(ours))


def _growth(
  results: FinishedRuns, task: str, name: str, where: str
) -> Iterator[Claim]:
  """Each larger range has a larger distance than the one before."""
  for small, large in itertools.pairwise(_GROWING[task]):
    paper, ours = _farther(results, task, name, large, small)
    text = (
      f'{tables.arrow(task, *large)} has a larger distance than'
      f' {tables.arrow(task, *small)}'
    )
    yield Claim(text, where, paper, ours, positive(ours))


def _farther(
  results: FinishedRuns,
  task: str,
  name: str,
  one: tuple[int, int],
  other: tuple[int, int],
) -> tuple[float | None, Value]:
  """The distance of one range minus that of another: the paper's, and ours."""
  ours = [
    tables.adapted_values(results, task, name, *ends)[2]
    for ends in (one, other)
  ]
  paper = None
  if (name, *one) in numbers.ADAPTED:
    a, b = numbers.ADAPTED[name, *one]
    c, d = numbers.ADAPTED[name, *other]
    paper = (a - b) - (c - d)
  return paper, ours[0].minus(ours[1])


def _between(
  results: FinishedRuns, name: str, fields: dict, system: str
) -> Value:
  """Mean over the middle levels of AdaFM minus another system."""
  apart = []
  found = results.find(**fields, system=system)
  middle = {row['level'] for run in found for row in run.rows}
  for level in sorted(middle - {fields['start'], fields['end']}):
    ours = results.psnr(name, level, **fields)
    other = results.psnr(name, level, **fields, system=system)
    apart.append(ours.minus(other))
  if not apart:
    return Value({})
  seeds = set.intersection(*(set(x.by_seed) for x in apart))
  return Value(
    {s: sum(x.by_seed[s] for x in apart) / len(apart) for s in sorted(seeds)}
  )

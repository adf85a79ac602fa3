"""The paper's claims as differences: the paper's, ours, whether they hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from adafm_jax.paper import numbers, tables
from adafm_jax.paper.blocks import Block, Heading, Table, Text
from adafm_jax.paper.results import FinishedRuns, Value
from adafm_jax.report.tables import MISSING

FAR = {task: (start, end) for task, start, end in tables.RANGES}
# Easy levels and hard ones, adapted there and back (Tables 4 and 5).
_BACK = {'sr': ((3, 4), (2, 4)), 'dejpeg': ((80, 10),), 'denoise': ((15, 75),)}
# A range, and one that has a larger distance: longer (section 4.2, "Range") or,
# in super-resolution, as long and easier.
_FARTHER = {
  'sr': (
    *(((2, 3), (2, 4)), ((3, 4), (3, 5)), ((4, 5), (4, 6))),
    *(((3, 4), (2, 3)), ((4, 5), (3, 4)), ((5, 6), (4, 5))),
    *(((3, 5), (2, 4)), ((4, 6), (3, 5))),
  ),
  'dejpeg': tuple(itertools.pairwise((80, x) for x in (60, 40, 20, 10))),
  'denoise': tuple(itertools.pairwise((15, x) for x in (25, 35, 50, 75))),
}
# dB. Section 4.2: "0.3 dB is regarded as a significant PSNR gap", and filters
# of all sizes are alike if they are "less than 0.1 dB" apart. Section 4.3:
# between the ends "all PSNR distances are below 0.2 dB".
_SIGNIFICANT, _ALIKE, _CLOSE = 0.3, 0.1, 0.2
ABOVE, BELOW, WITHIN = 'above', 'below', 'within'


class Claim(NamedTuple):
  """A claim in one task on one set: where a difference is, beside a limit.

  Attributes:
    text: the claim in words.
    paper: the difference in the paper, dB; None if it has none.
    ours: the same, measured here.
    limit: of the difference, dB.
    side: ABOVE or BELOW the limit, or WITHIN it on both sides of zero.
  """

  text: str
  paper: float | None
  ours: Value
  limit: float = 0.0
  side: str = ABOVE

  @property
  def holds(self) -> bool | None:
    """Whether ours agrees, beyond its spread; None if it is missing."""
    return beyond(self.ours, self.limit, self.side)


def table(results: FinishedRuns) -> Iterator[Block]:
  """All claims."""
  yield Heading(2, 'What holds at this size')
  yield Text(
    'Differences of PSNR in dB. A claim holds if the difference is on its side'
    ' of the limit that it names, or of zero; with several seeds, by more than'
    ' two standard errors. With one seed, small differences may be chance.'
  )
  rows, missing = [], []
  for task in tables.TASKS:
    for name in tables.sets(results, task):
      where = f'{tables.TASKS[task]}, {tables.set_title(name)}'
      if name not in results.sets(task):
        missing.append(where)
        continue
      rows += [
        [
          claim.text,
          where,
          MISSING if claim.paper is None else f'{claim.paper:+.2f}',
          claim.ours.text(3, sign='+'),
          {None: MISSING, True: 'yes', False: 'no'}[claim.holds],
        ]
        for part in _PARTS
        for claim in part(results, task, name)
      ]
  yield Table(['claim', 'task, set', 'paper', 'ours', 'holds'], rows)
  if missing:
    yield Text(f'Not measured, and so not judged: {"; ".join(missing)}.')


def beyond(value: Value, limit: float = 0.0, side: str = ABOVE) -> bool | None:
  """Whether a value is on a side of a limit by more than two standard errors.

  None if it is missing; with one seed there is no error.
  """
  if value.mean is None:
    return None
  error = 0.0
  if value.spread is not None:
    error = value.spread / len(value.by_seed) ** 0.5
  apart = {
    ABOVE: value.mean - limit,
    BELOW: limit - value.mean,
    WITHIN: limit - abs(value.mean),
  }
  return apart[side] > 2 * error


def _peers(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Table 1."""
  level, peer = next((x, s) for t, x, s in tables.PEERS if t == task)
  basic, other = (
    results.psnr(name, level, task=task, system=system, start=level)
    for system in ('basic', peer)
  )
  paper = None
  if name == numbers.SETS[task][0]:
    known = numbers.PEERS
    paper = known[task, level, 'basic'] - known[task, level, peer]
  text = f'the basic model is above {tables.PEER_TITLES[peer]}'
  yield Claim(text, paper, basic.minus(other))


def _filters(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Table 2: filter size matters in super-resolution, and hardly elsewhere."""
  start, end = FAR[task]
  large, small = (
    results.psnr(name, end, task=task, start=start, end=end, kernel=kernel)
    for kernel in (7, 1)
  )
  known = numbers.FILTERS.get(name)
  paper = known and known[3] - known[0]
  if task == 'sr':
    text = f'7x7 filters are above 1x1 by more than {_SIGNIFICANT} dB'
    yield Claim(text, paper, large.minus(small), _SIGNIFICANT)
  else:
    text = f'7x7 filters are within {_ALIKE} dB of 1x1'
    yield Claim(text, paper, large.minus(small), _ALIKE, WITHIN)


def _accuracy(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Tables 4 and 5: AdaFM comes close to a network of the far end."""
  paper, ours = _distance(results, task, name, FAR[task])
  text = (
    f'{tables.arrow(task, *FAR[task])} has a distance of less than'
    f' {_SIGNIFICANT} dB'
  )
  yield Claim(text, paper, ours, _SIGNIFICANT, BELOW)
  if task == 'sr':
    paper, ours = _distance(results, task, name, (2, 4))
    text = f'{tables.arrow(task, 2, 4)} has a distance above {_SIGNIFICANT} dB'
    yield Claim(text, paper, ours, _SIGNIFICANT)


def _direction(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Tables 4 and 5: easy to hard adapts better than hard to easy."""
  for easy, hard in _BACK[task]:
    yield _compare(results, task, name, (hard, easy), (easy, hard))


def _range(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Tables 4 and 5: larger ranges, and easier starts, are farther."""
  for near, far in _FARTHER[task]:
    yield _compare(results, task, name, far, near)


def _compare(results, task: str, name: str, far, near) -> Claim:
  """One range has a larger distance than another."""
  (a, ours), (b, other) = (
    _distance(results, task, name, ends) for ends in (far, near)
  )
  text = (
    f'{tables.arrow(task, *far)} has a larger distance than'
    f' {tables.arrow(task, *near)}'
  )
  paper = None if a is None or b is None else a - b
  return Claim(text, paper, ours.minus(other))


def _distance(
  results: FinishedRuns, task: str, name: str, ends: tuple[int, int]
) -> tuple[float | None, Value]:
  """The distance of a range: the paper's, and ours."""
  known = numbers.ADAPTED.get((name, *ends))
  ours = tables.adapted_values(results, task, name, ends, ends[1])[2]
  return known and known[0] - known[1], ours


def _normalised(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Table 3: the other ways to adapt fail at the far end."""
  start, end = FAR[task]
  fields = {'task': task, 'start': start, 'end': end}
  ours = results.psnr(name, end, **fields)
  known = numbers.NORMALISATION.get((name, end))
  for i, system in enumerate(('adabn', 'condin')):
    title = ('AdaBN', 'conditional instance norm')[i]
    other = results.psnr(name, end, system=system, **fields)
    yield Claim(
      f'AdaFM is above {title} at the far end by more than {_SIGNIFICANT} dB',
      known and known[2] - known[i],
      ours.minus(other),
      _SIGNIFICANT,
    )


def _position(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Section 4.1: layers before the activation are better than after it."""
  start, end = FAR[task]
  before, after = (
    results.psnr(name, end, task=task, start=start, end=end, placement=place)
    for place in ('block', 'activation')
  )
  known = numbers.POSITIONS
  paper = known['block'] - known['activation'] if name == 'set5' else None
  text = 'AdaFM layers before the activation are above those after it'
  yield Claim(text, paper, before.minus(after))


def _capacity(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Section 4.1: from scratch, AdaFM layers add nothing; the limit is ours."""
  _, end = FAR[task]
  scratch = results.psnr(
    name, end, task=task, system='scratch', start=end, kernel=5
  )
  basic = results.psnr(name, end, task=task, system='basic', start=end)
  paper = numbers.SCRATCH[0] - numbers.SCRATCH[1] if name == 'div2k' else None
  text = f'AdaFM-Net from scratch is within {_ALIKE} dB of the basic model'
  yield Claim(text, paper, scratch.minus(basic), _ALIKE, WITHIN)


def _middle(results: FinishedRuns, task: str, name: str) -> Iterator[Claim]:
  """Figure 7, and what a user with two networks would try."""
  start, end = FAR[task]
  fields = {'task': task, 'start': start, 'end': end}
  paper = None
  if name == 'live1':
    known = numbers.MODULATED[start, end].items()
    paper = max(apart for level, (_, apart) in known if level != end)
  yield Claim(
    f'between the ends no distance is above {_CLOSE} dB (the largest)',
    paper,
    _between(results, name, fields, 'basic', most=True),
    _CLOSE,
    BELOW,
  )
  for system, title in (('interpolate', 'DNI'), ('blend', 'blended outputs')):
    yield Claim(
      f'between the ends AdaFM is above {title} (the mean; ours)',
      None,
      _between(results, name, fields, system),
    )


def _between(
  results: FinishedRuns,
  name: str,
  fields: dict,
  system: str,
  *,
  most: bool = False,
) -> Value:
  """AdaFM minus another system over the middle levels: the mean.

  With `most`, the largest distance to networks trained for the level alone.
  """
  alone = system == 'basic'
  found = results.find(**fields, **({} if alone else {'system': system}))
  middle = {row['level'] for run in found for row in run.rows}
  apart = []
  for level in sorted(middle - {fields['start'], fields['end']}):
    _, ours, distance = tables.adapted_values(
      results, fields['task'], name, (fields['start'], fields['end']), level
    )
    if alone:
      apart.append(distance)
    else:
      other = results.psnr(name, level, **fields, system=system)
      apart.append(ours.minus(other))
  if not apart:
    return Value({})
  seeds = set.intersection(*(set(x.by_seed) for x in apart))
  join = max if most else lambda x: sum(x) / len(x)
  return Value({s: join([x.by_seed[s] for x in apart]) for s in sorted(seeds)})


_PARTS: tuple[Callable[..., Iterator[Claim]], ...] = (
  _filters,
  _direction,
  _range,
  _accuracy,
  _normalised,
  _middle,
  _capacity,
  _position,
  _peers,
)

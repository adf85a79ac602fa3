"""Levels: how strong a degradation is, in the unit that users know.

A model is trained at the two ends of a `LevelRange` and serves every level
between. Modulation depends only on a level's position in its range.
"""

from __future__ import annotations

import dataclasses
import decimal
import math
from collections.abc import Iterable

import numpy as np

from adafm_jax.errors import UserError

# How noisy images are stored: in 8 bits, or unclipped; see `degrade.noise`.
NOISE_PROTOCOLS = ('clipped', 'float')
# What a network may be trained on: one of them, or a random one for each patch.
TRAINING_NOISES = (*NOISE_PROTOCOLS, 'both')
_MAX_VALUES = 10_000  # more must be a typo, such as a step of 1e-9


@dataclasses.dataclass(frozen=True)
class Task:
  """A kind of degradation and the levels it can have.

  Attributes:
    name: in configs and model files.
    unit: what a level measures, in words.
    prefix: text before a level's number in tables.
    lowest: the lowest legal level.
    highest: the highest legal level.
    whole: whether levels must be whole numbers.
  """

  name: str
  unit: str
  prefix: str
  lowest: float
  highest: float
  whole: bool = False

  @property
  def clean(self) -> float:
    """The level of what is not degraded."""
    return self.highest if self.name == 'dejpeg' else self.lowest

  def label(self, level: float) -> str:
    """A level as text: 'sigma 15', 'q 80', 'x3.4'."""
    return f'{self.prefix}{level:g}'

  def problems(self, level: float) -> list[str]:
    """Returns a sentence for each mistake in `level`; none if it is legal."""
    if not self.lowest <= level <= self.highest:
      return [
        f'Level {level:g} of task {self.name} is not a legal {self.unit}: '
        f'give one from {self.lowest:g} to {self.highest:g}.'
      ]
    if self.whole and level != int(level):
      return [
        f'Level {level:g} of task {self.name} is not a legal {self.unit}: '
        'give a whole number.'
      ]
    return []


TASKS: dict[str, Task] = {
  task.name: task
  for task in (
    Task('denoise', 'noise standard deviation (of 255)', 'sigma ', 0, 255),
    Task('dejpeg', 'JPEG quality', 'q ', 1, 100, whole=True),
    Task('sr', 'scale factor', 'x', 1, 16),
  )
}


def get_task(name: str) -> Task:
  """Returns the task called `name`.

  Raises:
    UserError: the task is unknown.
  """
  if name not in TASKS:
    raise UserError(f'Unknown task {name!r}: choose one of {list(TASKS)}.')
  return TASKS[name]


def range_problems(task: str, start: float, end: float) -> list[str]:
  """Returns a sentence for each mistake in a level range; none if it is good.

  Args:
    task: a key of `TASKS`.
    start: level of the basic model, in the task's unit.
    end: level that the model is adapted to, in the task's unit.
  """
  try:
    kind = get_task(task)
  except UserError as error:
    return error.problems
  problems = kind.problems(start) + kind.problems(end)
  if start == end:
    problems.append(
      f'The start and end level of task {task} are both {start:g}: give two '
      'different levels.'
    )
  return problems


@dataclasses.dataclass(frozen=True)
class LevelRange:
  """The levels between two ends; `end` may be the smaller (quality 80 to 10).

  Attributes:
    task: a key of `TASKS`.
    start: level of the basic model, in the task's unit.
    end: level that the model is adapted to, in the task's unit.

  Raises:
    UserError: everything that `range_problems` finds.
  """

  task: str
  start: float
  end: float

  def __post_init__(self):
    if problems := range_problems(self.task, self.start, self.end):
      raise UserError(problems)

  def __str__(self) -> str:
    label = TASKS[self.task].label
    return f'{label(self.start)} to {label(self.end)}'

  @property
  def weakest(self) -> float:
    """The end that is the weaker degradation: usually the start."""
    return min(self.start, self.end, key=self._distance)

  @property
  def strongest(self) -> float:
    """The end that is the stronger degradation."""
    return max(self.start, self.end, key=self._distance)

  def cleaner(self, level: float) -> bool:
    """Whether a level is a weaker degradation than both ends."""
    return self._distance(level) < self._distance(self.weakest)

  def stronger(self, level: float) -> bool:
    """Whether a level is a stronger degradation than both ends."""
    return self._distance(level) > self._distance(self.strongest)

  def _distance(self, level: float) -> float:
    return abs(level - TASKS[self.task].clean)

  def position(self, level: float) -> float:
    """The linear position of `level`: 0 at the start, 1 at the end."""
    return (level - self.start) / (self.end - self.start)

  def level(self, position: float) -> float:
    """The level at a position in [0, 1]: the inverse of `position`."""
    return (1 - position) * self.start + position * self.end

  def contains(self, level: float) -> bool:
    """Whether `level` lies between the ends, ends included."""
    return 0 <= self.position(level) <= 1

  def check(self, level: float) -> None:
    """Checks that `level` is legal and lies between the ends.

    Raises:
      UserError: the level is not legal, or lies outside the range.
    """
    task = TASKS[self.task]
    if problems := task.problems(level):
      raise UserError(problems)
    if not self.contains(level):
      raise UserError(
        f'Level {task.label(level)} lies outside the range {self} ({task.unit})'
        ': give a level between these ends.'
      )


def strength_problems(
  strengths: Iterable[float], name: str = 'The strength'
) -> list[str]:
  """A sentence for each strength that is not a number from 0 to 1.

  Args:
    strengths: to check.
    name: what they are called; begins each sentence.
  """
  return [
    f'{name} is {value:g}; it must be from 0 (the start level) to 1.'
    for value in strengths
    if not 0 <= value <= 1
  ]


def parse_values(text: str) -> list[float]:
  """Reads a list of numbers: levels or strengths.

  >>> parse_values('15,25,50')
  [15.0, 25.0, 50.0]
  >>> parse_values('0:0.3:0.1')
  [0.0, 0.1, 0.2, 0.3]

  Args:
    text: numbers and ranges start:end:step, separated by commas. A range
      includes its end if the steps reach it; a negative step counts down. Steps
      are counted in decimal: 0.3 is 0.3, not 0.30000000000000004.

  Returns:
    The values in the order given, at least one.

  Raises:
    UserError: the text has another form, or stands for over 10,000 values.
  """
  values: list[float] = []
  for part in text.split(','):
    try:
      numbers = [decimal.Decimal(number) for number in part.split(':')]
      if not all(math.isfinite(number) for number in numbers):
        raise ValueError('not finite')
      values.extend(_expand(*numbers))
    except (ValueError, TypeError, ArithmeticError) as error:
      raise UserError(
        f'Cannot read {text!r}: give numbers separated by commas (15,25,50) or'
        ' a range start:end:step whose step leads from start to end (15:75:10).'
      ) from error
  return values


def _expand(
  start: decimal.Decimal,
  end: decimal.Decimal | None = None,
  step: decimal.Decimal | None = None,
) -> list[float]:
  """Expands a range or a single number; raises ValueError for a bad step."""
  if end is None:
    return [float(start)]
  if step is None:
    raise ValueError('a range without its step')
  steps = (end - start) / step
  if not 0 <= steps < _MAX_VALUES:
    raise ValueError('the step leads away from the end, or is tiny')
  return [float(start + i * step) for i in range(int(steps) + 1)]


def level_list(text: str, span: LevelRange, count: int) -> list[float]:
  """The levels of a config field; '' means `count` evenly spaced levels."""
  if text:
    return parse_values(text)
  found = np.linspace(span.start, span.end, count).round(6)
  if TASKS[span.task].whole:
    found = np.rint(found)  # in a narrow range two may become equal
  found[[0, -1]] = span.start, span.end  # which may have more decimals
  return list(dict.fromkeys(found.tolist()))

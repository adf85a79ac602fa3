"""What the runs of a workdir have measured so far."""

from __future__ import annotations

import pathlib
from typing import Any, NamedTuple

import numpy as np

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.paper import folder as folders
from adafm_jax.paper.variation import CHANNELS, Variation
from adafm_jax.report.tables import MISSING


class FinishedRun(NamedTuple):
  """One finished variation.

  Attributes:
    v: the variation.
    about: how it was trained, see `paper.learn`.
    rows: its results, see `paper.measure`.
    learning: (step, PSNR) during training.
    path: its folder.
  """

  v: Variation
  about: dict[str, Any]
  rows: list[dict[str, Any]]
  learning: list[tuple[int, float]]
  path: pathlib.Path


class Value(NamedTuple):
  """A number that was measured with one seed or several.

  Attributes:
    by_seed: {seed: number}; empty if it is missing.
  """

  by_seed: dict[int, float]

  @property
  def mean(self) -> float | None:
    """Over the seeds; None if there is none."""
    return float(np.mean(list(self.by_seed.values()))) if self.by_seed else None

  @property
  def spread(self) -> float | None:
    """Standard deviation over the seeds; None with less than two."""
    found = list(self.by_seed.values())
    return float(np.std(found, ddof=1)) if len(found) > 1 else None

  def minus(self, other: Value) -> Value:
    """The difference, seed by seed, so that its spread is its own."""
    both = self.by_seed.keys() & other.by_seed.keys()
    return Value({s: self.by_seed[s] - other.by_seed[s] for s in sorted(both)})

  def text(self, decimals: int = 2, sign: str = '') -> str:
    """'31.44', or '31.44 ± 0.02'; with sign '+' it has one if positive too."""
    if self.mean is None:
      return MISSING
    text = f'{round(self.mean, decimals) + 0.0:{sign}.{decimals}f}'
    if self.spread is not None:
      text += f' ± {self.spread:.{decimals}f}'
    return text


class FinishedRuns(NamedTuple):
  """All runs of a workdir.

  Attributes:
    workdir: of the lists.
    config: preset and config of the lists, as JSON values.
    runs: the finished ones.
    failed: {name of the folder: why}.
  """

  workdir: pathlib.Path
  config: dict[str, Any]
  runs: list[FinishedRun]
  failed: dict[str, str]

  def sets(self, task: str) -> list[str]:
    """The sets on which a task was measured."""
    rows = [row for run in self.runs if run.v.task == task for row in run.rows]
    return sorted({row['set'] for row in rows})

  @property
  def noise(self) -> str:
    """The noise that all tables show: clipped if it was measured, as theirs."""
    found = {row['noise'] for run in self.runs for row in run.rows}
    return 'clipped' if 'clipped' in found else max(found, default='')

  def protocol(self, task: str) -> str:
    """How the numbers of a task in the tables were measured, in words."""
    found = {
      row['protocol']
      for run in self.runs
      if run.v.task == task and run.v.channels == CHANNELS[task]
      for row in run.rows
      if row['noise'] in ('', self.noise)
    }
    return '; '.join(sorted(found))

  def find(self, **fields: Any) -> list[FinishedRun]:
    """Runs whose variation has these values, one for each seed."""
    values = Variation(**fields).identity
    del values['seed']
    return [
      run
      for run in self.runs
      if {k: x for k, x in run.v.identity.items() if k != 'seed'} == values
    ]

  def rows(self, name: str, level: float, **fields: Any) -> dict[int, dict]:
    """{seed: the result of a variation on a set at a level}."""
    noises = ('', self.noise)
    return {
      run.v.seed: row
      for run in self.find(**fields)
      for row in run.rows
      if (row['set'], row['level']) == (name, level) and row['noise'] in noises
    }

  def psnr(self, name: str, level: float, **fields: Any) -> Value:
    """PSNR of a variation on a set at a level, dB."""
    rows = self.rows(name, level, **fields)
    return Value({seed: row['psnr'] for seed, row in rows.items()})


def load(workdir: pathlib.Path) -> FinishedRuns:
  """Reads the results in a workdir.

  Raises:
    UserError: it holds no lists of the paper.
  """
  path = workdir / 'config.json'
  config = files.read_json(path) if path.is_file() else {}
  if 'preset' not in config:
    raise UserError(
      f'{workdir} holds no experiments of the paper; run them first:'
      f' adafm train --config configs/paper --workdir {workdir}.'
    )
  runs, failed = [], {}
  for folder in sorted((workdir / 'runs').glob('*')):
    if why := folders.why_failed(folder):
      failed[folder.name] = why
    if (folder / 'run.json').exists():
      runs.append(_read(folder))
  return FinishedRuns(workdir, config, runs, failed)


def _read(folder: pathlib.Path) -> FinishedRun:
  about = files.read_json(folder / 'run.json')
  values = about.pop('variation')

  def rows(file):
    path = folder / file
    return files.read_json(path) if path.exists() else []

  learning = [(row['step'], row['psnr']) for row in rows('learning.json')]
  variation = Variation(**values)
  return FinishedRun(variation, about, rows('measured.json'), learning, folder)

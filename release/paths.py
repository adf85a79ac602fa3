"""Compares paths between a model's two levels, on held-out training images.

  python -m release.paths denoise-small --config configs/denoise_small.py \
    --config.data.train=/path/to/BSD431 --workdir runs/paths \
    --paths hats:1,hats:2,poly:1,poly:2,poly:3 --alone 35 --dedicated 35

For each path, trains its bends with the settings of `config.path`; the released
model's backbone and ends are frozen. For comparison, trains AdaFM filters and
whole networks that serve one level alone: the best that a path could reach.
With --config.joint.steps, one more row has all weights trained together.
Half of the held-out images give the lambda curve, the other half compares.
Writes DIR/heldout.json, .md and .png. The command can be stopped and repeated
at any time: training is resumed, and the table is written after each path.

Once all is chosen, the same command with --on cbsd68 and
--config.evaluate.sets=cbsd68=/path/to/CBSD68 compares on an evaluation set, and
writes DIR/cbsd68.json, .md and .png; what is trained is not trained again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from adafm_jax import files, zoo
from adafm_jax.calibrate import curves
from adafm_jax.config import command_line
from adafm_jax.config.fields import Config
from adafm_jax.data.image import identify
from adafm_jax.degrade import level as levels
from adafm_jax.engine import compile_cache
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError, entry_point
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.models import parameters, restorer
from adafm_jax.report import figures, tables
from adafm_jax.train import images as training
from adafm_jax.train import logs, sets, stages


class PathRow(NamedTuple):
  """One row of the comparison.

  Attributes:
    name: 'line', 'poly:3', 'alone 35', ...
    steps: of training; 0 for the released model.
    psnr: mean over the images in dB, by level.
  """

  name: str
  steps: int
  psnr: dict[float, float]


class Study:
  """A model's line, its calibration, and the images that compare paths.

  Args:
    config: that the model was trained with.
    name: of the released model, or its file; its backbone and ends are kept.
    workdir: of all runs.
    on: 'heldout', or one of `config.evaluate.sets`.

  Raises:
    UserError: the config is another network's, or doesn't name the set; or the
      workdir is of another model, or of other images.
  """

  def __init__(self, config: Config, name: str, workdir: pathlib.Path, on: str):
    model = zoo.load(name)
    if model.arch.basic != config.arch.basic:
      raise UserError(
        f'The model is a network of {model.arch.basic}, the config trains one'
        f' of {config.arch.basic}; give the config it was trained with.'
      )
    self.model, self.workdir, self.on = model, workdir, on
    data = sets.load(config)
    if on not in data.sets:
      raise UserError(
        f'--on {on} is none of the sets: {", ".join(data.sets)}; name it in'
        ' --config.evaluate.sets=NAME=FOLDER.'
      )
    self._run = sets.open_run(config, data, workdir)
    # Checkpoints and the lambda curve in the workdir are of these, too.
    self.about = {
      'model': files.sha256(zoo.locate(name)),
      'train': training.identity(data.learnt.seen),
      'heldout': training.identity(data.learnt.heldout_seen),
    }
    self._check(self.about)
    self.config = self._run.config
    self.line = jax.device_put(model.with_path('line').params)
    held = data.learnt.heldout[: config.calibrate.images]
    network = Network(config.arch, self.line)
    self.found = curves.find_curve(self.config, workdir, network, held)
    self.curve = self.found.released
    images = held[1::2] or held if on == sets.HELDOUT else data.sets[on]
    self.compared = training.identity(identify(images))
    self._protocol = Protocol.of(config.task, config.measured_noise)
    self._cases = {
      m.level: make_cases(images, m.level, self._protocol)
      for m in self.found.measurements
    }

  def _check(self, about: dict[str, str]) -> None:
    """Notes what the workdir is of; refuses it if it is of something else."""
    note = self.workdir / 'study.json'
    kept = json.loads(note.read_text('utf-8')) if note.exists() else about
    if changed := [key for key in about if kept.get(key) != about[key]]:
      words = {'train': 'training images', 'heldout': 'held-out images'}
      raise UserError(
        f'{self.workdir} was begun with another model or other images (changed:'
        f' {", ".join(words.get(key, key) for key in changed)}); give another'
        ' --workdir.'
      )
    files.write_json(note, about)

  def run(self, name: str, **changes) -> stages.Run:
    """A run with another config, in a folder of its own."""
    config = dataclasses.replace(self.config, **changes)
    folder = self.workdir / name.replace(':', '')
    return dataclasses.replace(self._run, config=config, workdir=folder)

  def psnr(self, network: Network, level: float, strength: float) -> float:
    """Mean PSNR of the images that compare, dB."""
    cases = self._cases[level]
    return scores.mean_psnr(network, cases, strength, self._protocol, level)

  def along(self, name: str, network: Network, steps: int = 0) -> PathRow:
    """Measures a network on every level, along the lambda curve."""
    psnr = {
      level: self.psnr(network, level, float(self.curve.strength(level)))
      for level in self._cases
    }
    return PathRow(name, steps, psnr)


def bent(study: Study, name: str) -> PathRow:
  """Trains the bends of a path, 'poly:3', and measures it."""
  kind, bends = name.split(':')
  path = dataclasses.replace(study.config.path, kind=kind, bends=int(bends))
  run = study.run(name, path=path)
  points = curves.bend_points(run.config, study.found)
  params = stages.bend(run, study.line, points)
  network = Network(run.config.bent, params)
  return study.along(name, network, path.steps)


def alone(study: Study, name: str) -> PathRow:
  """Trains AdaFM filters for one level, 'alone 35', as many steps as a path."""
  level = float(name.split()[1])
  stage = dataclasses.replace(study.config.adapt, steps=study.config.path.steps)
  run = study.run(name.replace(' ', ''), end=level, adapt=stage)
  params = stages.adapt(run, restorer.backbone(study.line))
  network = Network(run.config.arch, params)
  return PathRow(name, stage.steps, {level: study.psnr(network, level, 1.0)})


def dedicated(study: Study, name: str) -> PathRow:
  """Trains the backbone further for one level, as many steps as a path."""
  level = float(name.split()[1])
  stage = dataclasses.replace(study.config.adapt, steps=study.config.path.steps)
  run = study.run(name.replace(' ', ''), start=level, train=stage)
  params = stages.train_further(run, restorer.backbone(study.line))
  network = Network(run.config.arch.basic, params)
  return PathRow(name, stage.steps, {level: study.psnr(network, level, 0.0)})


def joint(study: Study, name: str) -> PathRow:
  """Trains all weights at all levels, with the settings of `config.joint`."""
  run = study.run(name)
  points = curves.joint_points(run.config, study.found)
  params = parameters.insert_adafm(study.line, run.config.bent)
  network = Network(run.config.bent, stages.join(run, params, points))
  return study.along(name, network, run.config.joint.steps)


def compare(study: Study, jobs: dict[str, Callable[[Study, str], PathRow]]):
  """Runs the jobs that have no row yet, and writes the table after each."""
  kept = study.workdir / f'{study.on}.json'
  path = dataclasses.replace(study.config.path, kind='', bends=0)
  asked = {
    **study.about,
    'compared': study.compared,
    'path': dataclasses.asdict(path),
    'joint': dataclasses.asdict(study.config.joint),
  }
  rows = []
  if kept.exists():
    found = json.loads(kept.read_text('utf-8'))
    if found.get('asked') == asked:
      rows = [_result(row) for row in found['rows']]
  for name, make in jobs.items():
    if name in (row.name for row in rows):
      continue
    rows.append(make(study, name))
    values = [row._asdict() for row in rows]
    files.write_json(kept, {'asked': asked, 'rows': values})
    table = _table(study.config, rows)
    files.write_text(kept.with_suffix('.md'), table)
    logs.say('\n' + table)
  _draw(study, rows)


def _result(row: dict) -> PathRow:
  psnr = {float(level): value for level, value in row['psnr'].items()}
  return PathRow(row['name'], row['steps'], psnr)


def _table(config: Config, rows: Sequence[PathRow]) -> str:
  label = levels.TASKS[config.task].label
  wanted = sorted({level for row in rows for level in row.psnr})
  return tables.markdown_table(
    ['path', 'steps', *map(label, wanted)],
    [[r.name, r.steps, *map(r.psnr.get, wanted)] for r in rows],
    decimals=3,
  )


def _draw(study: Study, rows: Sequence[PathRow]) -> None:
  """PSNR of each row above the straight path, over the levels.

  What serves one level alone is a point; those of a kind are one series.
  """
  line = next(row for row in rows if row.name == 'line').psnr
  series: dict[str, dict[float, float]] = {}
  for row in rows:
    single = len(row.psnr) == 1
    name = row.name.split()[0] if single else row.name
    series[name] = series.get(name, {}) | row.psnr
  where = 'held-out images' if study.on == sets.HELDOUT else study.on
  figures.plot_levels(
    study.workdir / f'{study.on}.png',
    list(line),
    {
      name: [psnr.get(x, np.nan) - line[x] for x in line]
      for name, psnr in series.items()
    },
    xlabel=levels.TASKS[study.config.task].unit,
    ylabel='PSNR above the straight path (dB)',
    title=f'Paths of {study.config.path.steps:,} steps, {where}',
    points=[alone.__name__, dedicated.__name__],
  )


def _jobs(
  study: Study, paths: str, alone_levels: str, dedicated_levels: str
) -> dict[str, Callable[[Study, str], PathRow]]:
  """The function that makes each row of the table, by the row's name."""

  def straight(study, name):
    return study.along(name, Network(study.config.arch, study.line))

  def released(study, name):
    model = study.model
    return study.along(name, Network(model.arch, model.params))

  jobs: dict[str, Callable] = {'line': straight}
  if study.model.arch.bends:
    jobs['released'] = released
  jobs |= dict.fromkeys(filter(None, paths.split(',')), bent)
  if study.config.joint.steps:
    jobs['joint'] = joint
  known = [m.level for m in study.found.measurements]
  for make, text in (alone, alone_levels), (dedicated, dedicated_levels):
    for level in levels.parse_values(text) if text else ():
      if level not in known:
        raise UserError(
          f'Level {level:g} is not one of calibrate.levels'
          f' ({", ".join(f"{x:g}" for x in known)}).'
        )
      jobs[f'{make.__name__} {level:g}'] = make
  return jobs


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command line."""
  arguments = sys.argv[1:] if argv is None else argv
  config, others = command_line.take_config(arguments)
  parser = argparse.ArgumentParser(
    prog='python -m release.paths',
    description='Compares paths between the two levels of a model.',
  )
  add = parser.add_argument
  add('model', help='name of a released model, or a model file')
  add('--workdir', required=True, type=pathlib.Path, help='for all results')
  add('--paths', default='', help='as in hats:1,hats:2,poly:3')
  add('--on', default=sets.HELDOUT, help='images to compare on')
  add('--alone', default='', help='levels to train AdaFM filters for')
  add('--dedicated', default='', help='levels to train whole networks for')
  options = parser.parse_args(others)
  if config is None:
    raise UserError(
      'Give --config, the config that the model was trained with.'
    )
  compile_cache.enable()
  study = Study(config, options.model, options.workdir, options.on)
  jobs = _jobs(study, options.paths, options.alone, options.dedicated)
  compare(study, jobs)


if __name__ == '__main__':
  sys.exit(main())

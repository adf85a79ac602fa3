"""Trains a network for one level alone, to compare AdaFM's middle levels with.

  python -m release.dedicated runs/denoise --level 35 --output FILE

The start network of a finished run is trained further at this level, all of its
weights, with the steps and settings of the adaptation: a network of the same
size and total budget that serves this level alone. The command can be stopped
and repeated at any time; it continues from its last checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

import jax

from adafm_jax.config.fields import Config
from adafm_jax.degrade.level import LevelRange
from adafm_jax.engine import compile_cache
from adafm_jax.errors import UserError, entry_point
from adafm_jax.model import Model
from adafm_jax.model_file import provenance
from adafm_jax.models import restorer
from adafm_jax.train import sets, stages
from adafm_jax.train import workdir as workdirs


def make_config(config: Config, level: float) -> Config:
  """The config that trains for `level`, made from that of the run."""
  span = config.levels
  span.check(level)
  if level == span.end:
    raise UserError(f'Level {level:g} is the end, which AdaFM was trained for.')
  return dataclasses.replace(config, start=level, train=config.adapt)


def train(run: pathlib.Path, level: float) -> Model:
  """Trains, or resumes, in the folder `dedicated_LEVEL` of a finished run.

  Raises:
    UserError: the run isn't finished, or the level isn't inside its range.
  """
  config = make_config(workdirs.open_workdir(None, run), level)
  model = Model.load(run / 'model.safetensors')
  opened = sets.open_run(
    config, sets.load(config), run / f'dedicated_{level:g}'
  )
  params = stages.train_further(
    opened, jax.device_put(restorer.backbone(model.params))
  )
  return Model(
    arch=model.arch.basic,
    levels=LevelRange(config.task, level, config.end),
    params=params,
    noise=model.noise,
    provenance={
      'trained_for': level,
      'start_network': model.levels.start,
      'further_steps': config.train.steps,
      **provenance.collect(),
    },
  )


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command line."""
  parser = argparse.ArgumentParser(
    prog='python -m release.dedicated',
    description='Trains the start network of a run further, for one level.',
  )
  add = parser.add_argument
  add('run', type=pathlib.Path, help='workdir of a finished run')
  add('--level', type=float, required=True, help="in the task's unit")
  add('-o', '--output', required=True, help='model file to write')
  options = parser.parse_args(argv)
  compile_cache.enable()
  train(options.run, options.level).save(options.output)
  print(f'written: {options.output}')


if __name__ == '__main__':
  sys.exit(main())

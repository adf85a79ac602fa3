"""Trains one variation, from what it needs to its final weights."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import shutil
import time
from collections.abc import Sequence
from typing import Any

import jax

from adafm_jax import files
from adafm_jax.calibrate import curves
from adafm_jax.config.fields import Config
from adafm_jax.data import prepared, sources
from adafm_jax.data.image import NamedImage
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.model_file import provenance
from adafm_jax.models import networks, restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.paper import systems
from adafm_jax.paper.folder import Folder
from adafm_jax.paper.variation import Variation
from adafm_jax.train import images as training
from adafm_jax.train import sets, stages
from adafm_jax.train.step import Points


def load(base: Config, v: Variation) -> sets.Data:
  """The images of a variation; loaded once for all that share them."""
  config = systems.configure(base, v)
  if not config.data.train.startswith('tfds:'):
    # A folder's images are the same for all tasks and levels.
    config = dataclasses.replace(config, task='denoise', start=15.0, end=75.0)
    config = dataclasses.replace(
      config, path=dataclasses.replace(config.path, kind='line', bends=1)
    )
  return _load(
    dataclasses.replace(
      config,
      seed=0,
      model=dataclasses.replace(config.model, kernel=1, placement='block'),
    )
  )


# Levels of a prepared set differ, but not the images held out and measured.
_read = functools.cache(sources.load)


@functools.cache
def _load(config: Config) -> sets.Data:
  return sets.load(config, read=_read)


def place(
  config: Config, system: systems.System, data: sets.Data, workdir: pathlib.Path
) -> str:
  """Where training images are kept, see `train.images.place`.

  Args:
    config: of the variation.
    system: of the variation.
    data: its images.
    workdir: of the list. It keeps a choice for each source: tasks may train on
      different prepared sets, and paths need degraded copies of more levels.

  Raises:
    UserError: the images have changed, or are cut where the system's patches
      would not be on its grid.
  """
  train, name = data.learnt.train, f'{config.model.channels}'
  if isinstance(train, prepared.Split):
    if not train.is_on(system.grid):
      raise UserError(
        f'data.train is the prepared set {train.name}, whose sub-images do not'
        f' all begin at multiples of {system.grid} pixels, as the patches of'
        ' this system must; prepare it again with --overwrite and a --step that'
        f' is a multiple of {system.grid}.'
      )
    name = f'{train.name}-{name}-{system.stage}'
  placement, _ = training.place(config, data.learnt, workdir / 'data' / name)
  return placement


def learn(
  base: Config,
  v: Variation,
  workdir: pathlib.Path,
  folder: Folder,
  parents: Sequence[restorer.Params],
) -> None:
  """Trains a variation, or resumes it, and keeps its weights.

  Args:
    base: config of the list.
    v: what to train.
    workdir: of the list.
    folder: of the variation.
    parents: weights of what it needs.

  Raises:
    UserError: training diverged, or images have changed.
  """
  begun = time.monotonic()
  config, system = systems.configure(base, v), systems.SYSTEMS[v.system]
  data = load(base, v)
  network = system.network(config)
  params = system.begin(config, network, parents)
  resumed = False
  if system.stage:
    resumed = bool(stages.latest_step(folder.path, system.stage))
    placement = place(config, system, data, workdir)
    config = dataclasses.replace(
      config, data=dataclasses.replace(config.data, placement=placement)
    )
    run = _open(config, v, folder, data)
    points = _points(config, v, system, folder, data, parents)
    params = stages.learn(
      run, system.stage, network, params, points, system.rules
    )
  if system.finish:
    heldout = data.learnt.heldout
    params = system.finish(config, network, params, parents, heldout)
  about = _about(config, system, network, params, data)
  about |= {
    'seconds': round(time.monotonic() - begun, 1),
    'resumed': resumed,  # then there were seconds before
  }
  folder.write(params, {'variation': dataclasses.asdict(v), **about})
  shutil.rmtree(folder.path / 'checkpoints', ignore_errors=True)


def _points(
  config: Config,
  v: Variation,
  system: systems.System,
  folder: Folder,
  data: sets.Data,
  parents: Sequence[restorer.Params],
) -> Points:
  """The levels that a variation learns, with their strengths."""
  if system.stage != 'path':
    level = v.start if v.end is None else v.end
    return Points.single(level, systems.strength(v, level) or 0.0)
  line = Network(config.arch, parents[0], dtype=config.model.compute)
  images = data.learnt.heldout[: config.calibrate.images]
  found = curves.find_curve(config, folder.path, line, images)
  return curves.bend_points(config, found)


def _open(
  config: Config, v: Variation, folder: Folder, data: sets.Data
) -> stages.Run:
  """A run that also notes the validation PSNR of each step."""
  every = config.run.evaluate_every
  stage = systems.SYSTEMS[v.system].stage
  steps = getattr(config, stages.FIELDS[stage]).steps
  start = stages.latest_step(folder.path, stage) or 0
  noted = [
    row for row in folder.read('learning.json', []) if row['step'] <= start
  ]

  def make_validate(arch, level, strength):
    images = data.learnt.heldout[: config.run.validate_images]
    measure = _validation(config, v, images, arch, level, strength)

    def validate(params):
      psnr = measure(params)
      last = noted[-1]['step'] if noted else start
      step = min(steps, (last // every + 1) * every)
      noted.append({'step': step, 'psnr': psnr})
      files.write_json(folder.path / 'learning.json', noted)
      yield 'psnr', psnr

    return validate

  grid = systems.SYSTEMS[v.system].grid
  return stages.Run(config, folder.path, data.learnt.train, make_validate, grid)


def _validation(
  config: Config,
  v: Variation,
  images: Sequence[NamedImage],
  arch,
  level,
  strength,
):
  finish = systems.SYSTEMS[v.system].finish
  protocol = Protocol.of(config.task, config.measured_noise)
  cases = make_cases(images, level, protocol)

  def measure(params) -> float:
    params = jax.device_get(params)
    if finish:
      params = finish(config, arch, params, (), images)
    network = Network(arch, params, dtype=config.model.compute)
    return scores.mean_psnr(network, cases, strength, protocol, level)

  return measure


def _device() -> str:
  """The accelerator, or the processor's name."""
  device = jax.devices()[0]
  if device.platform == 'cpu':
    return provenance.processor()
  return f'{jax.device_count()} x {device.device_kind}'


def _about(
  config: Config,
  system: systems.System,
  network: Architecture,
  params: restorer.Params,
  data: sets.Data,
) -> dict[str, Any]:
  """What the report says of a run."""
  stage = stages.FIELDS.get(system.stage, '')
  return {
    'parameters': networks.count_weights(network, params),
    'stage': dataclasses.asdict(getattr(config, stage)) if stage else None,
    'features': config.model.features,
    'blocks': config.model.blocks,
    'training_images': len(data.learnt.train),
    **provenance.collect(),
    'device': _device(),
  }

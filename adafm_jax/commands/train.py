"""An experiment end to end: train, adapt, calibrate, evaluate, sweep.

What a workdir holds: `config.json`, `checkpoints/`, `events/` (TensorBoard),
and at the end `model.safetensors`, `metrics.json`, `metrics.md`,
`curve.png` (lambda of level), `levels.png` (PSNR of level), `sweep.png`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import time
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from adafm_jax import errors, files
from adafm_jax.calibrate import curves, measure
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.data import known, overlap, sources
from adafm_jax.data.image import NamedImage, identify
from adafm_jax.degrade import level as levels
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.evaluate import metrics, scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.model import Model
from adafm_jax.model_file import provenance
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.report import experiment as report
from adafm_jax.train import images as training
from adafm_jax.train import logs, stages
from adafm_jax.train import mesh as meshes
from adafm_jax.train.workdir import locked

_HELDOUT = 'heldout'
# Fields of `calibrate` in workdirs that earlier versions began.
_RETIRED = ('layer_coefficients', 'layer_steps')


@dataclasses.dataclass(frozen=True)
class Data:
  """The images of an experiment.

  Attributes:
    train: learnt from.
    heldout: never learnt from; for validation and calibration.
    sets: evaluation sets by name.
  """

  train: training.Images
  heldout: list[NamedImage]
  sets: dict[str, list[NamedImage]]


def run(config: Config | None, workdir: pathlib.Path) -> None:
  """Runs an experiment, or resumes the one that a workdir holds.

  Args:
    config: None takes the workdir's own.
    workdir: made if it is missing.

  Raises:
    UserError: the workdir holds another experiment, or data is missing.
  """
  with meshes.leaving_on_failure():
    config = open_workdir(config, workdir)
    fields = ['train', 'adapt', *['path'] * (config.path.kind != 'line')]
    # A step of a small network is faster on one device: the quickstart took
    # 2 min 8 s on one and 2 min 31 s on two.
    if config.model.features >= 64:
      meshes.use_all_cores([getattr(config, name).batch for name in fields])
    data = load_data(config)  # before anything is written: it may be missing
    alone = locked(workdir) if meshes.is_main() else contextlib.nullcontext()
    with alone:
      _run(config, workdir, data)


def _run(config: Config, workdir: pathlib.Path, data: Data) -> None:
  begun = time.monotonic()
  if meshes.is_main():
    files.write_json(workdir / 'config.json', dataclasses.asdict(config))
  placement, why = training.place(config, data.train, workdir)
  config = dataclasses.replace(
    config, data=dataclasses.replace(config.data, placement=placement)
  )
  logs.say(
    f'{len(data.train)} training images, {len(data.heldout)} held out;'
    f' {jax.device_count()} x {jax.devices()[0].device_kind},'
    f' {jax.process_count()} process(es); workdir {workdir}'
  )
  logs.say(why)
  stages_run = stages.Run(config, workdir, data.train, validation(config, data))
  line = stages.train(stages_run)
  found = None
  if meshes.is_main():
    images = data.heldout[: config.calibrate.images]
    network = _network(config, config.arch, line)
    found = curves.find_curve(config, workdir, network, images)
  params = line
  if config.path.kind != 'line':
    points = curves.bend_points(config, found)
    params = stages.bend(stages_run, line, points)
  if found is not None:
    finish(config, workdir, data, line, params, found)
    logs.say(f'done in {logs.duration(time.monotonic() - begun)}')
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('experiment finished')


def open_workdir(config: Config | None, workdir: pathlib.Path) -> Config:
  """Compares a config with the one that a workdir holds, if any.

  Args:
    config: None takes the workdir's own.
    workdir: of the experiment.

  Returns:
    The config to run.

  Raises:
    UserError: there is no config at all, or the workdir has another one; all
      differences are told.
  """
  path = workdir / 'config.json'
  if not path.exists():
    if config is None:
      raise UserError(
        f'{workdir} holds no run to resume (no config.json); start one with'
        ' --config.'
      )
    return config
  try:
    values = json.loads(path.read_text())
    if isinstance(values, dict) and isinstance(values.get('calibrate'), dict):
      for name in _RETIRED:
        values['calibrate'].pop(name, None)
    old = configs.parse(values)
  except (OSError, ValueError) as error:
    raise UserError(f'Cannot use {path}: {error}') from error
  if config is None:
    return old
  if changed := configs.differences(old, config):
    raise UserError(
      f'{workdir} holds a run of another config; give another --workdir, or'
      f' mend: {"; ".join(changed)} (there -> now).'
    )
  _check_steps(workdir, old, config)
  return config


def _check_steps(workdir: pathlib.Path, old: Config, new: Config) -> None:
  """Refuses other `steps` for a stage whose learning rate falls already."""
  for name, field in stages.FIELDS.items():
    before, after = getattr(old, field), getattr(new, field)
    done = stages.latest_step(workdir, name) or 0
    flat = min(before.constant_steps, after.constant_steps)
    if before.steps != after.steps and done > flat:
      raise UserError(
        f'{field}.steps is {after.steps}, was {before.steps}, but the'
        f' checkpoint in {workdir} has {done} steps, of which only the first'
        f' {flat} have the same learning rate in both; give another --workdir.'
      )


def load_data(config: Config) -> Data:
  """Loads every image the experiment will need, so that it fails early."""
  learnt = training.load(config)
  sets = {_HELDOUT: learnt.heldout}
  for name, source in configs.evaluation_sets(config).items():
    data_dir = config.data.data_dir
    sets[name] = sources.load(
      source or sources.named(name, data_dir),
      field=f'evaluate.sets={name}',
      channels=config.model.channels,
      data_dir=data_dir,
      most=config.evaluate.images,
    )
  _check_sizes(config, sets)
  overlap.refuse(
    learnt.seen,
    {name: identify(images) for name, images in sets.items()},
    field=config.data.train,
  )
  return Data(learnt.train, learnt.heldout, sets)


def _check_sizes(config: Config, sets: dict[str, list[NamedImage]]) -> None:
  """Refuses images that are too small to be measured at the end of the run."""
  wanted = levels.level_list(config.evaluate.levels, config.levels, 2)
  inside = metrics.SSIM_WINDOW if config.evaluate.ssim else 1
  problems = []
  for name, images in sets.items():
    border = max(map(known.judged(name, config.task).pixels, wanted))
    try:
      sources.check_sizes(
        [(i.name, *i.pixels.shape[:2]) for i in images],
        inside + 2 * border,
        field=name if name == _HELDOUT else f'evaluate.sets={name}',
        what='the SSIM window and the border' if inside > 1 else 'the border',
      )
    except UserError as error:
      problems += error.problems
  errors.raise_all(problems)


def validation(config: Config, data: Data) -> stages.MakeValidate:
  """PSNR on a few held-out images, at the stage's level and strength."""
  images = data.heldout[: config.run.validate_images]
  protocol = Protocol.of(config.task, config.measured_noise)

  def make(arch, level, strength):
    cases = make_cases(images, level, protocol)
    label = f'psnr_{levels.TASKS[config.task].label(level).replace(" ", "_")}'

    def validate(params):
      if not meshes.is_main():
        return
      local = _network(config, arch, jax.device_get(params))
      grid = scores.psnr_grid(
        local, cases, np.array([strength]), protocol, level
      )
      yield label, float(grid.mean())

    return validate

  return make


def finish(
  config: Config,
  workdir: pathlib.Path,
  data: Data,
  line: restorer.Params,
  params: restorer.Params,
  found: measure.Calibration,
) -> None:
  """Evaluates, sweeps and writes the model file.

  Args:
    config: of the experiment.
    workdir: where results go.
    data: images to measure on.
    line: weights on the straight path.
    params: weights on the path that is released, perhaps the same.
    found: the calibration.
  """
  network = _network(config, config.bent, params)
  compared = []
  if config.path.kind != 'line':
    images = data.heldout[: config.calibrate.images]
    straight = _network(config, config.arch, line)
    compared = curves.compare(config, straight, network, images, found)
  report.write_curve(workdir / 'curve.png', found, config.task)
  curve = getattr(found, config.calibrate.kind)
  rows = _evaluate(config, network, data, curve)
  report.write_tables(workdir, rows, found.measurements, config.task)
  shown = list(data.sets)[-1]
  report.write_levels(workdir / 'levels.png', rows, config.task, shown)
  _sweep(config, workdir, network, data.sets[shown])
  model = Model(
    arch=config.bent,
    levels=config.levels,
    curve=curve,
    params=params,
    provenance=_provenance(config, data, rows, compared),
    noise=config.noise if config.task == 'denoise' else None,
  )
  model.save(workdir / 'model.safetensors')
  logs.say('\n' + report.text(rows, config.task, markdown=False))
  names = 'model.safetensors metrics.json metrics.md curve.png levels.png'
  logs.say(f'written to {workdir}: {names} sweep.png')


def _evaluate(config, network, data, curve) -> list[scores.Score]:
  wanted = levels.level_list(config.evaluate.levels, config.levels, 2)
  noises = config.evaluate.protocols or config.measured_noise
  rows = []
  for noise in noises.split(','):
    for name, images in data.sets.items():
      judged = known.judged(name, config.task)
      protocol = Protocol.of(config.task, noise, judged)
      for level in wanted:
        rows += scores.score_set(
          network,
          images,
          name=name,
          level=level,
          strength=float(curve.strength(level)),
          protocol=protocol,
          ssim=config.evaluate.ssim,
        )
        logs.say(
          f'evaluated {name} ({len(images)} images) at'
          f' {levels.TASKS[config.task].label(level)}, {protocol.label}:'
          f' {rows[-1].psnr:.2f} dB'
        )
  return rows


def _sweep(config, workdir, network, images) -> None:
  level = config.sweep.level or config.levels.level(0.5)
  if levels.TASKS[config.task].whole:
    level = round(level)
  protocol = Protocol.of(config.task, config.measured_noise)
  strengths = levels.parse_values(config.sweep.strengths)
  cases = make_cases(images[: config.sweep.images], level, protocol)
  outputs = [
    scores.restore(network, case, np.array(strengths)) for case in cases
  ]
  report.write_sweep(
    workdir / 'sweep.png',
    cases,
    outputs,
    strengths,
    title=f'{config.task}, {levels.TASKS[config.task].label(level)} restored'
    f' at strengths from {levels.TASKS[config.task].label(config.start)} (0)'
    f' to {levels.TASKS[config.task].label(config.end)} (1)',
    protocol=protocol,
    level=level,
  )


def _provenance(config, data, rows, compared) -> dict[str, Any]:
  return {
    'config': dataclasses.asdict(config),
    'training_images': len(data.train),
    'paths': [c._asdict() for c in compared],
    'metrics': [
      {
        'set': s.set,
        'level': s.level,
        'protocol': s.protocol,
        'strength': s.strength,
        'psnr': round(s.psnr, 4),
        'ssim': None if s.ssim is None else round(s.ssim, 5),
        'images': len(s.images),
      }
      for s in rows
      if s.method == 'curve'
    ],
    **provenance.collect(),
  }


def _network(
  config: Config, arch: Architecture, params: restorer.Params
) -> Network:
  return Network(arch, params, dtype=config.model.compute)

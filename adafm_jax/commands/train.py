"""An experiment end to end: train, adapt, calibrate, evaluate, sweep.

The workdir holds `config.json`, `checkpoints/`, `events/` (TensorBoard), and at
the end `model.safetensors`, `metrics.json`, `metrics.md`, `curve.png` (lambda
by level), `levels.png` (PSNR by level) and `sweep.png`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import time
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from adafm_jax import files
from adafm_jax.calibrate import curves
from adafm_jax.config.fields import Config
from adafm_jax.data import known
from adafm_jax.degrade import level as levels
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.model import Model
from adafm_jax.model_file import provenance
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.report import experiment
from adafm_jax.train import initial, logs, sets, stages
from adafm_jax.train import mesh as meshes
from adafm_jax.train import workdir as workdirs


def run(config: Config | None, workdir: pathlib.Path) -> None:
  """Runs an experiment, or resumes the one that a workdir holds.

  Args:
    config: None takes that of the workdir.
    workdir: created if missing.

  Raises:
    UserError: the workdir holds another experiment, or data is missing.
  """
  with meshes.leaving_on_failure():
    config = workdirs.open_workdir(config, workdir)
    # A step of a small network is faster on one device: the quickstart took
    # 2 min 8 s on one and 2 min 31 s on two.
    if config.model.features >= 64:
      batches = [getattr(config, name).batch for name in config.used_stages]
      meshes.use_all_cores(batches)
    # Before anything is written: it may fail.
    data, lineage = sets.load(config), _lineage(config)
    alone = (
      workdirs.locked(workdir) if meshes.is_main() else contextlib.nullcontext()
    )
    # Inside the lock: what another process is writing is not ours to remove.
    with alone, workdirs.explaining_full_disk(workdir):
      _run(config, workdir, data, lineage)


def _run(
  config: Config,
  workdir: pathlib.Path,
  data: sets.Data,
  lineage: dict[str, Any],
) -> None:
  begun = time.monotonic()
  if meshes.is_main():
    files.write_json(workdir / 'config.json', dataclasses.asdict(config))
  opened = sets.open_run(config, data, workdir)
  kept = not config.adapt.steps
  arch = config.bent if kept else config.arch
  params = initial.given(config) if kept else stages.train(opened)
  images = data.learnt.heldout[: config.calibrate.images]
  network = _network(config, arch, params)
  found = curves.find_curve(config, workdir, network, images)
  first = curves.Calibrated(network, found)
  if 'path' in config.used_stages and not kept:
    points = curves.bend_points(config, found)
    params = stages.bend(opened, params, points)
  if config.joint.steps:
    points = curves.joint_points(config, found)
    params = stages.join(opened, params, points)
  network = _network(config, config.bent, params)
  if config.joint.steps:
    file = 'calibration_joint.json'
    found = curves.find_curve(config, workdir, network, images, file=file)
  last = curves.Calibrated(network, found)
  finish(config, workdir, data, first, last, lineage)
  logs.say(f'done in {logs.duration(time.monotonic() - begun)}')
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('experiment finished')


def finish(
  config: Config,
  workdir: pathlib.Path,
  data: sets.Data,
  first: curves.Calibrated,
  last: curves.Calibrated,
  lineage: dict[str, Any],
) -> None:
  """Evaluates, sweeps and writes the model file.

  All processes share the images to measure on; process 0 alone writes.

  Args:
    config: of the experiment.
    workdir: for the results.
    data: images to measure on.
    first: the network that was calibrated first.
    last: the released one, which may be the same.
    lineage: see `_lineage`.
  """
  network, found = last
  compared = []
  if last.network.params is not first.network.params:
    images = data.learnt.heldout[: config.calibrate.images]
    compared = curves.compare(config, first, last, images)
  curve = found.released
  rows = _evaluate(config, network, data, curve)
  if not meshes.is_main():
    return
  experiment.write_curve(workdir / 'curve.png', found, config.task)
  experiment.write_tables(workdir, rows, found.measurements, config.task)
  shown = list(data.sets)[-1]
  experiment.write_levels(workdir / 'levels.png', rows, config.task, shown)
  _sweep(config, workdir, network, data.sets[shown])
  model = Model(
    arch=config.bent,
    levels=config.levels,
    curve=curve,
    params=network.params,
    provenance=_provenance(config, data, rows, compared) | lineage,
    noise=config.noise if config.task == 'denoise' else None,
  )
  model.save(workdir / 'model.safetensors')
  logs.say('\n' + experiment.text(rows, config.task, markdown=False))
  names = 'model.safetensors metrics.json metrics.md curve.png levels.png'
  logs.say(f'written to {workdir}: {names} sweep.png')


def _evaluate(config, network, data, curve) -> list[scores.Score]:
  wanted = levels.level_list(config.evaluate.levels, config.levels, 2)
  noises = config.evaluate.protocols or config.measured_noise
  rows = []
  for noise in noises.split(','):
    for name, images in data.sets.items():
      judged = known.judged(name, config.task)
      luma = config.model.channels == 1
      protocol = Protocol.of(config.task, noise, judged, luma=luma)
      for level in wanted:
        rows += scores.score_set(
          network,
          meshes.mine(images),
          name=name,
          level=level,
          strength=float(curve.strength(level)),
          protocol=protocol,
          ssim=config.evaluate.ssim,
          together=meshes.together,
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
  protocol = Protocol.of(
    config.task, config.measured_noise, luma=config.model.channels == 1
  )
  strengths = levels.parse_values(config.sweep.strengths)
  cases = make_cases(images[: config.sweep.images], level, protocol)
  outputs = [
    scores.restore(network, case, np.array(strengths)) for case in cases
  ]
  experiment.write_sweep(
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
    'training_images': len(data.learnt.train),
    # The names of the file format; see `curves.Comparison`.
    'paths': [
      {
        'level': c.level,
        'strength': c.strength,
        'line': c.first,
        'bent': c.released,
      }
      for c in compared
    ],
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


def _lineage(config: Config) -> dict[str, Any]:
  """How the model that training began with was made, if there is one."""
  model = initial.load(config)
  if not model:
    return {}
  made = model.provenance
  return {'init': {k: made[k] for k in ('config', 'init') if k in made}}


def _network(
  config: Config, arch: Architecture, params: restorer.Params
) -> Network:
  return Network(arch, params, dtype=config.model.compute)

"""Measures one variation on the evaluation sets."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from adafm_jax import files
from adafm_jax.calibrate import measure
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.data import known
from adafm_jax.degrade import level as levels
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.paper import learn, systems
from adafm_jax.paper.folder import Folder
from adafm_jax.paper.variation import Variation
from adafm_jax.report import experiment
from adafm_jax.train import logs

PICTURES = 'sweep_*.png'  # as `picture` names them
_BEST = 100.0  # dB, the score of an image without any error


def sets_of(base: Config, v: Variation) -> list[str]:
  """The evaluation sets of a task; the held-out images if there are none.

  A set that papers use for other tasks only is left out.
  """
  chosen = []
  for name in configs.evaluation_sets(base):
    judged = known.SETS[name].judged if name in known.SETS else {}
    if not judged or v.task in judged:
      chosen.append(name)
  return chosen or ['heldout']


def wanted(base: Config, v: Variation) -> list[tuple[str, str, float]]:
  """What is to be measured: (set, noise, level)."""
  noises = ['']
  if v.task == 'denoise':
    noises = (base.evaluate.protocols or base.measured_noise).split(',')
  own = [v.start] if v.end is None else [v.start, v.end]
  at = list(dict.fromkeys([*own, *v.levels]))
  return [
    (name, noise, level)
    for level in at
    for noise in noises
    for name in sets_of(base, v)
  ]


def missing(
  base: Config, v: Variation, folder: Folder
) -> list[tuple[str, str, float]]:
  """What is still to be measured."""
  rows = folder.read('measured.json', [])
  known_ = {(row['set'], row['noise'], row['level']) for row in rows}
  return [key for key in wanted(base, v) if key not in known_]


def complete(base: Config, v: Variation, folder: Folder) -> bool:
  """Whether all is measured and drawn."""
  drawn = not v.picture or picture(folder, v.picture).exists()
  return drawn and not missing(base, v, folder)


def picture(folder: Folder, level: float) -> pathlib.Path:
  """The file with the sweep of strengths at a level."""
  return folder.path / f'sweep_{level:g}.png'


def measure_all(base: Config, v: Variation, folder: Folder) -> None:
  """Measures what is missing, and writes it down level by level."""
  config = systems.configure(base, v)
  arch = systems.SYSTEMS[v.system].network(config)
  params = jax.device_put(folder.params())
  network = Network(arch, params, dtype=config.model.compute)
  todo = missing(base, v, folder)
  for level in dict.fromkeys(level for *_, level in todo):
    chosen, search = _strength(config, v, network, level)
    pairs = [(name, noise) for name, noise, x in todo if x == level]
    rows = [
      row | {'level': level, 'strength': chosen, 'search': search}
      for row in _rows(config, v, network, level, chosen, pairs)
    ]
    kept = folder.read('measured.json', [])
    files.write_json(folder.path / 'measured.json', kept + rows)
  if v.picture and not picture(folder, v.picture).exists():
    _draw(config, v, network, folder)


def _draw(
  config: Config, v: Variation, network: Network, folder: Folder
) -> None:
  """Draws the first image of a set, restored at many strengths."""
  name = sets_of(config, v)[0]
  image = learn.load(config, v).sets[name][0]
  protocol = Protocol.of(v.task, judged=known.judged(name, v.task))
  strengths = levels.parse_values(config.sweep.strengths)
  cases = make_cases([image], v.picture, protocol)
  outputs = [scores.restore(network, cases[0], np.array(strengths))]
  experiment.write_sweep(
    picture(folder, v.picture),
    cases,
    outputs,
    strengths,
    title=f'{v.title}, at {levels.TASKS[v.task].label(v.picture)}',
    protocol=protocol,
    level=v.picture,
  )


def _strength(
  config: Config, v: Variation, network: Network, level: float
) -> tuple[float, dict[str, Any] | None]:
  """The strength for a level, and the search that found it, if any."""
  fixed = systems.strength(v, level)
  if fixed is not None:
    return fixed, None
  images = learn.load(config, v).learnt.heldout[: config.calibrate.images]
  found = measure.measure(
    network,
    images,
    level,
    levels.parse_values(config.calibrate.grid),
    Protocol.of(config.task, config.measured_noise),
  )
  return found.best, found.to_json()


def _rows(
  config: Config,
  v: Variation,
  network: Network,
  level: float,
  strength: float,
  pairs: list[tuple[str, str]],
) -> Iterator[dict[str, Any]]:
  data = learn.load(config, v)
  for name, noise in pairs:
    protocol = Protocol.of(
      v.task,
      noise or 'clipped',
      known.judged(name, v.task),
      luma=v.channels == 1,
    )
    each = []
    for image in data.sets[name]:
      cases = make_cases([image], level, protocol)
      strengths = np.array([strength])
      grid = scores.psnr_grid(network, cases, strengths, protocol, level)
      each.append(min(float(grid[0, 0]), _BEST))
    psnr = float(np.mean(each))
    logs.say(
      f'{v.title}: {name} at {levels.TASKS[v.task].label(level)}, strength'
      f' {strength:.3f}: {psnr:.2f} dB ({protocol.label})'
    )
    yield {
      'set': name,
      'noise': noise,
      'protocol': protocol.label,
      'psnr': psnr,
      'images': dict(zip((x.name for x in data.sets[name]), each, strict=True)),
    }

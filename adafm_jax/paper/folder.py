"""The workdir of lists: a folder for each variation, and what it holds.

  WORKDIR/config.json                 preset and config of all lists
  WORKDIR/data/                       which images were trained on
  WORKDIR/runs/NAME/weights.safetensors   once trained
  WORKDIR/runs/NAME/run.json          the variation, and how it was trained
  WORKDIR/runs/NAME/learning.json     PSNR of held-out images during training
  WORKDIR/runs/NAME/measured.json     its results
  WORKDIR/runs/NAME/failed.txt        if it failed: why

NAME ends in a hash of all that determines the weights.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
from typing import Any

import safetensors.numpy

from adafm_jax import files
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config, DataConfig
from adafm_jax.config.stages import StageConfig
from adafm_jax.errors import UserError
from adafm_jax.models import parameters, restorer
from adafm_jax.paper import systems
from adafm_jax.paper.variation import Variation
from adafm_jax.train import stages

# Beside what is learnt: what finished runs were trained and measured with. A
# workdir with two of them would have two numbers for one cell.
_FIXED = (
  *('train.steps', 'adapt.steps', 'path.steps'),
  *('calibrate.levels', 'calibrate.grid', 'calibrate.images'),
  *('calibrate.kind', 'calibrate.order', 'evaluate.images'),
  *('data.train', 'data.heldout', 'data.data_dir'),
)

# Fields of stages and of data that came later, left out of names where they
# are as they always were, so that what is done is found again.
_LATER = {'loss': 'l1', 'vivid': 0.0}

FAILED = 'failed.txt'


def identity(base: Config, v: Variation) -> dict[str, Any]:
  """Everything that determines the weights of a variation."""
  config, system = systems.configure(base, v), systems.SYSTEMS[v.system]
  field = stages.FIELDS.get(system.stage, '')
  stage = _as_named(getattr(config, field)) if field else None
  model = dataclasses.asdict(config.model)
  return {
    'variation': v.identity,
    'features': model['features'],
    'blocks': model['blocks'],
    'init_scale': model['init_scale'],
    'compute': model['compute'],
    'noise': config.noise if v.task == 'denoise' else None,
    'data': _as_named(config.data),
    'stage': stage,
    'needs': [identity(base, needed) for needed in system.needs(v)],
  }


def _as_named(part: DataConfig | StageConfig) -> dict[str, Any]:
  fields = dataclasses.asdict(part)
  return {k: x for k, x in fields.items() if (k, x) not in _LATER.items()}


def name(base: Config, v: Variation) -> str:
  """The name of a variation's folder."""
  text = json.dumps(identity(base, v), sort_keys=True)
  parts = [v.task, v.system, f'{v.start:g}']
  if v.end is not None:
    parts.append(f'{v.end:g}')
  if v.system in ('adafm', 'scratch'):
    parts.append(f'k{v.kernel}')
  digest = hashlib.sha256(text.encode()).hexdigest()[:8]
  return '-'.join([*parts, f'seed{v.seed}', digest])


def open_workdir(workdir: pathlib.Path, preset: str, base: Config) -> None:
  """Notes the config of a workdir's lists, or compares it with theirs.

  Evaluation sets that it does not have yet are added.

  Raises:
    UserError: other lists in the workdir have another preset or config.
  """
  path = workdir / 'config.json'
  if not path.exists():
    values = {'preset': preset, **dataclasses.asdict(base)}
    files.write_json(path, values)
    return
  kept = files.read_json(path)
  if 'preset' not in kept:
    raise UserError(
      f'{workdir} holds a single run, not the lists of the paper; give another'
      ' --workdir.'
    )
  before = kept.pop('preset')
  changed = configs.differences(configs.parse(kept), base, also=_FIXED)
  if before != preset:
    changed.insert(0, f'preset: {before!r} -> {preset!r}')
  known = configs.evaluation_sets(configs.parse(kept))
  sets = dict(known)
  for name, source in configs.evaluation_sets(base).items():
    if sets.setdefault(name, source) != source:
      changed.append(f'evaluate.sets={name}: {sets[name]!r} -> {source!r}')
  if changed:
    raise UserError(
      f'{workdir} holds experiments with another config; give another'
      f' --workdir, or undo these changes (there -> now): {"; ".join(changed)}.'
    )
  if sets == known:
    return
  kept['evaluate']['sets'] = ','.join(
    f'{name}={source}' if source else name for name, source in sets.items()
  )
  files.write_json(path, {'preset': preset} | kept)


def why_failed(path: pathlib.Path) -> str | None:
  """Why the run of a folder failed, in a line; None if it did not."""
  note = path / FAILED
  if not note.exists():
    return None
  return note.read_text('utf-8').strip().splitlines()[-1]


class Folder:
  """The folder of one variation."""

  def __init__(self, workdir: pathlib.Path, base: Config, v: Variation):
    self.path = workdir / 'runs' / name(base, v)

  @property
  def trained(self) -> bool:
    """Whether its weights are final."""
    return (self.path / 'run.json').exists()

  def write(self, params: restorer.Params, about: dict[str, Any]) -> None:
    """Keeps final weights, and then how they came about."""
    with files.atomic_path(self.path / 'weights.safetensors') as temporary:
      safetensors.numpy.save_file(parameters.flatten(params), temporary)
    files.write_json(self.path / 'run.json', about)

  def failed_since(self, moment: float) -> str | None:
    """Why its run failed, if it did after a moment (seconds of the epoch)."""
    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
      if (self.path / FAILED).stat().st_mtime > moment:
        return why_failed(self.path)
    return None

  def params(self) -> restorer.Params:
    """The final weights."""
    path = self.path / 'weights.safetensors'
    return parameters.unflatten(safetensors.numpy.load_file(path))

  def read(self, file: str, default: Any) -> Any:
    """A JSON file of the folder."""
    path = self.path / file
    return files.read_json(path) if path.exists() else default

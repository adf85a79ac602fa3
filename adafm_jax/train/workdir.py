"""What makes a workdir one run's own: a lock, and its config."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator

from adafm_jax import files
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError
from adafm_jax.train import stages

# Fields of `calibrate` in workdirs that earlier versions began.
_RETIRED = ('layer_coefficients', 'layer_steps')


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
  """Keeps other processes from training in the same workdir.

  Raises:
    UserError: another process holds it, or the folder can't be written to.
  """
  busy = (
    f'Another process trains in {workdir}; wait until it ends, or give another'
    ' --workdir.'
  )
  with files.locked(workdir / '.lock', busy):
    yield


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

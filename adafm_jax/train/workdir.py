"""Reserves a workdir for one run: a lock, and its config."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import pathlib
import re
import shutil
import time
from collections.abc import Iterator

from adafm_jax import files
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError
from adafm_jax.train import stages

# Fields of `calibrate` that earlier versions wrote, and that are ignored.
_RETIRED = ('layer_coefficients', 'layer_steps')
# What a system says when a disk, or what a user may take of it, is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# How the errors of orbax's storage, which are no OSErrors, carry the same.
_CODE = re.compile(r"os_error_code='(\d+)'")
_UNFINISHED = '*.orbax-checkpoint-tmp'
_REMOVALS = 20  # tries, a tenth of a second apart


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
  """Keeps other processes from training in the same workdir.

  Raises:
    UserError: another process trains there, or the folder is not writable.
  """
  busy = (
    f'Another process trains in {workdir}; wait until it ends, or give another'
    ' --workdir.'
  )
  with files.locked(workdir / '.lock', busy):
    yield


@contextlib.contextmanager
def explaining_full_disk(workdir: pathlib.Path) -> Iterator[None]:
  """Turns what a full disk raises into a sentence.

  What was being written is removed; the checkpoints before it stay.

  Raises:
    UserError: the disk is full.
  """
  # orbax logs with a traceback what it raises too, once a thread.
  logger = logging.getLogger('absl')
  logger.addFilter(_is_news)
  try:
    yield
  except Exception as error:
    if not is_full(error):
      raise
    for left in workdir.glob(f'checkpoints/*/{_UNFINISHED}'):
      _remove(left)
    raise UserError(
      f'The disk of {workdir} is full. Make room and give the same command'
      f' again{_newest(workdir)}.'
    ) from error
  finally:
    logger.removeFilter(_is_news)


def _remove(folder: pathlib.Path) -> None:
  """Removes a folder into which orbax's threads may still be writing."""
  for _ in range(_REMOVALS):
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
      return
    time.sleep(0.1)


def _is_news(record: logging.LogRecord) -> bool:
  return not (record.exc_info and is_full(record.exc_info[1]))


def is_full(error: BaseException | None) -> bool:
  """Whether an error, or what led to it, says that a disk is full."""
  while error is not None:
    codes = [int(code) for code in _CODE.findall(str(error))]
    if getattr(error, 'errno', None) in _FULL or set(codes) & set(_FULL):
      return True
    error = error.__cause__ or error.__context__
  return False


def _newest(workdir: pathlib.Path) -> str:
  """The end of a sentence: from where a run goes on."""
  for name in reversed(stages.FIELDS):
    folder = workdir / 'checkpoints' / name
    steps = [int(x.name) for x in folder.glob('*') if x.name.isdigit()]
    if steps:
      return (
        f': it goes on from the checkpoint of step {max(steps)} of stage {name}'
      )
  return ''


def open_workdir(config: Config | None, workdir: pathlib.Path) -> Config:
  """Compares a config with the one that a workdir holds, if any.

  Args:
    config: None takes that of the workdir.
    workdir: of the experiment.

  Returns:
    The config to run.

  Raises:
    UserError: there is no config, or the workdir has a different one; the
      message lists all differences.
  """
  path = workdir / 'config.json'
  if not os.path.exists(path):
    if config is None:
      raise UserError(
        f'{workdir} holds no run to resume (no config.json); start one with'
        ' --config.'
      )
    return config
  try:
    values = json.loads(path.read_text())
    lists = isinstance(values, dict) and 'preset' in values
    if isinstance(values, dict) and isinstance(values.get('calibrate'), dict):
      for name in _RETIRED:
        values['calibrate'].pop(name, None)
    old = None if lists else configs.parse(values)
  except (OSError, ValueError) as error:
    raise UserError(f'Cannot use {path}: {error}') from error
  if old is None:
    raise UserError(
      f'{workdir} holds lists of experiments; give their --config again to go'
      ' on, or another --workdir.'
    )
  if config is None:
    return old
  if not stages.begun(workdir):
    return config  # nothing is learnt yet
  if changed := configs.differences(old, config):
    raise UserError(
      f'{workdir} holds a run with another config; give another --workdir, or'
      f' undo these changes (there -> now): {"; ".join(changed)}.'
    )
  _check_steps(workdir, old, config)
  return config


def _check_steps(workdir: pathlib.Path, old: Config, new: Config) -> None:
  """Refuses to change `steps` once the learning rate of the stage falls.

  Or once a later stage has learnt from its result.
  """
  later = ''
  for name, field in reversed(stages.FIELDS.items()):
    before, after = getattr(old, field), getattr(new, field)
    done = stages.latest_step(workdir, name) or 0
    flat = min(before.constant_steps, after.constant_steps)
    runs = field in {*old.used_stages, *new.used_stages}
    if runs and later and before.steps != after.steps:
      raise UserError(
        f'{field}.steps is {after.steps} and was {before.steps}, but {workdir}'
        f' holds a later stage, {later}, that began from its result; give'
        ' another --workdir.'
      )
    later = name if done else later
    if before.steps != after.steps and done > flat:
      raise UserError(
        f'{field}.steps is {after.steps} and was {before.steps}, but the'
        f' checkpoint in {workdir} has {done} steps, and only the first {flat}'
        ' have the same learning rate in both; give another --workdir.'
      )

"""Checkpoints of one stage: orbax, asynchronous, atomic."""

from __future__ import annotations

import itertools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from adafm_jax.errors import UserError
from adafm_jax.train import logs
from adafm_jax.train import mesh as meshes
from adafm_jax.train.step import TrainState


class Checkpoints:
  """The newest `keep` checkpoints of one stage, in a folder.

  A checkpoint is written under another name and renamed when complete, so a run
  killed at any moment leaves the last one intact. Use it as a context manager:
  leaving waits for a pending write.
  """

  def __init__(self, folder: pathlib.Path, keep: int):
    options = ocp.CheckpointManagerOptions(
      max_to_keep=keep, enable_async_checkpointing=True, create=True
    )
    self._folder = folder
    self._manager = ocp.CheckpointManager(
      folder.absolute(),
      options=options,
      item_handlers=ocp.StandardCheckpointHandler(),
    )

  def __enter__(self) -> Checkpoints:
    return self

  def __exit__(self, *_: object) -> None:
    self._manager.close()

  @property
  def latest(self) -> int | None:
    """Step of the newest complete checkpoint; None if there is none."""
    return self._manager.latest_step()

  def save(self, step: int, state: TrainState) -> None:
    """Saves in the background; `state` may be donated right after."""
    copy = jax.tree.map(jnp.copy, state)
    self._manager.save(step, args=ocp.args.StandardSave(copy._asdict()))

  def restore(self, like: TrainState) -> TrainState:
    """Loads the newest readable checkpoint and sets newer ones aside.

    Args:
      like: a state with the wanted shapes, dtypes and shardings.

    Raises:
      UserError: no checkpoint can be read, or they belong to another network or
        optimizer.
    """
    steps = sorted(self._manager.all_steps(), reverse=True)
    damage = ''
    for step in steps:
      try:
        state = self._read(step, like)
      except UserError:
        raise
      except Exception as error:  # orbax raises what the storage raises
        damage = damage or _first_line(error)
        continue
      for newer in (s for s in steps if s > step):
        self._set_aside(newer, damage, step)
      return state
    raise UserError(
      f'No checkpoint in {self._folder} can be read ({damage}); give another'
      ' --workdir, or remove the folder to train this stage again.'
    )

  def _set_aside(self, step: int, damage: str, last: int) -> None:
    """Renames a checkpoint: it may be whole, and the storage out of order."""
    aside = next(
      path
      for i in itertools.count(1)
      if not (path := self._folder / f'unreadable-{step}-{i}').exists()
    )
    logs.say(
      f'the checkpoint of step {step} in {self._folder} is damaged ({damage});'
      f' it is kept as {aside.name}; going on from step {last}'
    )
    if meshes.is_main():
      (self._folder / str(step)).rename(aside)
    meshes.gather(None)  # until it is renamed
    self._manager.reload()

  def _read(self, step: int, like: TrainState) -> TrainState:
    # Checked first: orbax reports a wrong shape late, and with much noise.
    kept = self._manager.item_metadata(step).tree['params']
    if _shapes(kept) != _shapes(like.params):
      raise self._misfit(step, 'its weights have other names or shapes')
    wanted: dict[str, Any] = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
      like._asdict(),
    )
    args = ocp.args.StandardRestore(wanted)
    try:
      return TrainState(**self._manager.restore(step, args=args))
    except (ValueError, KeyError) as error:
      if 'tructure' not in str(error) and not isinstance(error, KeyError):
        raise
      raise self._misfit(step, _first_line(error)) from error

  def _misfit(self, step: int, why: str) -> UserError:
    return UserError(
      f'The checkpoint of step {step} in {self._folder} does not fit this run'
      f' ({why}); give another --workdir.'
    )


def _first_line(error: Exception) -> str:
  return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _shapes(tree: Any) -> Any:
  return jax.tree.map(lambda x: tuple(x.shape), tree)

"""Checkpoints of one stage: orbax, asynchronous, atomic."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from adafm_jax.errors import UserError
from adafm_jax.train.step import TrainState


class Store:
  """The checkpoints of one stage in a folder, newest `keep` of them.

  A checkpoint is written beside its final name and renamed when whole, so
  that a run killed at any moment leaves the last one intact. Use as a context
  manager: leaving it waits for the write under way.
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

  def __enter__(self) -> Store:
    return self

  def __exit__(self, *_: object) -> None:
    self._manager.close()

  @property
  def latest(self) -> int | None:
    """Step of the newest whole checkpoint."""
    return self._manager.latest_step()

  def save(self, step: int, state: TrainState) -> None:
    """Saves in the background; `state` may be donated right after."""
    copy = jax.tree.map(jnp.copy, state)
    self._manager.save(step, args=ocp.args.StandardSave(copy._asdict()))

  def restore(self, like: TrainState) -> TrainState:
    """Loads the newest checkpoint.

    Args:
      like: a state of the shapes, dtypes and shardings wanted.

    Returns:
      The state.

    Raises:
      UserError: the checkpoint is of another network or optimizer.
    """
    # Looked at first: orbax notices a wrong shape late, and noisily.
    kept = self._manager.item_metadata(self.latest).tree['params']
    if _shapes(kept) != _shapes(like.params):
      raise self._misfit('its weights have other names or shapes')
    wanted: dict[str, Any] = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
      like._asdict(),
    )
    try:
      args = ocp.args.StandardRestore(wanted)
      return TrainState(**self._manager.restore(self.latest, args=args))
    except (ValueError, KeyError, FileNotFoundError) as error:
      raise self._misfit(str(error).splitlines()[0]) from error

  def _misfit(self, why: str) -> UserError:
    return UserError(
      f'The checkpoint of step {self.latest} in {self._folder} does not fit'
      f' this run ({why}); give another --workdir.'
    )


def _shapes(tree: Any) -> Any:
  return jax.tree.map(lambda x: tuple(x.shape), tree)

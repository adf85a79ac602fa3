"""Devices: a one-axis mesh, and several processes that form one program."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from adafm_jax.errors import UserError


def make_mesh() -> Mesh:
  """All devices of all processes on one axis, `data`."""
  return Mesh(np.array(jax.devices()), ('data',))


def check_batch(name: str, batch: int, mesh: Mesh) -> None:
  """Raises UserError where a batch can't be shared out evenly."""
  if batch % mesh.size:
    raise UserError(
      f'{name}.batch is {batch}, which {mesh.size} devices cannot share'
      f' evenly; make it a multiple of {mesh.size}.'
    )


def replicate(tree: Any, mesh: Mesh) -> Any:
  """Puts the same host arrays on every device of every process."""
  sharding = NamedSharding(mesh, PartitionSpec())
  return jax.tree.map(
    lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)),
    tree,
  )


def is_main() -> bool:
  """Whether this process writes the files and the console."""
  return jax.process_index() == 0

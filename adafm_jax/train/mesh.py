"""Devices: a one-axis mesh, and several processes that form one program."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from adafm_jax.errors import EXIT_USER_ERROR, UserError


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


@contextlib.contextmanager
def leaving_on_failure() -> Iterator[None]:
  """Lets one of several processes that fails end at once.

  JAX makes a process wait at its exit until all others are there too; they
  wait for this one elsewhere, so nobody would learn of the failure for
  minutes. The launcher then stops the others.
  """
  try:
    yield
  except BaseException as error:
    if jax.process_count() > 1:
      code = EXIT_USER_ERROR if isinstance(error, UserError) else 1
      # Runs before what JAX registered, and after the error has been told.
      atexit.register(_leave, code)
    raise


def _leave(code: int) -> None:
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)

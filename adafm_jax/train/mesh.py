"""Devices: a one-axis mesh, and several processes that form one program."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from adafm_jax.errors import EXIT_USER_ERROR, UserError

T = TypeVar('T')
# Seconds after which a process that does not answer ends the run.
SILENCE = 60


def make_mesh() -> Mesh:
  """All devices of all processes on one axis, `data`."""
  return Mesh(np.array(jax.devices()), ('data',))


def use_all_cores(batches: Sequence[int]) -> None:
  """Makes one CPU device per core, or as many as divide the batches evenly.

  XLA runs a convolution over a batch of small images on one thread per device.
  Call this before JAX starts. It keeps a number of devices that is already set.

  Args:
    batches: sizes of the batches of all stages.
  """
  chosen = jax.config.values['jax_num_cpu_devices']
  if chosen > 0 or jax.distributed.is_initialized():
    return
  cores = os.cpu_count() or 1
  if hasattr(os, 'sched_getaffinity'):  # fewer under taskset and the like
    cores = len(os.sched_getaffinity(0))
  common = math.gcd(*batches)
  count = max(n for n in range(1, cores + 1) if common % n == 0)
  with contextlib.suppress(RuntimeError):  # JAX has started in this process
    jax.config.update('jax_num_cpu_devices', count)


def check_batch(name: str, batch: int, mesh: Mesh) -> None:
  """Raises UserError if the devices can't share a batch evenly."""
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


def mine(items: Sequence[T]) -> Sequence[T]:
  """What falls to this process: every N-th of N processes' items."""
  return items[jax.process_index() :: jax.process_count()]


def together(values: Sequence[Any]) -> list[Any]:
  """What all processes made of their items (`mine`), in the items' order.

  Args:
    values: one for each of this process' items; JSON values, kept exactly.
  """
  parts = gather(list(values))
  joined: list[Any] = [None] * sum(map(len, parts))
  for index, part in enumerate(parts):
    joined[index :: len(parts)] = part
  return joined


def gather(value: Any) -> list[Any]:
  """The values of all processes, by process; JSON values, kept exactly."""
  data = np.frombuffer(json.dumps(value).encode(), np.uint8)
  if jax.process_count() == 1:
    return [json.loads(data.tobytes())]
  lengths = multihost_utils.process_allgather(np.int32(len(data)))
  padded = np.zeros(lengths.max(), np.uint8)
  padded[: len(data)] = data
  rows = multihost_utils.process_allgather(padded)
  return [
    json.loads(row[:length].tobytes())
    for row, length in zip(rows, lengths, strict=True)
  ]


def is_main() -> bool:
  """Whether this process writes the files and the console."""
  return jax.process_index() == 0


@contextlib.contextmanager
def leaving_on_failure() -> Iterator[None]:
  """Makes a failing process exit at once if there are several.

  JAX lets a process exit only when the others do, but they wait for this one,
  so the failure would go unnoticed for minutes. The launcher then stops the
  others.
  """
  try:
    yield
  except BaseException as error:
    if jax.process_count() > 1:
      code = EXIT_USER_ERROR if isinstance(error, UserError) else 1
      # Runs after the error is printed, and before JAX's own exit handlers.
      atexit.register(_leave, code)
    raise


def _leave(code: int) -> None:
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


def join_processes(
  coordinator: str | None, processes: int | None, process: int | None
) -> None:
  """Makes this process one of several that train together.

  Args:
    coordinator: HOST:PORT of process 0; None trains alone.
    processes: number of processes.
    process: number of this one, from 0.

  Raises:
    UserError: only some of the three are given, or one is not valid.
  """
  if coordinator is None and processes is None and process is None:
    return
  if coordinator is None or processes is None or process is None:
    raise UserError(
      'Give all of --coordinator, --processes and --process, or none.'
    )
  if not 0 <= process < processes:
    raise UserError(
      f'--process is {process}, but --processes is {processes}; processes are'
      ' counted from 0.'
    )
  port = coordinator.rpartition(':')[2]
  if not port.isdecimal() or not 0 < int(port) < 2**16:
    raise UserError(
      f'--coordinator is {coordinator!r}; it must be HOST:PORT, for example'
      ' 10.0.0.1:1234.'
    )
  os.environ.setdefault('GLOG_minloglevel', '2')
  # Without cluster detection: under SLURM and the like, JAX would hide all but
  # one device of each process.
  jax.distributed.initialize(
    coordinator,
    processes,
    process,
    cluster_detection_method='deactivate',
    heartbeat_timeout_seconds=SILENCE,
  )

"""What makes a workdir one run's own: a lock, and the images it learns from."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import pathlib
from collections.abc import Iterator, Sequence

from adafm_jax.data.image import Seen
from adafm_jax.errors import UserError


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
  """Keeps other processes from training in the same workdir.

  The lock goes with the process, however it ends.

  Raises:
    UserError: another process holds it, or the folder can't be written to.
  """
  path = workdir / '.lock'
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    lock = path.open('w')
  except OSError as error:
    raise UserError(f'Cannot write to {workdir}: {error.strerror}.') from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise UserError(
        f'Another process trains in {workdir}; wait until it ends, or give'
        ' another --workdir.'
      ) from error
    yield


def identity(seen: Sequence[Seen]) -> str:
  """Changes when the names or pixels of training images do: 16 hex digits."""
  text = json.dumps(sorted(seen))
  return hashlib.sha256(text.encode()).hexdigest()[:16]

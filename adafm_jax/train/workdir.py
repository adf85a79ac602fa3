"""What makes a workdir one run's own: a lock, and the images it learns from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Iterator, Sequence

from adafm_jax import files
from adafm_jax.data.image import Seen


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


def identity(seen: Sequence[Seen]) -> str:
  """Changes when the names or pixels of training images do: 16 hex digits."""
  text = json.dumps(sorted(seen))
  return hashlib.sha256(text.encode()).hexdigest()[:16]

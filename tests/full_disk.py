"""A disk that is full, as the writers of this process see it."""

import contextlib
import resource


@contextlib.contextmanager
def full_disk(size=6000):
  """No file may grow beyond `size` bytes, which fails as on a full disk."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)

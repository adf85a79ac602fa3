"""Keeps the memory that was freed: training on a CPU is 1.2 times as fast.

XLA allocates the features of every call anew. glibc takes blocks of such a size
from the system and gives them back, and the system clears their pages each
time: a sixth of a training step, and a tenth of a small image.
"""

from __future__ import annotations

import ctypes
import sys

# Of <malloc.h>, and what they are set to.
_TRIM_THRESHOLD = (-1, -1)  # free memory stays in the heap
_MMAP_MAX = (-4, 0)  # large blocks come from it too
_ARENA_MAX = (-8, 1)  # for all threads; further heaps can't hold large blocks


def keep() -> None:
  """From now on this process keeps freed memory, and uses it again.

  Commands that compute and end call this; a library leaves it to its caller.
  It holds for all that the C library allocates, in the whole process. Where the
  C library is not glibc, nothing changes.
  """
  if sys.platform != 'linux':
    return
  library = ctypes.CDLL(None)
  if hasattr(library, 'gnu_get_libc_version'):
    for name, value in (_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX):
      library.mallopt(name, value)

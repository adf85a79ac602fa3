"""Knows the files again that an earlier call wrote and nobody changed since.

The mark is an extended attribute, the SHA-256 of what was written: no picture
is changed by it, and an edited file is no longer ours. It is set before a file
gets its name, so that a process may be killed at any moment. Where the system
or its disk keeps no such attributes, no file is known again, and none is
replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib

from adafm_jax import files

_ATTRIBUTE = 'user.adafm.sha256'


def mark(path: pathlib.Path) -> None:
  """Marks a file that was just written; best under its temporary name."""
  if hasattr(os, 'setxattr'):  # Linux has it
    with contextlib.suppress(OSError):
      os.setxattr(path, _ATTRIBUTE, files.sha256(path).encode())


def is_own(path: pathlib.Path) -> bool:
  """Whether a file is as `mark` saw it; links to such files are not."""
  try:
    marked = os.getxattr(path, _ATTRIBUTE, follow_symlinks=False)
    return marked == files.sha256(path).encode()
  except (AttributeError, OSError):
    return False


def can_tell(path: pathlib.Path) -> bool:
  """Whether a file could carry a mark, so that one without it is not ours."""
  try:
    os.getxattr(path, _ATTRIBUTE, follow_symlinks=False)
  except AttributeError:
    return False
  except OSError as error:
    return error.errno == errno.ENODATA
  return True

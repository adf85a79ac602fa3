"""How much memory is free, and sizes as people write them."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterator

import jax

from adafm_jax.errors import UserError

_UNITS = {'': 1, 'k': 10**3, 'm': 10**6, 'g': 10**9, 't': 10**12}
_BINARY = {'ki': 2**10, 'mi': 2**20, 'gi': 2**30, 'ti': 2**40}


def parse(text: str) -> int:
  """Bytes from '2GiB', '500 MB' or '1e9'.

  Raises:
    UserError: the text is not a size above zero.
  """
  match = re.fullmatch(
    r'([\d.]+(?:e\+?\d+)?)\s*([kmgt]i?)?b?', text.strip().lower()
  )
  try:
    size = float(match[1]) * (_UNITS | _BINARY)[match[2] or ''] if match else 0
  except ValueError:
    size = 0
  if not 1 <= size < float('inf'):
    raise UserError(f'{text!r} is not a size; write, for example, 2GiB.')
  return int(size)


def show(size: int) -> str:
  """A size for people: '1.5 GiB'."""
  value, unit = float(size), 'bytes'
  for larger in ('KiB', 'MiB', 'GiB', 'TiB'):
    if value < 1024:
      break
    value, unit = value / 1024, larger
  return f'{value:.3g} {unit}'


def available() -> int:
  """Bytes that may be used: half of the device's or machine's free memory."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if 'bytes_limit' in stats:
    return (stats['bytes_limit'] - stats.get('bytes_in_use', 0)) // 2
  return min(_machine()) // 2


def _machine(root: str = '/') -> Iterator[int]:
  """Upper bounds on the free memory: the system's and a container's.

  Args:
    root: folder that holds `proc` and `sys`.
  """
  # macOS has neither this nor a count of free pages.
  meminfo = pathlib.Path(root, 'proc/meminfo')
  if meminfo.exists():
    # Not MemFree, which leaves out the file cache.
    found = re.search(r'MemAvailable:\s*(\d+) kB', meminfo.read_text())
    if found:
      yield int(found[1]) * 1024
  yield os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  limit = pathlib.Path(root, 'sys/fs/cgroup/memory.max')
  if limit.exists() and (text := limit.read_text().strip()).isdecimal():
    yield int(text)  # else 'max': no limit

"""How much memory is free, and sizes as people write them."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterator

import jax

from adafm_jax.errors import UserError

_UNITS = {'': 1, 'k': 10**3, 'm': 10**6, 'g': 10**9, 't': 10**12}
# Limit, what is used, and a prefix in memory.stat: control groups 2 and 1.
_CONTAINERS = (
  ('memory.max', 'memory.current', ''),
  ('memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes', 'total_'),
)
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
  text = f'{value:.3g}' if value < 999.5 else f'{value:.0f}'
  return f'{text} {unit}'


def is_full(error: jax.errors.JaxRuntimeError) -> bool:
  """Whether JAX failed since the device's memory was too small."""
  # As an INTERNAL error, it says so in words alone.
  return any(x in str(error) for x in ('RESOURCE_EXHAUSTED', 'Out of memory'))


def available() -> int:
  """Bytes that may be used: half of the device's or machine's free memory."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if 'bytes_limit' in stats:
    return (stats['bytes_limit'] - stats.get('bytes_in_use', 0)) // 2
  return of_machine() // 2


def of_machine() -> int:
  """Bytes that are free in the machine's memory, device or not."""
  return min(_machine())


def _machine(root: str = '/') -> Iterator[int]:
  """Upper bounds on the free memory: the system's and a container's.

  Args:
    root: folder that holds `proc` and `sys`.
  """
  # macOS has neither this nor a count of free pages.
  meminfo = pathlib.Path(root, 'proc/meminfo')
  # Not MemFree, which leaves out the file cache.
  available_kb = _number(meminfo, r'MemAvailable:\s*(\d+) kB')
  if available_kb is not None:
    yield available_kb * 1024
  yield os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  for limit, used, prefix in _CONTAINERS:
    folder = pathlib.Path(root, 'sys/fs/cgroup')
    most = _number(folder / limit, r'(\d+)$')  # None: no container, or 'max'
    if most is None:
      continue
    taken = _number(folder / used, r'(\d+)$') or 0
    stat = (folder / used).with_name('memory.stat')
    for cache in ('active_file', 'inactive_file'):  # it counts as free, too
      taken -= _number(stat, rf'(?m)^{prefix}{cache} (\d+)$') or 0
    yield max(0, most - taken)


def _number(file: pathlib.Path, pattern: str) -> int | None:
  """The number that a pattern finds in a file of the system."""
  try:
    found = re.search(pattern, file.read_text().strip())
  except OSError:
    return None
  return int(found[1]) if found else None

"""How much memory there is, and sizes as people write them."""

from __future__ import annotations

import os
import re

import jax

from adafm_jax.errors import UserError

_UNITS = {'': 1, 'k': 10**3, 'm': 10**6, 'g': 10**9, 't': 10**12}
_BINARY = {'ki': 2**10, 'mi': 2**20, 'gi': 2**30, 'ti': 2**40}


def parse(text: str) -> int:
  """Bytes from '2GiB', '500 MB' or '1e9'.

  Raises:
    UserError: it is no size above zero.
  """
  wrong = UserError(f'{text!r} is no size; write such as 2GiB or 500MB.')
  match = re.fullmatch(r'([\d.e+]+)\s*([kmgt]i?)?b?', text.strip().lower())
  if match is None:
    raise wrong
  try:
    size = float(match[1]) * (_UNITS | _BINARY)[match[2] or '']
  except ValueError:
    raise wrong from None
  if not 1 <= size < float('inf'):
    raise wrong
  return int(size)


def available() -> int:
  """Bytes that work may take: half of what is free, on device or machine."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if 'bytes_limit' in stats:
    return (stats['bytes_limit'] - stats.get('bytes_in_use', 0)) // 2
  return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 2

"""Keeps compiled functions on disk, so that the next start need not compile.

On by default, in the user's cache folder. The environment variable
ADAFM_COMPILE_CACHE names another folder; `off` turns the cache off.
"""

from __future__ import annotations

import os
import pathlib

import jax

VARIABLE = 'ADAFM_COMPILE_CACHE'
_MIN_SECONDS = 0.1  # faster compilations are not worth a file


def folder() -> pathlib.Path | None:
  """The folder of compiled functions; None if the cache is off.

  None as well if the user has no home folder, as in some containers.
  """
  given = os.environ.get(VARIABLE, '')
  if given.lower() in ('off', '0'):
    return None
  base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  path = pathlib.Path(given or pathlib.Path(base, 'adafm_jax', 'compiled'))
  try:
    return path.expanduser()
  except RuntimeError:
    return None


def enable() -> None:
  """Turns the cache on. Commands call this; a library leaves it to its caller.

  It does nothing if JAX already has a cache, or if the folder can't be written
  to.
  """
  path = folder()
  if path is None or jax.config.values['jax_compilation_cache_dir']:
    return
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError:
    return
  if not os.access(path, os.W_OK):
    return
  jax.config.update('jax_compilation_cache_dir', str(path))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', _MIN_SECONDS)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)

"""Where a model came from: what is needed to reproduce it."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import subprocess
from typing import Any

import jax

from adafm_jax.version import __version__

_PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


def collect() -> dict[str, Any]:
  """Versions, device and git revision of this run, as JSON values."""
  device = jax.devices()[0]
  return {
    'adafm_jax': __version__,
    'python': platform.python_version(),
    'packages': {name: importlib.metadata.version(name) for name in _PACKAGES},
    'device': f'{jax.device_count()} x {device.device_kind}',
    'git_revision': _git_revision(),
  }


def processor() -> str:
  """The name of the CPU."""
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as file:
      for line in file:
        if line.startswith('model name'):
          return line.partition(':')[2].strip()
  except OSError:
    pass
  return platform.processor() or platform.machine()


def _git_revision() -> str | None:
  """Revision of this package's checkout, with '+changes' if it is dirty."""
  folder = pathlib.Path(__file__).parent

  def git(*arguments: str) -> str:
    return subprocess.run(
      ['git', *arguments],
      cwd=folder,
      capture_output=True,
      text=True,
      check=True,
      timeout=10,
    ).stdout.strip()

  try:
    if not git('ls-files', __file__):
      return None  # installed inside another checkout
    dirty = git('status', '--porcelain', '--untracked-files=no')
    return git('rev-parse', 'HEAD') + ('+changes' if dirty else '')
  except (OSError, subprocess.SubprocessError):
    return None

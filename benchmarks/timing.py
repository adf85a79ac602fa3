"""Times functions against each other, and describes the machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from adafm_jax.model_file import provenance


def interleaved(
  functions: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, float]:
  """Median seconds of each function, after one call that compiles.

  The functions take turns, so other work on the machine slows all of them, and
  ratios hold even if the seconds don't.
  """
  for function in functions.values():
    function()
  taken: dict[str, list[float]] = {name: [] for name in functions}
  for _ in range(repeats):
    for name, function in functions.items():
      begun = time.perf_counter()
      function()
      taken[name].append(time.perf_counter() - begun)
  return {name: statistics.median(times) for name, times in taken.items()}


def machine() -> dict[str, Any]:
  """The machine and versions that a result was measured with."""
  import importlib.metadata

  import jax

  def version(name):
    try:
      return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      return None

  return {
    'device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
    'processor': provenance.processor(),
    'cores': os.cpu_count(),
    'python': platform.python_version(),
    'versions': {n: version(n) for n in ('jax', 'jaxlib', 'torch', 'numpy')},
  }

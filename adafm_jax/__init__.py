"""Continuously modulated image restoration (AdaFM) in JAX and Flax.

The names in `__all__` are the public API. Each is imported on first use, so
that `import adafm_jax` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from adafm_jax.version import __version__

if TYPE_CHECKING:
  from adafm_jax.engine.run import make_sweep
  from adafm_jax.model import Model
  from adafm_jax.models.restorer import make_apply
  from adafm_jax.zoo import load as load_model

__all__ = ['Model', '__version__', 'load_model', 'make_apply', 'make_sweep']

_HOMES = {
  'Model': ('adafm_jax.model', 'Model'),
  'load_model': ('adafm_jax.zoo', 'load'),
  'make_apply': ('adafm_jax.models.restorer', 'make_apply'),
  'make_sweep': ('adafm_jax.engine.run', 'make_sweep'),
}


def __getattr__(name: str) -> Any:
  if name not in _HOMES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  module, attribute = _HOMES[name]
  return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
  return sorted([*globals(), *_HOMES])

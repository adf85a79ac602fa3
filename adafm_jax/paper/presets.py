"""Sizes of the paper's experiments: a preset is a group of config fields.

`tiny` proves within minutes that everything runs. `small` takes hours on a
CPU. `paper` has the paper's settings (section 4.1) and needs an accelerator.
"""

from __future__ import annotations

from typing import Any

from adafm_jax.errors import UserError

_SHORT = {'batch': 8, 'learning_rate': 2e-3, 'b2': 0.99, 'schedule': 'cosine'}
_TINY = _SHORT | {'patch': 16, 'batch': 2, 'steps': 20}
_SMALL = _SHORT | {'patch': 48, 'warmup': 500, 'ema': 0.999}

PRESETS: dict[str, dict[str, Any]] = {
  'tiny': {
    'model': {'features': 4, 'blocks': 1, 'init_scale': 1.0},
    'train': _TINY,
    'adapt': _TINY | {'steps': 10},
    'path': _TINY | {'steps': 10},
    'run': {'log_every': 10, 'evaluate_every': 5, 'checkpoint_every': 10},
    'calibrate': {'grid': '0,0.5,1', 'order': 1, 'levels': '', 'images': 2},
    'evaluate': {'ssim': False, 'images': 1},
    'data': {'train': 'photos:train', 'heldout': 'photos:heldout'},
  },
  'small': {
    'model': {'features': 16, 'blocks': 4, 'init_scale': 0.3},
    'train': _SMALL | {'steps': 24_000},
    'adapt': _SMALL | {'steps': 8000},
    'path': _SMALL | {'steps': 8000, 'learning_rate': 1e-3},
    'run': {
      'log_every': 1000,
      'evaluate_every': 1000,
      'checkpoint_every': 4000,
    },
    'calibrate': {'images': 31},
    'evaluate': {'ssim': False},
    'data': {'holdout': 31},
  },
  'paper': {
    'run': {
      'log_every': 1000,
      'evaluate_every': 10_000,
      'checkpoint_every': 10_000,
    },
    'calibrate': {'images': 20},
    'evaluate': {'ssim': False},
  },
}


def get(name: str) -> dict[str, Any]:
  """The fields of a preset.

  Raises:
    UserError: it is unknown.
  """
  if name not in PRESETS:
    raise UserError(
      f'preset is {name!r}; it must be one of {", ".join(PRESETS)}.'
    )
  return PRESETS[name]

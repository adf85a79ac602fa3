"""A model as the page reads it: one safetensors file, whose metadata say all.

The tensors are those of a model file, in its format 3: bends are written out.
Each is float16 where that holds it exactly, as those of released models do.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import safetensors.numpy

from adafm_jax.degrade import level as levels
from adafm_jax.model import Model
from adafm_jax.model_file.header import FORMAT, Header
from adafm_jax.models import parameters


def describe(header: Header, name: str) -> dict[str, Any]:
  """What the page needs to know of a model, as JSON values.

  Args:
    header: of the model.
    name: that the page calls it by.

  Returns:
    `name`, `arch`, `curve` and `noise` as in a model file; `levels` with the
    task's `unit`, its `prefix` before a number, and whether levels are whole.
  """
  span = header.levels
  task = levels.get_task(span.task)
  return {
    'name': name,
    'arch': header.arch.to_json(),
    'levels': {
      'task': span.task,
      'start': float(span.start),
      'end': float(span.end),
      'unit': task.unit,
      'prefix': task.prefix,
      'whole': task.whole,
    },
    'curve': header.curve.to_json() if header.curve else None,
    'noise': header.noise,
  }


def export(model: Model, name: str) -> bytes:
  """The file, whose metadata hold `describe` as JSON under 'adafm'."""
  tensors = {
    tensor: _smallest(value)
    for tensor, value in parameters.flatten(model.params).items()
  }
  about = json.dumps(describe(model, name), allow_nan=False)
  return safetensors.numpy.save(tensors, {FORMAT: about})


def _smallest(value: np.ndarray) -> np.ndarray:
  """A float32 array as float16, if no value changes."""
  with np.errstate(over='ignore'):
    half = value.astype(np.float16)
  return half if (half.astype(np.float32) == value).all() else value

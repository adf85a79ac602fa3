"""What an exported graph says about its model, for those who run it."""

from __future__ import annotations

from typing import Any

import numpy as np

from adafm_jax.degrade import level as levels
from adafm_jax.model_file import header as headers
from adafm_jax.model_file.header import Header

VERSION = 1
_POINTS = 61  # of the table; denoise: a whole sigma each


def describe(header: Header, **graph: Any) -> dict[str, Any]:
  """A description as JSON values.

  Args:
    header: of the model.
    **graph: what the graph takes, see `onnx_file.Form`.

  Returns:
    All that a model file's header holds, under the same names, and: 'unit' of
    a level; 'strengths', pairs of a level and its strength, ascending by level,
    between which a line is right to 0.001; 'graph', with a version.
  """
  span = header.levels
  low, high = sorted((span.start, span.end))
  strength = header.curve.strength if header.curve else span.position
  table = [span.start]  # of a basic model, the only one
  if header.arch.kernel:
    table = np.linspace(low, high, _POINTS).tolist()
  if header.curve:  # which may bend where it was measured
    table = sorted({*table, *header.curve.levels})
  return {
    **headers.to_json(header),
    'unit': levels.TASKS[span.task].unit,
    'strengths': [[x, round(strength(x), 6)] for x in table],
    'graph': {'version': VERSION, **graph},
  }

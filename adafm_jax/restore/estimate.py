"""Levels read off a photograph: noise sigma and JPEG quality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adafm_jax.degrade.level import LevelRange
from adafm_jax.restore.photo import Photo


class Estimate(NamedTuple):
  """An estimated level.

  Attributes:
    value: in the task's unit: sigma in 0..255 units, or JPEG quality 1..100.
    source: what it was read off: 'noise of flat patches', 'quantisation
      tables' or 'blocking'.
  """

  value: float
  source: str


class LevelEstimate(NamedTuple):
  """A level to restore with.

  Attributes:
    level: inside the model's range, in the task's unit.
    sentence: for the user: the estimate, where it came from, and whether it was
      clipped to the model's range.
  """

  level: float
  sentence: str


def estimate_sigma(pixels: np.ndarray) -> float:
  """Standard deviation of the noise in an image, in 0..255 units.

  Args:
    pixels: float32 [H, W, 1 or 3] in [0, 1].
  """
  raise NotImplementedError


def estimate_quality(photo: Photo) -> Estimate:
  """JPEG quality 1..100 that a photograph was compressed with."""
  raise NotImplementedError


def estimate_level(photo: Photo, levels: LevelRange) -> LevelEstimate:
  """The level to restore a photograph with, inside a model's range.

  Raises:
    UserError: the task is super-resolution, whose scale the user gives.
  """
  raise NotImplementedError

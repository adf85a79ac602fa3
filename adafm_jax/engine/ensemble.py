"""Geometric self-ensemble: the mean over the eight flips and turns.

An image is restored in its eight orientations, each result is turned back,
and their mean is taken (Timofte et al., "Seven ways to improve example-based
single image super resolution", CVPR 2016, section 3.5). Eight times the work
for a few hundredths to tenths of a dB.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

# run(params, image [..., H, W, C], strength) -> image, on NumPy or JAX arrays.
Run = Callable[[Any, Any, Any], Any]

# (transposed, upside down, mirrored): every symmetry of the square, once.
SYMMETRIES = tuple(itertools.product((False, True), repeat=3))


def self_ensemble(run: Run) -> Run:
  """Wraps a network so that it averages over the eight orientations.

  Args:
    run: run(params, image, strength) -> image of the same shape. image: [...,
      H, W, C]; strength: a value (or one per image, [B]), or a map [..., H, W],
      which is turned with the image.

  Returns:
    The same function with eight times the work; pure if `run` is.
  """

  @functools.wraps(run)
  def averaged(params, image, strength):
    is_map = np.ndim(strength) >= 2

    def one(symmetry):
      turned = _turn(strength, symmetry, -1) if is_map else strength
      output = run(params, _turn(image, symmetry, -2), turned)
      return _turn_back(output, symmetry, -2)

    return sum(map(one, SYMMETRIES)) / np.float32(len(SYMMETRIES))

  return averaged


def _turn(x, symmetry, width):
  """Transposes, then flips; `width` is the axis of columns."""
  transposed, upside_down, mirrored = symmetry
  if transposed:
    x = x.swapaxes(width, width - 1)
  return _flip(x, upside_down, mirrored, width)


def _turn_back(x, symmetry, width):
  transposed, upside_down, mirrored = symmetry
  x = _flip(x, upside_down, mirrored, width)
  return x.swapaxes(width, width - 1) if transposed else x


def _flip(x, upside_down, mirrored, width):
  after = (slice(None),) * (-width - 1)
  rows = slice(None, None, -1 if upside_down else 1)
  columns = slice(None, None, -1 if mirrored else 1)
  return x[(..., rows, columns, *after)]

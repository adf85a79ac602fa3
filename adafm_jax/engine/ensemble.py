"""Geometric self-ensemble: the mean over the eight flips and turns.

An image is restored in its eight orientations, each result is turned back,
and their mean is taken (Timofte et al., "Seven ways to improve example-based
single image super resolution", CVPR 2016, section 3.5). Eight times the work
for a few hundredths to tenths of a dB.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

# (transposed, upside down, mirrored): every symmetry of the square, once.
SYMMETRIES = tuple(itertools.product((False, True), repeat=3))


def run(
  restore: Callable[[np.ndarray, Any], np.ndarray],
  images: np.ndarray,
  strength: Any,
) -> np.ndarray:
  """Restores images in eight orientations and averages.

  Args:
    restore: restore(images, strength) -> images of the same shape.
    images: [B, H, W, C].
    strength: one value, or one an image, [B].

  Returns:
    The mean, of the shape of `images`.
  """
  total = np.zeros(images.shape, np.float32)
  for symmetry in SYMMETRIES:
    total += _turn_back(restore(_turn(images, symmetry), strength), symmetry)
  total /= np.float32(len(SYMMETRIES))
  return total


def _turn(x: np.ndarray, symmetry: tuple[bool, ...]) -> np.ndarray:
  """Transposes [B, H, W, C], then flips it."""
  transposed, upside_down, mirrored = symmetry
  x = x.swapaxes(1, 2) if transposed else x
  return x[:, :: -1 if upside_down else 1, :: -1 if mirrored else 1]


def _turn_back(x: np.ndarray, symmetry: tuple[bool, ...]) -> np.ndarray:
  """The inverse of `_turn`."""
  transposed, upside_down, mirrored = symmetry
  x = x[:, :: -1 if upside_down else 1, :: -1 if mirrored else 1]
  return x.swapaxes(1, 2) if transposed else x

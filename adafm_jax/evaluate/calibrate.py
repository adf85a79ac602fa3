"""Measures the best strength of each level (paper section 3.5).

For a level, all strengths of a coarse grid are tried in one batched pass over
the calibration images; a second pass, a quarter as coarse, looks around the
best; the top of the parabola through the best three is the level's strength.
Calibration images are held-out training images, never an evaluation set.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax.data.sources import NamedImage
from adafm_jax.evaluate import benchmark
from adafm_jax.evaluate import curve as curves

# The second pass divides the first grid's step by this.
_FINER = 4


class Measurement(NamedTuple):
  """What calibration found at one level.

  Attributes:
    level: in the task's unit.
    strengths: [N] all that were tried, increasing.
    psnr: [N] mean over the images, dB.
    best: the strength with the highest PSNR, between grid points.
  """

  level: float
  strengths: np.ndarray
  psnr: np.ndarray
  best: float


def measure(
  network: benchmark.Network,
  images: Sequence[NamedImage],
  level: float,
  grid: Sequence[float],
  protocol: benchmark.Protocol,
) -> Measurement:
  """Finds the best strength for one level.

  Args:
    network: AdaFM-Net.
    images: calibration images.
    level: of the degradation.
    grid: [N] strengths tried first, increasing, in [0, 1].
    protocol: degradation and metric.

  Returns:
    The measurement.
  """
  cases = benchmark.make_cases(images, level, protocol)

  def mean_psnr(strengths):
    table = benchmark.psnr_grid(network, cases, strengths, protocol, level)
    return table.mean(axis=1)

  coarse = np.asarray(grid, float)
  scores = mean_psnr(coarse)
  fine = _around(coarse, int(np.argmax(scores)))
  strengths = np.concatenate([coarse, fine])
  scores = np.concatenate([scores, mean_psnr(fine)])
  order = np.argsort(strengths)
  strengths, scores = strengths[order], scores[order]
  best, _ = curves.refine(strengths, scores)
  return Measurement(level, strengths, scores, best)


def _around(grid: np.ndarray, best: int) -> np.ndarray:
  """New strengths between a grid point and its neighbours."""
  steps = np.arange(1, _FINER) / _FINER
  parts = [
    low + (high - low) * steps
    for low, high in itertools.pairwise(grid)
    if grid[best] in (low, high)
  ]
  return np.concatenate(parts) if parts else np.zeros(0)


class Calibration(NamedTuple):
  """The measurements and the curves through them."""

  measurements: list[Measurement]
  polynomial: curves.Curve
  line: curves.Curve
  piecewise: curves.Curve


def calibrate(
  network: benchmark.Network,
  images: Sequence[NamedImage],
  levels: Sequence[float],
  *,
  ends: tuple[float, float],
  grid: Sequence[float],
  order: int,
  protocol: benchmark.Protocol,
  report: Callable[[Measurement], None] = lambda _: None,
) -> Calibration:
  """Measures every level and fits the lambda curves.

  Args:
    network: AdaFM-Net.
    images: calibration images.
    levels: where to measure, between the ends.
    ends: start and end level.
    grid: see `measure`.
    order: of the polynomial (equation 7); 3 in the paper.
    protocol: degradation and metric.
    report: called with each level's measurement.

  Returns:
    Measurements, and three curves through them: polynomial of the order
    asked for, straight line, and piecewise linear; each 0 at the start, 1 at
    the end, and monotone.
  """
  found = []
  for level in levels:
    found.append(measure(network, images, level, grid, protocol))
    report(found[-1])
  points = ([m.level for m in found], [m.best for m in found], *ends)
  return Calibration(
    found,
    curves.fit(*points, order=order),
    curves.fit(*points, order=1),
    curves.fit_piecewise(*points),
  )

"""Measures the best strength of each level (paper section 3.5).

For each level, a coarse grid of strengths is tried in one batched pass over the
calibration images. A second pass, at least four times finer, searches around
the best. The level's strength is the peak of the parabola through the best
three. Calibration images are held-out training images, never an evaluation set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from adafm_jax.calibrate import peak
from adafm_jax.data.image import NamedImage
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import metrics, scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.model_file import curve as curves
from adafm_jax.train import mesh as meshes

# Strengths that the second pass tries between the best one's neighbours; always
# the same number, so that it is compiled once per image size.
_FINER = 7
_DECIMALS = 6  # strengths are rounded, so that equal ones compare equal


class Measurement(NamedTuple):
  """What calibration found at one level.

  Attributes:
    level: in the task's unit.
    strengths: [N] all that were tried, increasing.
    psnr: [N] mean over the images, dB.
    best: the strength with the highest PSNR, interpolated.
  """

  level: float
  strengths: np.ndarray
  psnr: np.ndarray
  best: float

  def to_json(self) -> dict[str, Any]:
    """The figures as JSON values."""
    return {
      'level': self.level,
      'strengths': self.strengths.tolist(),
      'psnr': self.psnr.tolist(),
      'best': self.best,
    }

  @classmethod
  def of(cls, values: dict[str, Any]) -> Measurement:
    """The inverse of `to_json`."""
    return cls(
      values['level'],
      np.array(values['strengths']),
      np.array(values['psnr']),
      values['best'],
    )


def measure(
  network: Network,
  images: Sequence[NamedImage],
  level: float,
  grid: Sequence[float],
  protocol: Protocol,
) -> Measurement:
  """Finds the best strength for one level.

  Several processes share the images; each returns the same.

  Args:
    network: AdaFM-Net.
    images: calibration images.
    level: in the task's unit.
    grid: [N] strengths to try first, in [0, 1], any order.
    protocol: degradation and metric.
  """
  cases = make_cases(meshes.mine(images), level, protocol)

  def mean_psnr(strengths):
    own = scores.psnr_grid(network, cases, strengths, protocol, level)
    table = np.stack(meshes.together(own.T.tolist()), axis=1)
    return np.minimum(table, metrics.BEST).mean(axis=1)

  coarse = np.unique(np.asarray(grid, float).round(_DECIMALS))
  psnr = mean_psnr(coarse)
  fine = _around(coarse, int(np.argmax(psnr)))
  psnr = np.concatenate([psnr, mean_psnr(fine)])
  strengths, index = np.unique(
    np.concatenate([coarse, fine]), return_index=True
  )
  psnr = psnr[index]
  best, _ = peak.refine(strengths, psnr)
  return Measurement(level, strengths, psnr, best)


def _around(grid: np.ndarray, best: int) -> np.ndarray:
  """[7] strengths between the neighbours of a grid point."""
  low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
  return np.linspace(low, high, _FINER + 2)[1:-1].round(_DECIMALS)


class Calibration(NamedTuple):
  """The measurements and the curves through them.

  Attributes:
    measurements: of levels between the ends.
    polynomial: of the order that was asked for.
    line: the straight line.
    piecewise: linear between the measurements.
    released: the curve that the model gets: the polynomial, or the piecewise.
  """

  measurements: list[Measurement]
  polynomial: curves.Curve
  line: curves.Curve
  piecewise: curves.Curve
  released: curves.Curve


def fit(
  measurements: Sequence[Measurement],
  *,
  ends: tuple[float, float],
  order: int,
  kind: str = 'polynomial',
) -> Calibration:
  """Fits the lambda curves through the measured strengths.

  Args:
    measurements: of levels between the ends.
    ends: start and end level.
    order: of the polynomial (equation 7); 3 in the paper.
    kind: of the released curve, 'polynomial' or 'piecewise'.

  Returns:
    The measurements and three curves through them: a polynomial of this order,
    a straight line, and a piecewise linear curve. Each is 0 at the start, 1 at
    the end, and monotone.
  """
  found = list(measurements)
  points = ([m.level for m in found], [m.best for m in found], *ends)
  polynomial = curves.fit(*points, order=order)
  piecewise = curves.fit_piecewise(*points)
  released = {'polynomial': polynomial, 'piecewise': piecewise}[kind]
  line = curves.fit(*points, order=1)
  return Calibration(found, polynomial, line, piecewise, released)

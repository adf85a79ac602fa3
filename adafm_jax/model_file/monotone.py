"""Monotone least-squares fits: polynomials and points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import polynomial

_LINE = (0.0, 1.0)  # f(t) = t
# A polynomial's slope is checked here; fits are constrained at every tenth.
_GRID = np.linspace(0.0, 1.0, 10_001)


def fit(t: np.ndarray, s: np.ndarray, order: int) -> np.ndarray:
  """Coefficients of f = t + t (1 - t) q(t), closest to `s`, with f' >= 0.

  The form keeps f(0) = 0 and f(1) = 1 for every q, so only q is fitted.

  Args:
    t: [N] positions, strictly between 0 and 1, at least `order` - 1 different.
    s: [N] values there.
    order: of the polynomial, at least 1.

  Returns:
    [order + 1] coefficients, lowest first.
  """
  if order == 1:
    return np.array(_LINE)
  powers = np.arange(order - 1)
  basis = (t * (1 - t))[:, None] * t[:, None] ** powers
  q = np.linalg.lstsq(basis, s - t, rcond=None)[0]
  if lowest_slope(expand(q)) < 0:
    # f' = 1 + rows @ q, with rows = d/dt (t^(k+1) - t^(k+2)).
    grid = _GRID[::10, None]
    rows = (powers + 1) * grid**powers - (powers + 2) * grid ** (powers + 1)
    q = constrained_least_squares(basis, s - t, rows, -np.ones(len(rows)))
  f = expand(q)
  # Between grid points the slope may be slightly negative. Mixing in a little
  # of the line, which has slope 1 and the same ends, lifts it to zero.
  dip = max(0.0, -lowest_slope(f))
  f = polynomial.polyadd(f, dip * np.array(_LINE)) / (1 + dip)
  return np.pad(f, (0, order + 1 - len(f)))  # sums drop zeros at the end


def constrained_least_squares(a, b, g, h) -> np.ndarray:
  """Minimises |a x - b| subject to g x >= h; `a` has full column rank.

  Lawson and Hanson, Solving Least Squares Problems, chapter 23: by QR it is a
  least distance problem, whose dual is non-negative least squares. Unlike a
  general solver it needs no starting point and no tolerance.
  """
  from scipy import optimize  # slow to import, and only fitting needs it

  q, r = np.linalg.qr(a)
  g_scaled = np.linalg.solve(r.T, g.T)  # transpose of g @ inverse(r)
  dual = np.vstack([g_scaled, h - q.T @ b @ g_scaled])
  target = np.eye(len(dual))[-1]
  residual = dual @ optimize.nnls(dual, target)[0] - target
  return np.linalg.solve(r, q.T @ b - residual[:-1] / residual[-1])


def expand(q: np.ndarray) -> np.ndarray:
  """Coefficients of t + t (1 - t) q(t), lowest first."""
  return polynomial.polyadd(_LINE, np.convolve([0.0, 1.0, -1.0], q))


def lowest_slope(coefficients: Sequence[float] | np.ndarray) -> float:
  """The least derivative of a polynomial (lowest first) within [0, 1]."""
  derivative = polynomial.polyder(np.asarray(coefficients, float))
  return float(polynomial.polyval(_GRID, derivative).min())


def rising_points(t: np.ndarray, s: np.ndarray) -> np.ndarray:
  """The nearest values that never fall as `t` rises.

  Isotonic regression; values at one position count as their mean.

  Args:
    t: [N] positions, any order.
    s: [N] values there.

  Returns:
    [N] values.
  """
  from scipy import optimize  # slow to import, and only fitting needs it

  _, index, count = np.unique(t, return_inverse=True, return_counts=True)
  mean = np.bincount(index, weights=s) / count
  return optimize.isotonic_regression(mean, weights=count).x[index]

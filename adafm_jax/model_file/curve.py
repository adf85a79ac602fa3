"""Strength (lambda) as a function of the degradation level, paper section 3.5.

The best strength is measured at a few levels between the two that the model was
trained for. A curve through these points predicts it at every other level. Both
ends are known without measuring: 0 at the start level and 1 at the end level.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.polynomial import polynomial

from adafm_jax.errors import UserError
from adafm_jax.model_file import monotone

Values = Sequence[float] | np.ndarray

MAX_ORDER = 6


@dataclasses.dataclass(frozen=True)
class Curve:
  """A monotone curve from strength 0 at `start` to strength 1 at `end`.

  Attributes:
    start: level of the backbone, in the task's unit (sigma, quality, scale).
    end: level of the adapted model; above or below `start`.
    kind: 'polynomial', or 'piecewise': linear between the measured points.
    order: of the polynomial, 1..6; None for a piecewise curve.
    coefficients: of the polynomial in t = (level - start) / (end - start),
      lowest first; or the piecewise curve's strength at each of `levels`.
    levels: where the strength was measured, in the order start to end.
    strengths: the measured strengths, one per level, in [0, 1].

  Raises:
    UserError: the fields don't describe such a curve.
  """

  start: float
  end: float
  kind: Literal['polynomial', 'piecewise']
  order: int | None
  coefficients: tuple[float, ...]
  levels: tuple[float, ...]
  strengths: tuple[float, ...]

  def __post_init__(self):
    t, _, levels = _points(self.levels, self.strengths, self.start, self.end)
    c = np.asarray(self.coefficients, float)
    if self.kind == 'polynomial':
      right = len(c) == _require_order(self.order) + 1 and c[0] == 0
      right = (
        right and abs(c.sum() - 1) < 1e-9 and monotone.lowest_slope(c) > -1e-9
      )
    else:
      right = self.kind == 'piecewise' and self.order is None
      right = right and len(c) == len(t) and (np.diff([0, *c, 1]) >= 0).all()
    _require(
      right and levels == self.levels,
      "A curve must be 'polynomial' with order + 1 coefficients, or 'piecewise'"
      ' with one per level, and rise from 0 at start to 1 at end with its'
      f' levels in that order, got {self}.',
    )

  @overload
  def strength(self, level: float) -> float: ...
  @overload
  def strength(self, level: Values) -> np.ndarray: ...
  def strength(self, level):
    """Returns the strength at one level or at each of an array of levels.

    Args:
      level: in the unit of `start`; outside the range it is clipped.

    Returns:
      A float, or a float64 array of the shape of `level`, in [0, 1]; exactly 0
      at `start` and 1 at `end`.
    """
    t = np.clip(_position(level, self.start, self.end), 0.0, 1.0)
    if self.kind == 'polynomial':
      value = polynomial.polyval(t, np.asarray(self.coefficients))
    else:
      knots = _position(self.levels, self.start, self.end)
      value = np.interp(t, [0, *knots, 1], [0, *self.coefficients, 1])
    # The coefficients sum to 1 only up to rounding.
    value = np.where(t == 1, 1.0, np.clip(value, 0.0, 1.0))
    return float(value) if np.ndim(level) == 0 else value

  def formula(self, symbol: str = 'L') -> str:
    """Returns the curve as text in the level's unit: 'lambda = 1.5 - 0.02 q'.

    A polynomial (paper eq. 7) has enough digits to be right to 0.0005 between
    the ends. `symbol` names the level.
    """
    if self.kind == 'piecewise':
      inner = zip(self.levels, self.coefficients, strict=True)
      points = {*inner, (self.start, 0.0), (self.end, 1.0)}
      by_level = sorted(points, reverse=self.start > self.end)
      text = ', '.join(f'{y:.3g} at {x:g}' for x, y in by_level)
      return f'lambda = piecewise linear in {symbol}: {text}'
    slope = 1 / (self.end - self.start)
    t = np.polynomial.Polynomial([-self.start * slope, slope])
    exact = np.polynomial.Polynomial(self.coefficients)(t).coef
    levels = np.linspace(self.start, self.end, 101)
    for digits in range(3, 18):
      rounded = [f'{c:+.{digits}g}' for c in exact]
      value = polynomial.polyval(levels, [float(c) for c in rounded])
      if np.abs(value - self.strength(levels)).max() < 5e-4:
        break
    powers = ['', f' {symbol}', *(f' {symbol}^{k}' for k in range(2, 7))]
    terms = [c + x for c, x in zip(rounded, powers, strict=False) if float(c)]
    text = ' '.join(f'{term[0]} {term[1:]}' for term in terms[1:])
    return f'lambda = {terms[0].removeprefix("+")} {text}'.rstrip()

  def to_json(self) -> dict[str, Any]:
    """Returns the fields as JSON values; `from_json` gives the same curve."""
    fields = dataclasses.asdict(self).items()
    return {k: list(v) if isinstance(v, tuple) else v for k, v in fields}

  @classmethod
  def from_json(cls, value: Any) -> Curve:
    """Builds the curve that `to_json` described.

    Raises:
      UserError: a field is missing, unknown, of the wrong type or value.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    _require(
      isinstance(value, Mapping) and set(value) == names,
      f'A curve must have the fields {", ".join(sorted(names))}, got {value}.',
    )
    lists = ('coefficients', 'levels', 'strengths')
    for name in ('start', 'end', *lists):
      items = value[name] if name in lists else [value[name]]
      _require(
        isinstance(items, list) and all(type(x) in (int, float) for x in items),
        f'Curve field {name} must hold numbers, got {value[name]!r}.',
      )
    return cls(**{**value, **{name: tuple(value[name]) for name in lists}})


def fit(
  levels: Values,
  strengths: Values,
  start: float,
  end: float,
  *,
  order: int = 3,
) -> Curve:
  """Fits a monotone polynomial pinned at both ends (paper eq. 7).

  Least squares over the polynomials f with f(0) = 0, f(1) = 1 and f' >= 0. The
  paper takes a cubic for a wide range of levels and a line for a narrow one;
  its own cubic is not pinned.

  Args:
    levels: [N] where the best strength was measured, any order, each between
      `start` and `end`; points at the ends are kept but don't move the fit.
    strengths: [N] the best strengths, in [0, 1].
    start: level of strength 0.
    end: level of strength 1.
    order: of the polynomial, 1..6.

  Raises:
    UserError: wrong points or order, or fewer than `order` - 1 distinct levels
      between the ends.
  """
  _require_order(order)
  t, s, measured = _points(levels, strengths, start, end)
  inner = (t > 0) & (t < 1)
  distinct = len(np.unique(t[inner]))
  _require(
    distinct >= order - 1,
    f'A curve of order {order} needs at least {order - 1} distinct levels'
    f' strictly between {start:g} and {end:g}, got {distinct}: measure more'
    f' levels or take order {distinct + 1}.',
  )
  coefficients = monotone.fit(t[inner], s[inner], order)
  return Curve(
    start=float(start),
    end=float(end),
    kind='polynomial',
    order=order,
    coefficients=tuple(coefficients.tolist()),
    levels=measured,
    strengths=tuple(s.tolist()),
  )


def fit_piecewise(
  levels: Values, strengths: Values, start: float, end: float
) -> Curve:
  """Joins the measured points by lines (paper section 3.5, the alternative).

  If the points fall instead of rising, isotonic regression moves them to the
  nearest non-decreasing ones. Points at one level count as their mean.
  Arguments and errors are as in `fit`.
  """
  t, s, measured = _points(levels, strengths, start, end)
  fitted = np.where(t < 1, 0.0, 1.0)
  inner = (t > 0) & (t < 1)
  if inner.any():
    rising = monotone.rising_points(t[inner], s[inner])
    fitted[inner] = np.clip(rising, 0.0, 1.0)
  return Curve(
    start=float(start),
    end=float(end),
    kind='piecewise',
    order=None,
    coefficients=tuple(fitted.tolist()),
    levels=measured,
    strengths=tuple(s.tolist()),
  )


def _position(levels: Values, start: float, end: float) -> np.ndarray:
  return (np.asarray(levels, float) - start) / (end - start)


def _points(
  levels: Values, strengths: Values, start: float, end: float
) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
  """Checks points; returns t, strengths, levels in the order start to end."""
  x, s = np.asarray(levels, float), np.asarray(strengths, float)
  _require(
    math.isfinite(start) and math.isfinite(end) and start != end,
    f'A curve needs two different finite levels, got {start} and {end}.',
  )
  _require(
    x.ndim == 1 and x.shape == s.shape,
    f'A curve needs one strength per level, got {strengths} for {levels}.',
  )
  t = _position(x, start, end)
  _require(
    np.all((t >= 0) & (t <= 1)),
    f'Curve levels must lie between {start:g} and {end:g}, got {levels}.',
  )
  _require(
    np.all((s >= 0) & (s <= 1)),
    f'Curve strengths must lie in [0, 1], got {strengths}.',
  )
  order = np.argsort(t, kind='stable')
  return t[order], s[order], tuple(x[order].tolist())


def _require_order(order: Any) -> int:
  _require(
    type(order) is int and 1 <= order <= MAX_ORDER,
    f'Curve order must be a whole number from 1 to {MAX_ORDER}, got {order!r}.',
  )
  return order


def _require(condition: Any, message: str) -> None:
  if not condition:
    raise UserError(message)

import json
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import optimize

from adafm_jax.errors import UserError
from adafm_jax.model_file import curve as curves

# Figure 7 of the paper: DeJPEG, best strength at each quality.
QUALITY = (80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0)
WIDE = (0.0, 0.07, 0.14, 0.20, 0.28, 0.40, 0.59, 1.00)
NARROW = (0.0, 0.25, 0.50, 0.71, 1.00)


def _value(curve, t):
  """Horner's rule, another way than the code's."""
  value = 0.0
  for coefficient in reversed(curve.coefficients):
    value = value * t + coefficient
  return value


def test_cubic_is_as_close_to_the_paper_points_as_the_papers_own():
  ours = curves.fit(QUALITY, WIDE, 80, 10)
  q = np.array(QUALITY)
  papers = 1.51 - 6.24e-2 * q + 1.01e-3 * q**2 - 5.91e-6 * q**3
  distance = np.abs(ours.strength(q) - WIDE).max()
  assert distance < 0.04
  assert distance < np.abs(papers - WIDE).max()
  # Between the ends both say the same to 0.05, though only ours is pinned.
  dense = np.linspace(80, 10, 71)
  papers = 1.51 - 6.24e-2 * dense + 1.01e-3 * dense**2 - 5.91e-6 * dense**3
  assert np.abs(ours.strength(dense) - papers).max() < 0.05


def test_straight_line_serves_the_narrow_range():
  line = curves.fit(QUALITY[:5], NARROW, 80, 40, order=1)
  expected = (80 - np.array(QUALITY[:5])) / 40
  np.testing.assert_allclose(line.strength(QUALITY[:5]), expected, atol=1e-15)
  assert np.abs(expected - NARROW).max() == pytest.approx(0.04)


@pytest.mark.parametrize('order', range(1, 7))
def test_ends_are_exact_and_levels_outside_take_the_nearer_end(order):
  curve = curves.fit(QUALITY, WIDE, 80, 10, order=order)
  assert [curve.strength(x) for x in (100, 80, 10, 1)] == [0, 0, 1, 1]
  assert curve.strength(np.array([[80.0, 10.0, 3.0]])).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize('order', [3, 4, 5])
def test_rising_fit_equals_plain_least_squares(order):
  # The paper's points need no constraint at these orders. The reference
  # eliminates the pins instead: f = t^order + sum of a_k (t^k - t^order).
  t = (np.array(QUALITY) - 80) / -70
  basis = np.stack([t**k - t**order for k in range(1, order)], axis=1)
  a = np.linalg.solve(basis.T @ basis, basis.T @ (WIDE - t**order))
  curve = curves.fit(QUALITY, WIDE, 80, 10, order=order)
  expected = [0, *a, 1 - a.sum()]
  np.testing.assert_allclose(curve.coefficients, expected, atol=1e-9)


def test_points_on_the_straight_line_have_a_cubic_too():
  curve = curves.fit([30, 45], [0.25, 0.5], 15, 75, order=3)
  np.testing.assert_allclose(curve.coefficients, [0, 1, 0, 0], atol=1e-12)
  assert curve.formula() == 'lambda = -0.25 + 0.01667 L'


def test_constrained_fit_is_the_best_rising_one():
  # The best pinned parabola through these points dips below 0; f = t + c t(1-t)
  # rises for |c| <= 1, so the rising one must sit at c = -1: f = t^2.
  curve = curves.fit(QUALITY, WIDE, 80, 10, order=2)
  np.testing.assert_allclose(curve.coefficients, [0, 0, 1], atol=1e-9)


@pytest.mark.parametrize(
  's',
  [
    (0, 0, 0, 0, 0, 1, 1, 1, 1),
    (0.5, 0.9, 0.9, 0.8, 0.1, 0.1, 0.2, 0.9, 0.9),
    (0, 0, 0, 0, 0.1, 0, 0, 0.1, 0.3),
  ],
)
def test_constrained_fit_agrees_with_a_general_solver(s):
  t = np.linspace(0.1, 0.9, 9)

  def f(q, t):
    return t + t * (1 - t) * (q[0] + q[1] * t + q[2] * t**2)

  def slope(q):
    h, grid = 1e-6, np.linspace(1e-6, 1 - 1e-6, 301)
    return (f(q, grid + h) - f(q, grid - h)) / (2 * h)

  reference = optimize.minimize(
    lambda q: np.sum((f(q, t) - s) ** 2),
    np.zeros(3),
    method='SLSQP',
    constraints={'type': 'ineq', 'fun': slope},
    options={'ftol': 1e-12, 'maxiter': 500},
  )
  curve = curves.fit(t, s, 0, 1, order=4)
  loss = np.sum((curve.strength(t) - s) ** 2)
  assert slope(reference.x).min() < 1e-4  # the constraint holds it back
  assert loss == pytest.approx(reference.fun, abs=1e-4)


@hypothesis.settings(deadline=None, max_examples=40, derandomize=True)
@hypothesis.given(
  strengths=st.lists(st.floats(0, 1), min_size=5, max_size=11),
  order=st.integers(1, 6),
  ends=st.sampled_from([(15.0, 75.0), (80.0, 10.0), (3.0, 4.0)]),
)
def test_any_fit_rises(strengths, order, ends):
  start, end = ends
  levels = np.linspace(start, end, len(strengths) + 2)[1:-1]
  t = np.linspace(0, 1, 33_333)
  polynomial = curves.fit(levels, strengths, start, end, order=order)
  assert np.diff(_value(polynomial, t)).min() >= -1e-9
  piecewise = curves.fit_piecewise(levels, strengths, start, end)
  values = piecewise.strength(start + t * (end - start))
  assert np.diff(values).min() >= -1e-12
  assert (values[0], values[-1]) == (0, 1)


def test_points_may_come_in_any_order_and_end_points_do_not_move_the_fit():
  inner = curves.fit(QUALITY[1:-1], WIDE[1:-1], 80, 10)
  mixed = curves.fit(QUALITY[::-1], (0.9, *WIDE[-2:0:-1], 0.2), 80, 10)
  np.testing.assert_allclose(mixed.coefficients, inner.coefficients, atol=1e-12)
  assert mixed.levels == QUALITY
  assert (mixed.strengths[0], mixed.strengths[-1]) == (0.2, 0.9)


def test_piecewise_passes_through_rising_points():
  curve = curves.fit_piecewise(QUALITY[1:-1], WIDE[1:-1], 80, 10)
  np.testing.assert_allclose(curve.strength(QUALITY), WIDE, atol=1e-15)
  assert curve.strength(25) == pytest.approx((0.40 + 0.59) / 2)
  assert curve.strength(75) == pytest.approx(0.035)


def test_piecewise_averages_what_falls_and_what_is_measured_twice():
  # Level 2 twice: mean 0.7, weight 2; level 3: 0.1. Pooled (1.4 + 0.1) / 3.
  curve = curves.fit_piecewise([1, 2, 3, 2], [0.2, 0.6, 0.1, 0.8], 0, 4)
  np.testing.assert_allclose(
    curve.strength([0, 1, 2, 2.5, 3, 4]), [0, 0.2, 0.5, 0.5, 0.5, 1]
  )


def test_piecewise_without_points_is_the_straight_line():
  assert curves.fit_piecewise([], [], 15, 75).strength(30) == 0.25


@pytest.mark.parametrize('order', [1, 3, 6])
@pytest.mark.parametrize('ends', [(80.0, 10.0), (3.0, 4.0)])
def test_formula_can_be_computed_by_hand(order, ends):
  levels = np.linspace(*ends, 8)
  curve = curves.fit(levels, WIDE, *ends, order=order)
  text = curve.formula('q')
  assert text.startswith('lambda = ')
  code = text.removeprefix('lambda = ').replace('^', '**').replace(' q', '*q')
  for q in levels:
    assert eval(code, {'q': q}) == pytest.approx(curve.strength(q), abs=1e-3)


def test_formula_reads_like_the_papers():
  assert curves.fit([], [], 15, 75, order=1).formula('sigma') == (
    'lambda = -0.25 + 0.01667 sigma'
  )
  assert curves.fit(QUALITY, WIDE, 80, 10).formula('q') == (
    'lambda = 1.5424 - 0.064026 q + 0.0010383 q^2 - 5.9877e-06 q^3'
  )
  assert curves.fit_piecewise([60], [0.14], 80, 10).formula('q') == (
    'lambda = piecewise linear in q: 0 at 80, 0.14 at 60, 1 at 10'
  )


@pytest.mark.parametrize(
  'curve',
  [
    curves.fit(QUALITY, WIDE, 80, 10, order=4),
    curves.fit_piecewise([3.3, 3.7], [0.1, 0.9], 3, 4),
  ],
)
def test_json_round_trip_is_exact(curve):
  again = curves.Curve.from_json(json.loads(json.dumps(curve.to_json())))
  assert again == curve
  assert again.strength(3.21) == curve.strength(3.21)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'start': '80'}, 'start must hold numbers'),
    ({'start': 10.0}, 'two different finite levels'),
    ({'end': math.nan}, 'two different finite levels'),
    ({'kind': 'spline'}, 'got Curve'),
    ({'order': 2}, 'order \\+ 1 coefficients'),
    ({'order': True}, 'whole number from 1 to 6'),
    ({'order': 7}, 'whole number from 1 to 6'),
    ({'coefficients': 1.0}, 'coefficients must hold numbers'),
    ({'coefficients': [0.0, 1.0, 0.0, None]}, 'coefficients must hold'),
    ({'coefficients': [0.0, 1.0, 0.0, math.nan]}, 'rise from 0'),
    ({'coefficients': [0.1, 0.9, 0.0, 0.0]}, 'rise from 0'),
    ({'coefficients': [0.0, 0.9, 0.0, 0.0]}, 'rise from 0'),
    ({'coefficients': [0.0, -1.0, 2.0, 0.0]}, 'rise from 0'),
    ({'levels': [80.0, 90.0]}, 'between 80 and 10'),
    ({'levels': [20.0]}, 'one strength per level'),
    ({'levels': [20.0, 70.0]}, 'in that order'),
    ({'strengths': [0.1, 1.1]}, r'lie in \[0, 1\]'),
    ({'unit': 'q'}, 'must have the fields'),
    ({'kind': 'piecewise', 'coefficients': [0.4, 0.1]}, 'rise from 0'),
    ({'kind': 'piecewise', 'order': 1}, 'rise from 0'),
  ],
)
def test_wrong_json_is_refused(change, message):
  good = curves.fit([60, 30], [0.1, 0.4], 80, 10).to_json()
  if change.get('kind') == 'piecewise':
    good = curves.fit_piecewise([60, 30], [0.1, 0.4], 80, 10).to_json()
  with pytest.raises(UserError, match=message):
    curves.Curve.from_json({**good, **change})


@pytest.mark.parametrize(
  ('levels', 'strengths', 'order', 'message'),
  [
    ([60, 60, 80, 10], [0.1, 0.2, 0, 1], 3, 'at least 2 distinct .* got 1'),
    ([60], [0.1], 4, 'take order 2'),
    ([5], [0.1], 1, 'between 80 and 10'),
    ([60, 50], [0.1], 1, 'one strength per level'),
    ([60], [math.nan], 1, r'lie in \[0, 1\]'),
    ([60], [0.1], 0, 'whole number from 1 to 6'),
  ],
)
def test_wrong_points_are_refused(levels, strengths, order, message):
  with pytest.raises(UserError, match=message):
    curves.fit(levels, strengths, 80, 10, order=order)

import math

import numpy as np
import pytest

from adafm_jax.calibrate import peak
from adafm_jax.errors import UserError


@pytest.mark.parametrize('top', [0.0, 0.03, 0.21, 0.5, 0.68, 0.97, 1.0])
def test_refine_finds_the_top_of_a_parabola(top):
  x = np.array([0.0, 0.1, 0.2, 0.45, 0.5, 0.7, 0.9, 1.0])
  best, score = peak.refine(x, 30 - 7 * (x - top) ** 2)
  assert best == pytest.approx(top, abs=1e-12)
  assert score == pytest.approx(30)


@pytest.mark.parametrize(
  ('scores', 'expected'),
  [
    ([31, 30, 27], (0.0, 31)),  # peak left of 0: stays within [0, 1]
    ([27, 30, 31], (1.0, 31)),  # 27 + 8 x - 4 x^2: peak at 1 itself
    ([20, 30, 39], (1.0, 39)),
    ([31, 28, 27], (0.0, 31)),  # no peak: the best point
    ([30, 28, 31], (1.0, 31)),
    ([30, 30, 30], (0.0, 30)),
    ([25, 26], (0.5, 26)),  # too few points for a parabola
    ([25], (0.0, 25)),
  ],
)
def test_refine_at_the_edges_of_the_grid(scores, expected):
  x = [0.0, 0.5, 1.0][: len(scores)]
  assert peak.refine(x, scores) == pytest.approx(expected)


@pytest.mark.parametrize(
  ('strengths', 'scores', 'message'),
  [
    ([], [], 'strictly increasing'),
    ([0, 0.5, 0.5], [1, 2, 3], 'strictly increasing'),
    ([0, 1.5], [1, 2], 'strictly increasing'),
    ([0, 1], [1, 2, 3], '2 finite numbers'),
    ([0, 1], [1, math.inf], '2 finite numbers'),
  ],
)
def test_refine_refuses_a_wrong_grid(strengths, scores, message):
  with pytest.raises(UserError, match=message):
    peak.refine(strengths, scores)

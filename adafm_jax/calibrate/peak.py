"""The best strength between those that were measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adafm_jax.errors import UserError

Values = Sequence[float] | np.ndarray


def refine(strengths: Values, scores: Values) -> tuple[float, float]:
  """Finds the best strength between the points of a grid.

  Takes the peak of the parabola through the best point and its two neighbours;
  at an edge of the grid, through the three points nearest to that edge.

  Args:
    strengths: [N] strictly increasing, in [0, 1], N >= 1.
    scores: [N] mean PSNR in dB at each strength.

  Returns:
    The strength of the peak, within the three points, and its score; the best
    point itself if there is no peak or N < 3.

  Raises:
    UserError: the strengths are not such a grid, or a score is missing or not
      finite.
  """
  x, y = np.asarray(strengths, float), np.asarray(scores, float)
  rising = x.ndim == 1 and len(x) and (np.diff(x) > 0).all()
  if not (rising and 0 <= x[0] <= x[-1] <= 1):
    raise UserError(
      f'Strengths must be strictly increasing within [0, 1], got {strengths}.'
    )
  if x.shape != y.shape or not np.isfinite(y).all():
    raise UserError(
      f'Scores must be {len(x)} finite numbers, one per strength, got {scores}.'
    )
  best = int(np.argmax(y))
  if len(x) < 3:
    return float(x[best]), float(y[best])
  left = min(max(best - 1, 0), len(x) - 3)
  (x0, x1, x2), (y0, y1, y2) = x[left : left + 3], y[left : left + 3]
  # Newton's form: y0 + slope (x - x0) + bend (x - x0)(x - x1).
  slope = (y1 - y0) / (x1 - x0)
  bend = ((y2 - y1) / (x2 - x1) - slope) / (x2 - x0)
  if bend >= 0:
    return float(x[best]), float(y[best])
  top = float(np.clip((x0 + x1) / 2 - slope / (2 * bend), x0, x2))
  return top, float(y0 + (top - x0) * (slope + bend * (top - x1)))

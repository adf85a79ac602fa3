import numpy as np
import pytest
from scipy import interpolate

from adafm_jax.engine import preview
from adafm_jax.errors import UserError


def _curves(strengths):
  """A pixel each: smooth in the strength, straight, and with a kink."""
  s = np.asarray(strengths)
  return np.stack(
    [np.sin(3 * s), 0.2 + 0.5 * s, np.maximum(0, s - 0.4)], axis=-1
  ).astype(np.float32)


@pytest.mark.parametrize('count', [4, 6, 9])
def test_exact_at_the_nodes(count):
  strengths = preview.nodes(count)
  made = preview.make(_curves(strengths))
  for strength, wanted in zip(strengths, _curves(strengths), strict=True):
    np.testing.assert_allclose(preview.at(made, strength), wanted, atol=1e-6)


def test_between_the_nodes_it_is_the_spline_through_them():
  strengths = preview.nodes(7)
  made = preview.make(_curves(strengths))
  spline = interpolate.CubicSpline(strengths, _curves(strengths))
  for strength in (0.01, 0.33, 0.95):
    np.testing.assert_allclose(
      preview.at(made, strength), spline(strength), atol=1e-6
    )


def test_smooth_pixels_come_out_right_and_kinks_nearly():
  made = preview.make(_curves(preview.nodes()))
  fine = np.linspace(0, 1, 57)
  found = np.stack([preview.at(made, s) for s in fine])
  error = np.abs(found - _curves(fine)).max(axis=0)
  assert error[0] < 1e-3  # a line between nodes would be off by 1.7e-2
  assert error[1] < 1e-6
  assert error[2] < 0.02


def test_mistakes():
  with pytest.raises(UserError, match='4 results or more, not 3'):
    preview.make(np.zeros((3, 2, 2, 3)))
  with pytest.raises(UserError, match='must be from 0'):
    preview.at(preview.make(np.zeros((4, 2))), 1.1)

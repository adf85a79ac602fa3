import numpy as np
import pytest

from adafm_jax.engine import blend


def _restore(images, strength):
  """Known at every strength, and not linear in it."""
  return images + np.float32(strength) ** 2


def _maps(values, shape=(1, 4, 5)):
  return np.resize(np.array(values, np.float32), shape)


@pytest.mark.parametrize('values', [[0.3], [0, 1], [0, 0.1, 0.5, 0.75, 1]])
def test_few_strengths_are_exact_and_computed_once_each(values):
  seen = []

  def restore(images, strength):
    seen.append(float(strength))
    return _restore(images, strength)

  images = np.random.default_rng(0).random((1, 4, 5, 3), np.float32)
  maps = _maps(values)
  result = blend.run(restore, images, maps)
  np.testing.assert_allclose(result, images + maps[..., None] ** 2, 1e-6)
  assert seen == [pytest.approx(x) for x in values]


def test_many_are_interpolated_between_eighths():
  maps = np.linspace(0.2, 0.9, 200, dtype=np.float32).reshape(2, 10, 10)
  images = np.zeros((2, 10, 10, 1), np.float32)
  knots = blend.knots(maps)
  assert (knots[0], knots[-1]) == (np.float32(0.2), np.float32(0.9))
  assert len(knots) == 7
  result = blend.run(_restore, images, maps)[..., 0]
  # Linear interpolation of x^2 is off by at most h^2 / 4.
  error = result - maps**2
  assert error.min() > -1e-6
  assert 0.5 < error.max() / (0.125**2 / 4) <= 1


def test_every_image_has_its_own_map():
  maps = np.stack([np.zeros((3, 4)), np.full((3, 4), 0.5)]).astype(np.float32)
  images = np.ones((2, 3, 4, 3), np.float32)
  result = blend.run(_restore, images, maps)
  np.testing.assert_allclose(result[0], 1)
  np.testing.assert_allclose(result[1], 1.25)


def test_fitting_keeps_tone_and_range():
  mask = np.zeros((6, 8), np.float32)
  mask[:, 4:] = 1
  large = blend.fit(mask, (15, 20))
  assert large.shape == (15, 20)
  assert (large.min(), large.max()) == (0, 1)  # no overshoot
  np.testing.assert_allclose(large[:, :6], 0, atol=1e-6)
  np.testing.assert_allclose(large[:, 14:], 1, atol=1e-6)
  assert blend.fit(mask, (6, 8)) is mask

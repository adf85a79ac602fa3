import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adafm_jax.degrade import noise as noises
from adafm_jax.errors import UserError

SHAPE = (3, 91, 64, 3)


def test_float_noise_is_white_gaussian_of_the_given_sigma():
  grey = jnp.full(SHAPE, 0.5, jnp.float32)
  noisy = noises.add_noise(jax.random.key(1), grey, 25.0, protocol='float')
  residual = (np.asarray(noisy, np.float64) - 0.5) * 255
  count = residual.size
  assert abs(residual.mean()) < 5 * 25 / count**0.5
  assert abs(residual.std() - 25) < 5 * 25 / (2 * count) ** 0.5
  # Gaussian: 68.27 % within one sigma, and a kurtosis of 3.
  assert np.mean(np.abs(residual) < 25) == pytest.approx(0.6827, abs=0.01)
  assert np.mean((residual / 25) ** 4) == pytest.approx(3, abs=0.15)
  neighbours = np.mean(residual[:, :, 1:] * residual[:, :, :-1]) / 625
  assert abs(neighbours) < 5 / count**0.5


def test_one_sigma_per_image_along_the_leading_axis():
  grey = jnp.full(SHAPE, 0.5, jnp.float32)
  sigmas = jnp.array([0.0, 10.0, 50.0])
  noisy = jax.jit(noises.add_noise, static_argnames='protocol')(
    jax.random.key(2), grey, sigmas, protocol='float'
  )
  measured = np.asarray(noisy).std(axis=(1, 2, 3)) * 255
  np.testing.assert_allclose(measured, [0, 10, 50], rtol=0.03, atol=1e-4)


def test_clipped_noise_is_the_float_noise_in_8_bits():
  image = jax.random.uniform(jax.random.key(3), SHAPE)
  key = jax.random.key(4)
  free = noises.add_noise(key, image, 60.0, protocol='float')
  clipped = noises.add_noise(key, image, 60.0, protocol='clipped')
  assert free.min() < -0.1
  assert free.max() > 1.1
  steps = np.asarray(clipped, np.float64) * 255
  np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
  nearest = np.clip(np.asarray(free, np.float64) * 255, 0, 255)
  assert np.abs(steps - nearest).max() < 0.5 + 1e-3


def test_both_kinds_of_noise_are_drawn_image_by_image():
  image = jax.random.uniform(jax.random.key(3), (64, 9, 8, 3))
  key = jax.random.key(4)
  free, clipped, both = (
    np.asarray(noises.add_noise(key, image, 60.0, protocol=protocol))
    for protocol in ('float', 'clipped', 'both')
  )
  is_clipped = (both == clipped).all(axis=(1, 2, 3))
  is_free = (both == free).all(axis=(1, 2, 3))
  assert (is_clipped != is_free).all()
  assert 16 < is_clipped.sum() < 48


def test_numpy_noise_depends_on_seed_name_and_shape_alone():
  def pattern(value=128, sigma=20.0, seed=0, name='a.png', shape=(9, 7, 3)):
    image = np.full(shape, value, np.uint8)
    noisy = noises.add_noise_numpy(
      image, sigma, clipped=False, seed=seed, name=name
    )
    return (noisy.astype(np.float64) * 255 - value) / sigma

  first = pattern()
  np.testing.assert_allclose(pattern(sigma=50.0), first, atol=1e-5)
  np.testing.assert_allclose(pattern(value=3), first, atol=1e-5)
  assert np.abs(pattern(seed=1) - first).max() > 0.5
  assert np.abs(pattern(name='b.png') - first).max() > 0.5
  assert np.abs(pattern(name='caf\udce9') - first).max() > 0.5  # any bytes
  # Fixed for good: published numbers hang on these.
  np.testing.assert_allclose(
    pattern(name='bird')[0, 0], [-0.272783, -0.616991, -0.070518], atol=2e-6
  )


def test_numpy_noise_clipped_holds_8_bit_values():
  image = np.array([[[0, 255, 100]] * 50], np.uint8)
  options = {'seed': 5, 'name': 'x'}
  free = noises.add_noise_numpy(image, 40, clipped=False, **options)
  clipped = noises.add_noise_numpy(image, 40, clipped=True, **options)
  expected = np.array(
    [min(255, max(0, round(v))) / 255 for v in free.ravel() * 255.0]
  )
  np.testing.assert_allclose(clipped.ravel(), expected, atol=1e-7)
  assert clipped.dtype == free.dtype == np.float32
  assert clipped.min() == 0
  assert clipped.max() == 1


def test_a_protocol_that_is_none_is_refused():
  grey = jnp.full(SHAPE, 0.5, jnp.float32)
  with pytest.raises(UserError, match="'clip'; it must be one of clipped"):
    noises.add_noise(jax.random.key(0), grey, 25.0, protocol='clip')

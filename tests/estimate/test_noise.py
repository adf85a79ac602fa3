import numpy as np
import pytest
import skimage

from adafm_jax.degrade.noise import add_noise_numpy
from adafm_jax.estimate.noise import clipped_moments, estimate_sigma


def _noisy(image, sigma, seed=0):
  return add_noise_numpy(image, sigma, clipped=True, seed=seed, name='')


@pytest.fixture(scope='module')
def photographs():
  # Smaller, so that their own noise and JPEG traces are gone.
  return [
    getattr(skimage.data, name)()[::2, ::2][:150, :220]
    for name in ('astronaut', 'chelsea', 'coffee')
  ]


@pytest.mark.parametrize('value', [-60, 0, 40, 128, 250])
@pytest.mark.parametrize('sigma', [3, 75])
def test_clipped_moments(value, sigma):
  draws = np.random.default_rng(0).normal(value, sigma, 400_000).clip(0, 255)
  mean, variance = clipped_moments(np.array([float(value)]), sigma)
  spread = max(draws.std(), 1e-9) / np.sqrt(len(draws))
  assert abs(mean[0] - draws.mean()) < 5 * spread + 1e-9
  assert variance[0] == pytest.approx(draws.var(), rel=0.05, abs=1e-9)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('sigma', [2, 20, 80])
@pytest.mark.parametrize('value', [12, 128, 243])
def test_flat_images(value, sigma, channels):
  image = np.full((96, 80, channels), value, np.uint8)
  assert estimate_sigma(_noisy(image, sigma)) == pytest.approx(sigma, rel=0.04)


def test_photographs_from_weak_to_strong_noise(photographs):
  for image in photographs:
    sigmas = np.array([0, 5, 10, 15, 25, 35, 50, 65, 80])
    found = np.array([estimate_sigma(_noisy(image, s)) for s in sigmas])
    assert (np.diff(found) > 0).all()
    assert np.abs(found - sigmas).max() < 1.5


def test_grey_photographs(photographs):
  for image in photographs:
    sigmas = np.array([5, 15, 40, 75])
    grey = image[..., 1:2]
    found = np.array([estimate_sigma(_noisy(grey, s)) for s in sigmas])
    assert (np.diff(found) > 0).all()
    assert np.abs(found - sigmas).max() < 3


def test_a_dark_channel_is_clipped_more(photographs):
  image = photographs[0].copy()
  image[..., 2] //= 16
  assert estimate_sigma(_noisy(image, 60)) == pytest.approx(60, rel=0.04)


def test_texture_counts_for_little():
  """Stripes and checks of a pixel, beside something plain."""
  image = np.full((64, 128, 1), 90, np.uint8)
  image[:, 64:, 0] += (np.indices((64, 64)).sum(0) % 2 * 60).astype(np.uint8)
  assert estimate_sigma(_noisy(image, 10)) == pytest.approx(10, rel=0.06)


@pytest.mark.parametrize('shape', [(16, 16, 3), (16, 16, 1), (9, 40, 3)])
def test_small_images(photographs, shape):
  found = []
  for seed, image in enumerate(photographs * 2):
    patch = image[60:, 60:][: shape[0], : shape[1], : shape[2]]
    found.append(estimate_sigma(_noisy(patch, 40, seed)))
  assert np.abs(np.array(found) - 40).max() < 12


@pytest.mark.parametrize(
  'shape', [(1, 1, 3), (2, 3, 1), (4, 4, 3), (300, 1, 3)]
)
def test_too_small_to_tell(shape):
  image = np.random.default_rng(0).random(shape, np.float32)
  assert estimate_sigma(image) == 0


def test_nothing_to_be_seen():
  for value in (0, 0.5, 1):
    image = np.full((32, 32, 3), value, np.float32)
    assert estimate_sigma(image) < 1e-3


def test_what_is_black_or_burnt_out_does_not_count():
  image = np.full((64, 192, 3), 128, np.uint8)
  noisy = _noisy(image, 30)
  noisy[:, :64], noisy[:, 128:] = 0, 1
  assert estimate_sigma(noisy) == pytest.approx(30, rel=0.05)


def test_large_images_are_sampled():
  image = np.full((1700, 1800, 1), 128, np.uint8)
  assert estimate_sigma(_noisy(image, 25)) == pytest.approx(25, rel=0.02)

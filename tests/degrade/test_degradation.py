import io
import itertools

import numpy as np
import pytest
from PIL import Image

from adafm_jax.data import known
from adafm_jax.degrade import level as levels
from adafm_jax.degrade import resize
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.errors import UserError


def random_image(channels=3):
  generator = np.random.default_rng(0)
  coarse = generator.integers(0, 256, (8, 6, channels)).astype(np.uint8)
  return np.kron(coarse, np.ones((4, 5, 1), np.uint8))[:31, :29]


def assert_8_bit(image):
  assert image.dtype == np.float32
  steps = image.astype(np.float64) * 255
  np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
  assert steps.min() >= 0
  assert steps.max() < 255.001


def test_denoise_draws_repeatable_noise_per_name():
  image = random_image()
  degrade = Degradation('denoise').apply
  noisy = degrade(image, 25, seed=3, name='a')
  assert_8_bit(noisy)
  np.testing.assert_array_equal(noisy, degrade(image, 25, seed=3, name='a'))
  assert np.abs(noisy - degrade(image, 25, seed=3, name='b')).max() > 0.1
  assert np.abs(noisy - degrade(image, 25, seed=4, name='a')).max() > 0.1


def test_float_noise_leaves_the_range():
  image = random_image()
  noisy = Degradation('denoise', noise='float').apply(image, 75)
  assert noisy.dtype == np.float32
  assert noisy.min() < -0.1
  assert noisy.max() > 1.1
  error = (noisy - image / 255) * 255
  assert error.std() == pytest.approx(75, rel=0.05)


@pytest.mark.parametrize(('channels', 'mode'), [(1, 'L'), (3, 'RGB')])
def test_dejpeg_is_pillows_jpeg(channels, mode):
  image = random_image(channels)
  buffer = io.BytesIO()
  pillow = Image.fromarray(np.squeeze(image))
  assert pillow.mode == mode
  pillow.save(buffer, 'JPEG', quality=20)
  expected = np.array(Image.open(buffer)).reshape(image.shape)
  degraded = Degradation('dejpeg').apply(image, 20)
  assert_8_bit(degraded)
  np.testing.assert_allclose(degraded, expected / 255, atol=1e-7)
  assert np.abs(expected / 255 - image / 255).max() > 0.02


@pytest.mark.parametrize('scale', [2, 3.4])
def test_sr_rounds_once_after_shrinking_and_enlarging(scale):
  image = random_image()
  small = resize.imresize(image, 1 / scale)
  large = resize.imresize(small, scale)[:31, :29]
  degraded = Degradation('sr').apply(image, scale)
  assert_8_bit(degraded)
  error = degraded.astype(np.float64) * 255 - np.clip(large, 0, 255)
  assert np.abs(error).max() < 0.5 + 1e-4


def test_every_task_has_a_degradation_and_a_protocol():
  image = random_image()
  degraded = [Degradation(task).apply(image, 4) for task in levels.TASKS]
  for one, other in itertools.combinations(degraded, 2):
    assert np.abs(one - other).max() > 0.01
  assert known.USUAL.keys() == levels.TASKS.keys()


def test_only_noise_can_be_drawn_per_crop():
  whole = {task: Degradation(task).whole_image for task in levels.TASKS}
  assert whole == {'denoise': False, 'dejpeg': True, 'sr': True}


@pytest.mark.parametrize(
  ('task', 'noise', 'level', 'message'),
  [
    ('blur', 'clipped', 1, 'Unknown task'),
    ('denoise', 'rounded', 1, "'clipped', 'float'"),
    ('denoise', 'clipped', 256, 'from 0 to 255'),
    ('dejpeg', 'clipped', 50.5, 'whole number'),
    ('sr', 'clipped', 0.5, 'from 1 to 16'),
  ],
)
def test_mistakes_are_reported(task, noise, level, message):
  with pytest.raises(UserError, match=message):
    Degradation(task, noise).apply(random_image(), level)


@pytest.mark.parametrize('task', ['denoise', 'dejpeg', 'sr'])
def test_floats_are_refused(task):
  image = np.full((8, 8, 3), 0.5, np.float32)
  with pytest.raises(UserError, match='as uint8, 0 to 255, not as float32'):
    Degradation(task).apply(image, 20)

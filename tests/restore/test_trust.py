"""A strength that can be trusted: every released model, or a small one.

What a slider promises: its zero is the start model, it moves the picture
smoothly, more of it leaves less noise, and masks and tiles leave no trace.
"""

import functools

import jax
import numpy as np
import pytest
import released
import skimage.data
import tiny_models

from adafm_jax import zoo
from adafm_jax.degrade import level as levels
from adafm_jax.degrade import noise as noises
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine.run import Network
from adafm_jax.model import Model
from adafm_jax.models import restorer

STRENGTHS = np.linspace(0, 1, 101)
SIDE = 48
FLAT = np.full((SIDE, SIDE, 3), (120, 140, 110), np.uint8)


@functools.cache
def _model(name):
  return zoo.load(name) if name else tiny_models.trained_model()


@pytest.fixture(params=released.each() or [''], ids=lambda x: x or 'tiny')
def model(request):
  return _model(request.param)


@functools.cache
def _textured():
  return skimage.data.chelsea()[100:148, 150:198]


def _channels(model, image):
  return image if model.arch.channels == 3 else image[..., :1]


def _degraded(model, level, *, seed=0):
  """A flat and a textured crop [2, SIDE, SIDE, C] at a level, float32."""
  noise = 'float' if model.noise == 'float' else 'clipped'
  degradation = Degradation(model.levels.task, noise)
  images = [_channels(model, x) for x in (FLAT, _textured())]
  return np.stack(
    [degradation.apply(x, level, seed=seed, name=str(x.mean())) for x in images]
  )


def _basic(model):
  """The start model: the same weights without their AdaFM layers."""
  return Model(
    arch=model.arch.basic,
    levels=model.levels,
    params=restorer.backbone(model.params),
  )


@functools.cache
def _swept(model, seed=0):
  """All 101 strengths of the end level's images, unclipped."""
  images = _degraded(model, model.levels.end, seed=seed)
  return np.stack(
    [np.asarray(_apply(model)(model.params, images, s)) for s in STRENGTHS]
  )


@functools.cache
def _apply(model):
  apply = jax.jit(model.apply)
  return lambda params, images, s: apply(
    params, images, np.asarray(s, np.float32)
  )


def _rms(x, axis=None):
  return np.sqrt(np.mean(np.square(x, dtype=np.float64), axis=axis))


def test_strength_0_is_the_start_model_exactly(model):
  start = _basic(model)
  images = _degraded(model, model.levels.start)
  np.testing.assert_array_equal(
    _apply(model)(model.params, images, 0.0),
    _apply(start)(start.params, images, 0.0),
  )
  if model.levels.task != 'sr':
    # Not the flat crop: it is stretched, and its noise is a higher level then.
    textured = images[1:]
    result = model.restore(textured, level=model.levels.start)
    np.testing.assert_array_equal(result, start.restore(textured, strength=0))


def test_the_picture_moves_smoothly_with_the_strength(model):
  images = _degraded(model, model.levels.end)
  outputs = _swept(model)
  whole = _rms(outputs[-1] - outputs[0], axis=(1, 2, 3))
  # A flat crop has noise to lose, but no artefacts and no sharpness to gain.
  first = 0 if model.levels.task == 'denoise' else 1
  assert (whole[first:] > 2e-3).all()
  steps = _rms(np.diff(outputs, axis=0), axis=(2, 3, 4))
  # No step stands out of the hundred: measured up to 1.9 times the mean.
  most = 3 * steps.mean(axis=0)
  # Where nothing is to be changed, a fortieth of a step of 255 is none.
  most[:first] = np.maximum(most[:first], 1e-4)
  assert (steps.max(axis=0) < most).all()
  # No jump hides between two strengths: less of a step, less of a change.
  for strength in (0.0, 0.37, 0.9):
    here = _apply(model)(model.params, images, strength)
    slopes = [
      _rms(_apply(model)(model.params, images, strength + h) - here) / h
      for h in (1e-1, 1e-2, 1e-3)
    ]
    assert max(slopes) < 1.6 * min(slopes)


def test_residual_noise_falls_with_the_strength(model):
  if model.levels.task != 'denoise':
    pytest.skip('noise is what denoisers take away')
  end = model.levels.end
  # Two draws of noise on one picture differ by noise alone.
  first, second = (_swept(model, seed=seed) for seed in (0, 1))
  left = _rms(first - second, axis=(2, 3, 4)) / np.sqrt(2)
  before = _rms(
    _degraded(model, end, seed=0) - _degraded(model, end, seed=1),
    axis=(1, 2, 3),
  ) / np.sqrt(2)
  assert (left[0] < before).all()
  assert (left[-1] < 0.9 * left[0]).all()
  drops = left[:-1] - left[1:]
  whole = left[0] - left[-1]
  rise = left - np.minimum.accumulate(left, axis=0)
  # On the flat crop any rise stays below what rounding to 8 bits adds; a
  # 64 x 16 network's, from strength 0.94 to 1, was 0.11.
  assert 255 * rise[:, 0].max() < np.sqrt(1 / 12)
  # On texture two results differ by more than noise: a trained model's rose
  # by 1.2 % of the whole fall, from strength 0.91 to 1.
  assert (rise.max(axis=0) < 0.02 * whole).all()
  # No spike: no hundredth takes away over 5 hundredths of all.
  assert (drops.max(axis=0) < 0.05 * whole).all()


def _masked(model, images, maps, **options):
  network = Network(model.arch, model.params, **options)
  return network.restore(images, maps.astype(np.float32))


def test_the_border_of_a_mask_shows_no_seam(model):
  """Across it, a picture goes from one side's result to the other's."""
  images = _degraded(model, _middle(model))
  ends = [
    np.asarray(_apply(model)(model.params, images, s)) for s in (0.0, 1.0)
  ]
  low, high = np.minimum(*ends), np.maximum(*ends)
  assert _rms(high - low) > 5e-3
  half = SIDE // 2
  mask = np.zeros((2, SIDE, SIDE))
  mask[:, :, half:] = 1
  mixed = _masked(model, images, mask)
  joined = np.concatenate([ends[0][:, :, :half], ends[1][:, :, half:]], axis=2)
  np.testing.assert_allclose(mixed, joined, atol=5e-6)
  ramp = np.clip((np.arange(SIDE) - 20) / 9, 0, 1)  # ten values, interpolated
  soft = _masked(model, images, np.broadcast_to(ramp, (2, SIDE, SIDE)))
  np.testing.assert_allclose(soft[:, :, :21], ends[0][:, :, :21], atol=5e-6)
  np.testing.assert_allclose(soft[:, :, 29:], ends[1][:, :, 29:], atol=5e-6)
  for column in range(21, 29):
    alone = _apply(model)(model.params, images, ramp[column])
    error = _rms(soft[:, :, column] - np.asarray(alone)[:, :, column])
    assert error < 2 / 255


def _middle(model):
  level = model.levels.level(0.5)
  return round(level) if levels.TASKS[model.levels.task].whole else level


def test_a_soft_mask_is_the_picture_at_each_strength(model):
  images = _degraded(model, model.levels.end)
  mask = np.random.default_rng(0).random((2, SIDE, SIDE))
  mixed = _masked(model, images, mask)
  swept = _swept(model)
  nearest = np.rint(mask * 100).astype(int)[None, ..., None]
  expected = np.take_along_axis(swept, nearest, axis=0)[0]
  # Interpolated between eighths; measured 1.2 of 255 at most.
  assert _rms(mixed - expected) < 2 / 255
  assert _rms(mixed - swept[50]) > 2 * _rms(mixed - expected)


def test_a_constant_mask_is_the_scalar(model):
  images = _degraded(model, model.levels.end)
  for strength in (0.0, 0.3, 1.0):
    scalar = _apply(model)(model.params, images, strength)
    mask = np.full((2, SIDE, SIDE), strength, np.float32)
    masked = _masked(model, images, mask)
    np.testing.assert_allclose(masked, scalar, atol=5e-6)
    # And so does the network's own map, in one pass.
    for given in (mask, mask[:, ::2, ::2]):
      by_map = _apply(model)(model.params, images, given)
      np.testing.assert_allclose(by_map, scalar, atol=5e-6)


def test_tiles_leave_no_trace(model):
  images = _degraded(model, model.levels.end)
  images = np.tile(images, (1, 1, 2, 1))[:, :41, :85]
  strength = np.array([0.4, 1.0])
  whole = Network(model.arch, model.params).restore(images, strength)
  tiled = Network(model.arch, model.params, side=32).restore(images, strength)
  np.testing.assert_allclose(tiled, whole, atol=5e-6)


def test_the_noise_of_this_test_is_that_of_training():
  first = noises.add_noise_numpy(FLAT, 50, clipped=False, seed=0, name='a')
  assert abs(_rms(first - FLAT / 255) * 255 - 50) < 1.5

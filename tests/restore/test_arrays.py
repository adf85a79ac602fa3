import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_models

import adafm_jax
from adafm_jax.degrade import colour, resize
from adafm_jax.degrade.level import LevelRange
from adafm_jax.engine import plan
from adafm_jax.errors import UserError
from adafm_jax.model import Model

MODEL = tiny_models.random_model()
LUMA = tiny_models.random_model('dejpeg', channels=1)
SCALER = tiny_models.random_model('sr')


def _image(*shape, seed=0):
  return np.random.default_rng(seed).random(shape, np.float32)


def _plain(model, image, strength):
  """The network alone, on [H, W, C]."""
  strength = np.float32(strength)
  return np.asarray(model.apply(model.params, image[None], strength)[0])


def test_a_loaded_model_restores(tmp_path):
  path = tmp_path / 'model.safetensors'
  MODEL.save(path)
  model = adafm_jax.load_model(path)
  image = _image(9, 12, 3)
  expected = np.clip(_plain(MODEL, image, model.strength(40)), 0, 1)
  result = model.restore(image, level=40)
  np.testing.assert_allclose(result, expected, atol=1e-6)
  at_strength = model.restore(image, strength=model.strength(40))
  np.testing.assert_array_equal(result, at_strength)


@pytest.mark.parametrize(
  ('dtype', 'peak'),
  [
    ('uint8', 255),
    ('uint16', 65535),
    ('float16', 1),
    ('float32', 1),
    ('float64', 1),
  ],
)
@pytest.mark.parametrize(
  'shape', [(9, 12), (9, 12, 1), (9, 12, 3), (2, 8, 6, 3)]
)
def test_the_result_is_of_the_image_s_kind(dtype, peak, shape):
  image = _image(*shape) * peak
  image = image.astype(dtype) if peak == 1 else np.rint(image).astype(dtype)
  result = MODEL.restore(image, strength=0.3)
  assert (result.shape, result.dtype) == (shape, np.dtype(dtype))
  stack = image.astype(np.float64).reshape(-1, *shape[-2:], 1)
  if shape[-1] in (1, 3):
    stack = image.astype(np.float64).reshape(-1, *shape[-3:])
  colours = np.broadcast_to(stack / peak, (*stack.shape[:-1], 3))
  for i, one in enumerate(colours.astype(np.float32)):
    expected = _plain(MODEL, one, 0.3)
    if stack.shape[-1] == 1:
      expected = expected.mean(axis=-1, keepdims=True)
    expected = np.clip(expected, 0, 1) * peak
    got = result.reshape(stack.shape)[i].astype(np.float64)
    slack = 0.5 + 1e-2 if peak > 1 else (1e-3 if dtype == 'float16' else 1e-6)
    assert np.abs(got - expected).max() <= slack


def test_jax_in_jax_out():
  image = _image(8, 6, 3)
  for dtype in ('float32', 'bfloat16', 'uint8'):
    scaled = image * 255 if dtype == 'uint8' else image
    given = jnp.asarray(scaled).astype(dtype)
    result = MODEL.restore(given, strength=1)
    assert isinstance(result, jax.Array)
    assert (result.shape, result.dtype) == (given.shape, given.dtype)
    expected = MODEL.restore(np.asarray(given), strength=1)
    np.testing.assert_array_equal(np.asarray(result), expected)


def test_float_results_are_clipped_and_noise_is_not_cut_before():
  noisy = _image(8, 8, 3) * 2 - 0.5
  result = MODEL.restore(noisy, strength=0.5)
  np.testing.assert_allclose(
    result, np.clip(_plain(MODEL, noisy, 0.5), 0, 1), atol=1e-6
  )


def test_each_image_has_its_level():
  images = _image(3, 8, 10, 3)
  levels = [15, 40, 75]
  together = MODEL.restore(images, level=levels)
  for image, level, result in zip(images, levels, together, strict=True):
    np.testing.assert_allclose(
      MODEL.restore(image, level=level), result, atol=1e-6
    )
  assert np.abs(together - MODEL.restore(images, level=15)).max() > 1e-3


def test_equal_noise_in_all_channels_counts_for_more():
  grey = _image(8, 10)
  for level, served in ((20, 20 * 3**0.5), (50, 75)):  # 75 is the end
    expected = MODEL.restore(grey, strength=MODEL.strength(served))
    np.testing.assert_array_equal(MODEL.restore(grey, level=level), expected)
    swept = MODEL.sweep(grey, levels=[level])[0]
    np.testing.assert_allclose(swept, expected, atol=2e-6)
  # It is about noise: not about JPEG, nor a network of one channel.
  image = _image(8, 10, 1)
  for model, level in ((LUMA, 20), (SCALER, 3)):
    options = {'level': level} if model is SCALER else {}
    np.testing.assert_array_equal(
      model.restore(image, level=level),
      model.restore(image, strength=model.strength(level), **options),
    )


def test_little_memory_and_tiles_change_nothing():
  images = _image(3, 21, 34, 3)
  mask = _image(3, 21, 34)
  expected = MODEL.restore(images, strength=0.7, mask=mask)
  one = plan.whole_bytes(MODEL.arch, 21, 34)
  for options in ({'memory': one}, {'memory': f'{one} B'}, {'tile': 16}):
    result = MODEL.restore(images, strength=0.7, mask=mask, **options)
    np.testing.assert_allclose(result, expected, atol=2e-6)


@pytest.mark.parametrize('dtype', ['float32', 'uint8', 'bool'])
def test_a_mask_multiplies_the_strength_of_each_pixel(dtype):
  image = _image(8, 10, 3)
  steps = np.random.default_rng(1).integers(0, 6, (8, 10))  # fifths
  mask = {
    'float32': (steps / 5).astype(np.float32),
    'uint8': (steps * 51).astype(np.uint8),
    'bool': steps > 2,
  }[dtype]
  factors = [0, 1] if dtype == 'bool' else np.arange(6) / 5
  index = mask.astype(int) if dtype == 'bool' else steps
  swept = MODEL.sweep(image, strengths=0.8 * np.array(factors))
  expected = np.take_along_axis(swept, index[None, ..., None], axis=0)[0]
  result = MODEL.restore(image, strength=0.8, mask=mask)
  np.testing.assert_allclose(result, expected, atol=2e-6)


def test_a_luma_model_keeps_the_chroma():
  image = np.rint(_image(10, 8, 3) * 20 + 110).astype(np.uint8)
  result = LUMA.restore(image / 255, level=20)
  before = colour.rgb_to_ycbcr(image)
  y = (before[..., :1] / 255).astype(np.float32)
  after = colour.rgb_to_ycbcr(result * 255)
  np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=1e-3)
  expected = _plain(LUMA, y, LUMA.strength(20))[..., 0] * 255
  np.testing.assert_allclose(after[..., 0], expected, atol=1e-3)


def test_any_scale_gives_its_size():
  image = np.rint(_image(10, 13, 3) * 255).astype(np.uint8)
  result = SCALER.restore(image, level=3.4)
  assert (result.shape, result.dtype) == ((34, 45, 3), np.uint8)
  large = np.clip(resize.imresize(image / 255, 3.4), 0, 1).astype(np.float32)
  expected = _plain(SCALER, large, SCALER.strength(3.4))
  expected = np.rint(np.clip(expected, 0, 1) * 255)
  assert np.abs(result - expected).max() <= 1  # 0.5 may round either way
  assert np.mean(result != expected) < 0.01
  other = SCALER.restore(image, level=3.4, strength=0)
  assert other.shape == result.shape
  assert np.abs(other.astype(int) - result).max() > 1


def test_masks_of_both_sizes_serve_a_scale():
  image = _image(8, 40, 3)
  small = np.zeros((8, 40), np.float32)
  small[:, 20:] = 1
  large = np.kron(small, np.ones((2, 2), np.float32))
  by_small = SCALER.restore(image, level=2, strength=1, mask=small)
  by_large = SCALER.restore(image, level=2, strength=1, mask=large)
  # They differ where the small one is blurred, about the border alone.
  np.testing.assert_allclose(by_small[:, :2], by_large[:, :2], atol=1e-5)
  whole = SCALER.restore(image, level=2, strength=1)
  assert np.abs(by_large - whole).max() > 1e-3


def test_a_sweep_is_every_strength():
  for image in (_image(7, 9, 3), np.uint8(255 * _image(2, 6, 8, 3))):
    levels = [15, 30, 75]
    swept = MODEL.sweep(image, levels=levels)
    assert (swept.shape, swept.dtype) == ((3, *image.shape), image.dtype)
    slack = 1 if image.dtype == np.uint8 else 1e-6
    for result, level in zip(swept, levels, strict=True):
      alone = MODEL.restore(image, level=level)
      assert np.abs(result.astype(float) - alone).max() <= slack
    by_strength = MODEL.sweep(image, strengths=[MODEL.strength(30)])
    assert np.abs(by_strength[0].astype(float) - swept[1]).max() <= slack


def test_a_sweep_in_little_memory_is_the_same():
  image = _image(2, 9, 12, 3)
  strengths = np.linspace(0, 1, 5)
  expected = MODEL.sweep(image, strengths=strengths)
  one = plan.whole_bytes(MODEL.arch, 9, 12)
  for memory in (4 * one, one):
    result = MODEL.sweep(image, strengths=strengths, memory=memory)
    np.testing.assert_allclose(result, expected, atol=2e-6)


def test_a_scale_is_swept_by_strength():
  image = _image(6, 7, 3)
  swept = SCALER.sweep(image, strengths=[0, 1], level=3)
  assert swept.shape == (2, 18, 21, 3)
  np.testing.assert_allclose(
    swept[1], SCALER.restore(image, level=3, strength=1), atol=1e-6
  )


def test_apply_is_pure_inside_jit_and_grad():
  image = _image(1, 6, 8, 3)
  # Along what strength changes, the slope stands out of float rounding.
  weights = MODEL.sweep(image, strengths=[0, 1])
  weights = 100 * (weights[1] - weights[0])

  @jax.jit
  def loss(params, strength):
    return jnp.vdot(MODEL.apply(params, image, strength), weights)

  grads = jax.grad(loss, argnums=(0, 1))(MODEL.params, 0.5)
  step = 0.01
  difference = loss(MODEL.params, 0.5 + step) - loss(MODEL.params, 0.5 - step)
  np.testing.assert_allclose(grads[1], difference / (2 * step), rtol=2e-2)
  assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(grads[0]))
  assert loss._cache_size() == 1  # strengths are no constants
  by_method = jax.jit(MODEL.apply)(MODEL.params, image, 0.5)
  np.testing.assert_allclose(
    jnp.vdot(by_method, weights), loss(MODEL.params, 0.5), rtol=1e-5
  )


@pytest.mark.parametrize(
  ('model', 'image', 'options', 'words'),
  [
    (MODEL, (4, 4, 3), {}, 'Give a level'),
    (MODEL, (4, 4, 3), {'level': 80}, 'outside the range'),
    (MODEL, (4, 4, 3), {'level': float('nan')}, 'not a legal'),
    (MODEL, (4, 4, 3), {'level': 'abc'}, "A level must be a number, not 'abc'"),
    (MODEL, (4, 4, 3), {'level': [15, [20]]}, 'A level must be a number'),
    (SCALER, (4, 4, 3), {'level': 'abc'}, 'A level must be a number'),
    (MODEL, (4, 4, 3), {'level': 30, 'strength': 0.1}, 'not both'),
    (MODEL, (4, 4, 3), {'strength': 1.01}, 'must be from 0'),
    (MODEL, (4, 4, 3), {'strength': float('nan')}, 'must be from 0'),
    (MODEL, (4, 4, 3), {'strength': 'a'}, 'must be a number'),
    (MODEL, (4, 4, 3), {'strength': [0.1, 0.2]}, '2 levels or strengths'),
    (MODEL, (4, 4, 4), {'strength': 1}, r'\[4, 4, 4\]'),
    (MODEL, (0, 4, 3), {'strength': 1}, r'\[0, 4, 3\]'),
    (MODEL, (4,), {'strength': 1}, r'\[4\]'),
    (MODEL, (4, 4, 3), {'strength': 1, 'mask': np.ones((4, 5))}, 'mask must'),
    (MODEL, (4, 4), {'strength': 1, 'mask': np.full((4, 4), 2.0)}, '0 to 1'),
    (
      MODEL,
      (4, 4),
      {'strength': 1, 'mask': np.ones((4, 4), int)},
      'The mask m',
    ),
    (MODEL, (4, 4), {'strength': 1, 'mask': np.full((4, 4), np.nan)}, 'mask h'),
    (
      MODEL,
      (4, 4, 3),
      {'strength': 1, 'memory': 'much'},
      "'much' is not a siz",
    ),
    (MODEL, (4, 4, 3), {'strength': 1, 'memory': [1]}, 'not a size'),
    (MODEL, (4, 4, 3), {'strength': 1, 'tile': 15}, 'even number'),
    (MODEL, (4, 4, 3), {'strength': 1, 'tile': 'small'}, 'even number'),
    (LUMA, (4, 4, 3), {'level': 20.5}, 'whole number'),
    (SCALER, (4, 4, 3), {'strength': 1}, 'give one level, the scale'),
    (SCALER, (2, 4, 4, 3), {'level': [2, 3]}, 'give one level, the scale'),
    (SCALER, (4, 4, 3), {'level': 5, 'strength': 1}, 'outside the range'),
  ],
)
def test_mistakes_are_one_sentence(model, image, options, words):
  with pytest.raises(UserError, match=words) as caught:
    model.restore(np.zeros(image, np.float32), **options)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
  ('image', 'words'),
  [
    (np.zeros((4, 4, 3), np.int64), 'not int64'),
    (np.full((4, 4, 3), 128.0), 'reaches 128'),
    (np.linspace(-100, 0.5, 48).reshape(4, 4, 3), 'reaches -100'),
    (np.full((4, 4, 3), np.nan), 'not finite'),
  ],
)
def test_arrays_that_are_no_images(image, words):
  with pytest.raises(UserError, match=words):
    MODEL.restore(image, strength=0)


@pytest.mark.parametrize(
  'work',
  [
    lambda x, image: MODEL.restore(x * image, strength=0),
    lambda x, image: MODEL.restore(image, strength=x),
    lambda x, image: MODEL.restore(image, level=x),
    lambda x, image: MODEL.restore(image, strength=1, mask=x * image[..., 0]),
    lambda x, image: MODEL.sweep(image, strengths=x[None]),
  ],
)
def test_restoring_inside_jit_points_to_apply(work):
  with pytest.raises(UserError, match=r'model\.apply'):
    jax.jit(lambda x: work(x, _image(4, 4, 3)))(0.5)


@pytest.mark.parametrize(
  'work',
  [
    lambda image: MODEL.restore([[[1, 2], [3]]], strength=0),
    lambda image: MODEL.restore(image, strength=0, mask=[[1, 2], [3]]),
    lambda image: MODEL.sweep(image, levels=[15, [20]]),
  ],
)
def test_rows_of_several_lengths_are_a_sentence(work):
  with pytest.raises(UserError, match='has rows of several lengths'):
    work(_image(4, 4, 3))


@pytest.mark.parametrize(
  ('model', 'options', 'words'),
  [
    (MODEL, {}, 'not both'),
    (MODEL, {'levels': [15], 'strengths': [0]}, 'not both'),
    (MODEL, {'levels': []}, 'at least one value'),
    (MODEL, {'levels': ['abc']}, 'A level must be a number'),
    (MODEL, {'levels': [15], 'memory': 'much'}, 'not a size'),
    (MODEL, {'strengths': 0.5}, 'at least one value'),
    (MODEL, {'strengths': [0.5], 'level': 15}, 'super-resolution only'),
    (SCALER, {'levels': [2, 3]}, 'size of its own'),
    (SCALER, {'strengths': [0, 1]}, 'give one level'),
  ],
)
def test_sweeping_mistakes(model, options, words):
  with pytest.raises(UserError, match=words):
    model.sweep(np.zeros((4, 4, 3), np.float32), **options)


def test_a_basic_model_has_one_strength():
  arch = MODEL.arch.basic
  params = {
    name: {k: v for k, v in layer.items() if 'adafm' not in k}
    for name, layer in MODEL.params.items()
  }
  basic = Model(arch=arch, levels=MODEL.levels, params=params)
  image = _image(6, 6, 3)
  np.testing.assert_array_equal(
    basic.restore(image, level=15), MODEL.restore(image, strength=0)
  )
  with pytest.raises(UserError, match='no AdaFM layers'):
    basic.restore(image, strength=0.5)


@pytest.mark.parametrize(('level', 'share'), [(0, 0), (3, 0.12), (8, 0.853333)])
def test_below_the_start_little_grey_noise_fades_by_the_square(level, share):
  grey = _image(8, 10)
  start = MODEL.restore(grey, strength=0)
  found = MODEL.restore(grey, level=level)
  np.testing.assert_allclose(found, grey + share * (start - grey), atol=1e-5)


@pytest.mark.parametrize('level', [10.0, 12.0, 14.99, 15.0, 30.0])
def test_grey_noise_is_served_at_what_it_weighs_from_where_that_is_the_start(
  level,
):
  grey = _image(8, 10)
  expected = MODEL.restore(grey, strength=MODEL.strength(3**0.5 * level))
  assert np.abs(expected - MODEL.restore(grey, strength=0)).max() > 1e-4
  np.testing.assert_array_equal(MODEL.restore(grey, level=level), expected)


def test_weak_jpeg_artefacts_fade_by_the_square():
  luma = tiny_models.random_model('dejpeg', channels=1)
  image = _image(8, 10)
  start = luma.restore(image, strength=0)
  found = luma.restore(image, level=90)  # half of what quality 80 has
  np.testing.assert_allclose(found, image + (start - image) / 4, atol=1e-5)


@pytest.mark.parametrize(
  ('level', 'gain', 'served'), [(5, 5, 25), (60, 1.25, 75), (75, 1, 75)]
)
def test_noise_is_stretched_with_a_picture_and_no_further_than_the_end(
  level, gain, served
):
  image = _image(20, 20, 3) / 5 + np.float32(0.3)
  low, high = np.quantile(image, (0.001, 0.999))
  gain = gain / 5 / (high - low) if served == 25 else gain
  seen = (image - low) * gain if gain > 1 else image
  strength = MODEL.strength(level * gain if served == 25 else served)
  expected = (
    image + (_plain(MODEL, seen.astype(np.float32), strength) - seen) / gain
  )
  found = MODEL.restore(image, level=level)
  np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-5)
  np.testing.assert_array_equal(
    MODEL.sweep(image, levels=[20, level])[1], found
  )


@pytest.mark.parametrize(
  ('task', 'ends', 'level', 'share'),
  [
    ('denoise', (75, 15), 8, 8 / 15),
    ('denoise', (75, 15), 0, 0),
    ('dejpeg', (10, 80), 90, 1 / 4),
    ('dejpeg', (10, 80), 100, 0),
  ],
)
def test_a_model_of_weaker_and_weaker_levels_fades_beyond_its_end(
  task, ends, level, share
):
  model = tiny_models.random_model(task)
  model = dataclasses.replace(model, levels=LevelRange(task, *ends), curve=None)
  image = _image(8, 10, 3)
  end = model.restore(image, strength=1)
  found = model.restore(image, level=level)
  np.testing.assert_allclose(found, image + share * (end - image), atol=1e-5)
  with pytest.raises(UserError, match='outside the range'):
    model.restore(image, level=80 if task == 'denoise' else 5)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_models

from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from adafm_jax.models import strength as strengths

HEIGHT, WIDTH = 9, 14  # odd and not square
HALF = (5, 7)


def _network(kernel):
  return tiny_models.authors_network(kernel, blocks=1, trunk=True)[1:]


ARCH, PARAMS = _network(3)
LAYERS = 3
APPLY = jax.jit(restorer.make_apply(ARCH))
IMAGE = np.random.default_rng(0).random((2, HEIGHT, WIDTH, 3), np.float32)


def _run(strength):
  return np.asarray(APPLY(PARAMS, IMAGE, np.asarray(strength, np.float32)))


def _check_same(actual, expected):
  np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize(
  'shape',
  [
    (1,),
    (2,),
    (2, HEIGHT, WIDTH),
    (1, *HALF),
    (2, *HALF),
    (LAYERS, 1),
    (LAYERS, 2),
    (LAYERS, 2, HEIGHT, WIDTH),
    (1, 2, *HALF),
    (LAYERS, 1, *HALF),
  ],
)
def test_a_constant_of_any_form_equals_the_scalar(shape):
  assert ARCH.adafm_layers == LAYERS
  expected = _run(0.6)
  assert np.abs(expected - _run(0.5)).max() > 0.01
  _check_same(_run(np.full(shape, 0.6)), expected)


def test_maps_per_image_equal_separate_runs():
  maps = np.random.default_rng(1).random((2, HEIGHT, WIDTH))
  together = _run(maps)
  _check_same(together[0], _run(maps[[0, 0]])[0])
  _check_same(together[1], _run(maps[[1, 1]])[1])
  assert np.abs(together - _run(maps[::-1])).max() > 0.01


def test_each_layer_takes_its_own_value():
  # A layer at strength s is that layer's parameters scaled by s, at 1.
  values = np.array([0.1, 0.9, 0.4], np.float32)
  params = jax.tree.map(np.asarray, PARAMS)
  scaled = params | {
    'block_00': {
      **params['block_00'],
      'adafm_1': {k: values[0] * v for k, v in _adafm(params, 1).items()},
      'adafm_2': {k: values[1] * v for k, v in _adafm(params, 2).items()},
    },
    'trunk_adafm': {k: values[2] * v for k, v in params['trunk_adafm'].items()},
  }
  expected = np.asarray(APPLY(scaled, IMAGE, np.float32(1)))
  _check_same(_run(values[:, None]), expected)
  assert np.abs(_run(values[::-1, None]) - expected).max() > 0.01


def _adafm(params, number):
  return params['block_00'][f'adafm_{number}']


def test_a_map_of_two_halves_is_each_strength_far_from_the_border():
  image = np.random.default_rng(2).random((1, 8, 64, 3), np.float32)
  strength = np.zeros((1, 8, 64), np.float32)
  strength[:, :, 32:] = 1
  mixed, start, end = (
    np.asarray(APPLY(PARAMS, image, np.asarray(s, np.float32)))
    for s in (strength, 0.0, 1.0)
  )
  # Behind the first AdaFM layer: a conv, two 3x3 AdaFM layers, trunk and
  # upsampling convs reach 5 pixels of half size; then two convs reach 2.
  reach = 2 * 5 + 2
  _check_same(mixed[:, :, : 32 - reach], start[:, :, : 32 - reach])
  _check_same(mixed[:, :, 32 + reach :], end[:, :, 32 + reach :])
  assert np.abs(start - end)[:, :, : 32 - reach].max() > 0.01
  assert np.abs(start - end)[:, :, 32 + reach :].max() > 0.01


def test_full_resolution_maps_are_averaged_over_two_by_two_pixels():
  maps = np.random.default_rng(3).random((2, HEIGHT, WIDTH))
  got = strengths.spread(maps, LAYERS, IMAGE.shape)
  assert got.shape == (1, 2, *HALF, 1)
  for y, x in np.ndindex(HALF):
    rows = [2 * y, min(2 * y + 1, HEIGHT - 1)]
    columns = [2 * x, min(2 * x + 1, WIDTH - 1)]
    expected = np.mean([maps[:, r, c] for r in rows for c in columns], axis=0)
    np.testing.assert_allclose(got[0, :, y, x, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
  'shape',
  [
    (3,),
    (2, HEIGHT),
    (LAYERS + 1, 2),
    (HEIGHT, WIDTH),
    (2, WIDTH, HEIGHT),
    (2, HEIGHT, HALF[1]),
    (3, HEIGHT, WIDTH),
    (LAYERS, 3, HEIGHT, WIDTH),
    (2, HEIGHT - 1, WIDTH),
    (LAYERS, 2, HEIGHT, WIDTH, 1),
    (0,),
  ],
)
def test_other_shapes_are_user_errors(shape):
  with pytest.raises(UserError) as caught:
    strengths.spread(np.zeros(shape, np.float32), LAYERS, IMAGE.shape)
  text = str(caught.value)
  assert f'shape {shape} does not fit 2 images of 9 x 14' in text
  assert '3 AdaFM layers' in text
  assert len(caught.value.problems) == 1


def test_one_compilation_serves_every_value():
  traces = []
  apply = restorer.make_apply(ARCH)

  @jax.jit
  def counted(strength):
    traces.append(strength.shape)
    return apply(PARAMS, IMAGE, strength)

  outputs = [counted(jnp.float32(s)) for s in (0.0, 0.25, 0.5, 1.0)]
  assert traces == [()]
  changes = np.abs(np.diff(np.stack(outputs), axis=0)).max((1, 2, 3, 4))
  assert (changes > 0.01).all()
  for values in ([0.0, 1.0], [0.3, 0.7]):
    counted(jnp.array(values, jnp.float32))
  assert traces == [(), (2,)]


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('kernel', [1, 3, 5])
def test_strength_zero_is_the_basic_model_bit_for_bit(kernel, dtype):
  arch, params = _network(kernel)
  basic = {k: v for k, v in params.items() if k != 'trunk_adafm'}
  block = params['block_00']
  basic['block_00'] = {k: block[k] for k in ('conv_1', 'conv_2')}
  ours = jax.jit(restorer.make_apply(arch, dtype=dtype))
  reference = jax.jit(restorer.make_apply(arch.basic, dtype=dtype))
  expected = np.asarray(reference(basic, IMAGE, 0.0))
  for zero in (0.0, np.zeros(2, np.float32)):
    actual = np.asarray(ours(params, IMAGE, zero))
    np.testing.assert_array_equal(actual, expected)
  # The basic model knows no strength; AdaFM-Net does.
  assert np.array_equal(reference(basic, IMAGE, 1.0), expected)
  assert np.abs(np.asarray(ours(params, IMAGE, 1.0)) - expected).max() > 0.01

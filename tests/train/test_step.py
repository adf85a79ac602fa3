"""The training step on a network so small that NumPy can differentiate it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from adafm_jax.config.stages import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.train import step as steps

pytestmark = pytest.mark.usefixtures('quick_compile')
KEY = jax.random.key(7)
LABELS = {'learn': 'train', 'freeze': 'freeze'}
PARAMS = {
  'mix': {
    'kernel': np.array(
      [[0.9, 0.1, 0.0], [-0.2, 1.1, 0.3], [0.05, 0.0, 0.7]], np.float32
    ),
    'bias': np.array([0.05, -0.1, 0.02], np.float32),
  }
}


def _apply(params, image, strength):
  """Mixes colours: a linear network of twelve weights."""
  mix = params['mix']
  return jnp.einsum('bhwi,io->bhwo', image, mix['kernel']) + strength * mix[
    'bias'
  ].reshape(1, 1, 1, 3)


def _constants(
  *, labels='learn', points=None, noise='float', devices=1, **stage
):
  fields = {
    'steps': 20,
    'batch': 8,
    'patch': 6,
    'learning_rate': 1e-2,
    'ema': 0.25,
    **stage,
  }
  return steps.StageConstants(
    apply=_apply,
    stage=StageConfig(**fields),
    labels={'mix': {'kernel': LABELS[labels], 'bias': 'train'}},
    points=points or steps.Points.single(25, 0.5),
    noise=noise,
    mesh=Mesh(np.array(jax.devices()[:devices]), ('data',)),
  )


@functools.cache
def _compiled(per_call, **fields):
  """Kept over tests: compiling takes nearly all of their time."""
  constants = _constants(**fields)
  return constants, steps.make_dispatch(constants, KEY, per_call)


def _bank(partners=False):
  rng = np.random.default_rng(1)
  images = [rng.integers(0, 256, (9, 11 + i, 3), np.uint8) for i in range(3)]
  if partners:
    images = [np.concatenate([x, 255 - x], axis=-1) for x in images]
  return jax.tree.map(jnp.asarray, banks.build(images))


def _batch(constants, step):
  """The batch of one step in float64."""
  key = jax.random.fold_in(KEY, step)
  clean, degraded, _ = steps.draw_batch(constants, key, _bank())
  return np.asarray(clean, np.float64), np.asarray(degraded, np.float64)


def _reference_error(constants, params, step):
  clean, degraded = _batch(constants, step)
  mix = params['mix']
  output = degraded @ mix['kernel'] + 0.5 * mix['bias']
  return degraded, output - clean


def _reference_run(constants, count, rates):
  """Adam (Kingma and Ba, algorithm 1) on hand-made gradients, float64."""
  params = jax.tree.map(lambda p: p.astype(np.float64), PARAMS)
  names = ('kernel', 'bias')
  m = {name: np.zeros_like(params['mix'][name]) for name in names}
  v = {name: np.zeros_like(params['mix'][name]) for name in names}
  history = [params]
  for step in range(count):
    degraded, error = _reference_error(constants, params, step)
    slope = np.sign(error) / error.size  # of the mean absolute error
    gradient = {
      'kernel': np.tensordot(degraded, slope, ((0, 1, 2), (0, 1, 2))),
      'bias': 0.5 * slope.sum(axis=(0, 1, 2)),
    }
    moved = {}
    for name in names:
      m[name] = 0.9 * m[name] + 0.1 * gradient[name]
      v[name] = 0.999 * v[name] + 0.001 * gradient[name] ** 2
      m_hat = m[name] / (1 - 0.9 ** (step + 1))
      v_hat = v[name] / (1 - 0.999 ** (step + 1))
      move = rates[step] * m_hat / (np.sqrt(v_hat) + 1e-8)
      frozen = constants.labels['mix'][name] == 'freeze'
      moved[name] = params['mix'][name] - (0 if frozen else move)
    params = {'mix': moved}
    history.append(params)
  return history


def _run(count, *, calls=1, per_call=1, **fields):
  """State and last metrics after `calls` dispatches of `count` steps."""
  constants, dispatch = _compiled(per_call, **fields)
  state = steps.init_state(constants, jax.tree.map(jnp.asarray, PARAMS))
  for _ in range(calls):
    state, metrics = dispatch(state, _bank(), count)
  return jax.device_get((state, metrics))


def _assert_close(actual, wanted, **tolerance):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, **tolerance), actual, wanted
  )


def _assert_equal(actual, wanted):
  jax.tree.map(np.testing.assert_array_equal, actual, wanted)


@pytest.mark.parametrize('labels', LABELS)
def test_steps_equal_adam_in_numpy(labels):
  constants = _constants(labels=labels)
  state, _ = _run(4, labels=labels)
  history = _reference_run(constants, 4, [1e-2] * 4)
  # A step moves weights by about 1e-2; agreement is to 1e-4 of that.
  _assert_close(state.params, history[-1], rtol=0, atol=1e-6)
  assert state.step == 4


def test_learning_rate_of_the_first_step_is_that_of_step_zero():
  constants = _constants(warmup=2, learning_rate=0.02)
  state, _ = _run(3, warmup=2, learning_rate=0.02)
  history = _reference_run(constants, 3, [0.0, 0.01, 0.02])
  _assert_close(state.params, history[-1], rtol=0, atol=2e-6)


def test_metrics_are_means_over_pixels_before_each_step():
  constants = _constants()
  _, metrics = _run(3)
  history = _reference_run(constants, 3, [1e-2] * 3)
  errors = [_reference_error(constants, history[k], k)[1] for k in range(3)]
  assert metrics.steps == 3
  assert metrics.bad_step == -1
  l1 = sum(np.abs(e).mean() for e in errors)
  l2 = sum(np.square(e).mean() for e in errors)
  assert float(metrics.loss) == pytest.approx(l1, rel=1e-5)
  assert float(metrics.mse) == pytest.approx(l2, rel=1e-5)


@pytest.mark.parametrize('labels', LABELS)
def test_average_follows_its_formula_and_frozen_ones_stay_exact(labels):
  constants = _constants(labels=labels)
  state, _ = _run(4, labels=labels)
  history = _reference_run(constants, 4, [1e-2] * 4)
  average = history[0]
  for step, params in enumerate(history[1:]):
    decay = min(0.25, (1 + step) / (10 + step))  # 0.1, 0.18, 0.25, 0.25
    average = jax.tree.map(
      lambda e, p, d=decay: d * e + (1 - d) * p, average, params
    )
  _assert_close(state.ema, average, rtol=0, atol=1e-6)
  assert np.abs(
    state.ema['mix']['bias'] - state.params['mix']['bias']
  ).max() > (1e-4)
  if labels == 'freeze':
    _assert_equal(state.ema['mix']['kernel'], PARAMS['mix']['kernel'])
    _assert_equal(state.params['mix']['kernel'], PARAMS['mix']['kernel'])


def test_average_turned_off_is_empty():
  state, _ = _run(1, ema=0.0)
  assert state.ema == {}


@pytest.mark.parametrize('per_call', [1, 10])
def test_one_dispatch_of_six_steps_is_six_of_one(per_call):
  together, _ = _run(6, per_call=per_call)
  apart, _ = _run(1, calls=6, per_call=per_call)
  split, _ = _run(3, calls=2, per_call=per_call)
  _assert_equal(together, apart)
  _assert_equal(together, split)


def test_looping_on_the_device_is_the_same_to_rounding():
  one, one_metrics = _run(6)
  many, many_metrics = _run(6, per_call=10)
  _assert_close(many, one, rtol=1e-5, atol=1e-6)
  _assert_close(many_metrics, one_metrics, rtol=1e-5)


def test_the_first_step_whose_loss_is_not_finite_is_reported():
  state, metrics = _run(5, learning_rate=1e38)
  # The first step's loss is fine; its update takes the next one's out of range.
  assert metrics.bad_step == 1
  assert not np.isfinite(metrics.loss)
  assert state.step == 5
  _, later = _run(5, calls=2, learning_rate=1e38)
  assert later.bad_step == 5


def test_batches_depend_on_the_step_and_seed_alone():
  constants = _constants()
  clean, degraded = _batch(constants, 3)
  again = _batch(_constants(learning_rate=0.5, devices=8), 3)
  _assert_equal((clean, degraded), again)
  for other in (_batch(constants, 4), _batch(constants, 2)):
    assert np.mean(other[0] != clean) > 0.5
    # The noise is new as well, not only the places.
    assert (
      abs(
        np.corrcoef((other[1] - other[0]).ravel(), (degraded - clean).ravel())[
          0, 1
        ]
      )
      < 0.1
    )


def test_no_two_draws_of_a_step_share_a_key(monkeypatch):
  used = {'randint': [], 'normal': [], 'bernoulli': []}

  def record(name):
    real = getattr(jax.random, name)

    def recorded(key, *args, **options):
      used[name].append(tuple(jax.random.key_data(key).tolist()))
      return real(key, *args, **options)

    monkeypatch.setattr(jax.random, name, recorded)

  for name in used:
    record(name)
  constants = _constants(points=POINTS, noise='both')
  steps.draw_batch(constants, KEY, _bank())
  assert all(used.values())
  keys = [key for each in used.values() for key in each]
  assert len(set(keys)) == len(keys)


def test_noise_has_the_stages_level_and_stays_unclipped():
  constants = _constants(batch=64)
  clean, degraded = _batch(constants, 0)
  noise = degraded - clean
  assert noise.std() * 255 == pytest.approx(25.0, rel=0.03)
  assert abs(noise.mean()) * 255 < 1.0
  assert degraded.min() < 0
  assert degraded.max() > 1


def test_clipped_noise_makes_8_bit_images():
  clean, degraded = _batch(_constants(batch=64, noise='clipped'), 0)
  for batch in (clean, degraded):
    np.testing.assert_allclose(batch * 255, np.rint(batch * 255), atol=1e-4)
    assert batch.min() >= 0
    assert batch.max() <= 1
  middle = (clean > 0.4) & (clean < 0.6)
  assert (degraded - clean)[middle].std() * 255 == pytest.approx(25, rel=0.05)


def test_partners_are_what_is_restored():
  constants = _constants(noise=None)
  clean, degraded, _ = steps.draw_batch(constants, KEY, _bank(partners=True))
  assert clean.shape == degraded.shape == (8, 6, 6, 3)
  np.testing.assert_allclose(degraded, 1 - np.asarray(clean), atol=1e-6)


POINTS = steps.Points(*np.array([[5, 60], [0.2, 0.8], [2, 0.5]], np.float32))


def test_each_patch_has_the_noise_of_its_point():
  constants = _constants(points=POINTS, batch=64)
  clean, degraded, which = steps.draw_batch(constants, KEY, _bank())
  which = np.asarray(which)
  assert 16 < which.sum() < 48
  spread = np.asarray(degraded - clean).std(axis=(1, 2, 3)) * 255
  for index, sigma in enumerate(POINTS.level):
    measured = np.sqrt(np.mean(spread[which == index] ** 2))
    assert measured == pytest.approx(sigma, rel=0.05)


def test_each_patch_comes_with_the_partner_of_its_point():
  rng = np.random.default_rng(2)
  images = [rng.integers(0, 200, (9, 11, 3), np.uint8) for _ in range(3)]
  bank = banks.build(
    [np.concatenate([x, x + 10, x + 50], axis=-1) for x in images]
  )
  constants = _constants(points=POINTS, noise=None)
  clean, degraded, which = steps.draw_batch(
    constants, KEY, jax.tree.map(jnp.asarray, bank)
  )
  assert len(set(which.tolist())) == 2
  offset = np.asarray(degraded - clean).mean(axis=(1, 2, 3)) * 255
  np.testing.assert_allclose(offset, np.where(which, 50, 10), atol=1e-3)


@pytest.mark.parametrize(('loss', 'power'), [('l1', 1), ('l2', 2)])
def test_points_weigh_the_errors_and_set_the_strength(loss, power):
  constants = _constants(points=POINTS, learning_rate=0.0, loss=loss)
  params = {'mix': {'kernel': jnp.eye(3), 'bias': jnp.full(3, 0.1)}}

  def apply(params, image, strength):
    bias = params['mix']['bias'].reshape(1, 1, 1, 3)
    return image + strength.reshape(-1, 1, 1, 1) * bias

  constants = dataclasses.replace(constants, apply=apply)
  state = steps.init_state(constants, params)
  _, found, _ = steps.train_step(constants, KEY, _bank(), state)
  step_key = jax.random.fold_in(KEY, 0)
  clean, degraded, which = steps.draw_batch(constants, step_key, _bank())
  error = np.asarray(degraded, np.float64) - np.asarray(clean)
  error += 0.1 * POINTS.strength[which].reshape(-1, 1, 1, 1)
  error *= POINTS.weight[which].reshape(-1, 1, 1, 1)
  wanted = np.mean(np.abs(error) ** power)
  assert float(found) == pytest.approx(wanted, rel=1e-5)

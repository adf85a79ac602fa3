import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny_models

from adafm_jax.config.stages import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import optim
from adafm_jax.train import step as steps

pytestmark = pytest.mark.usefixtures('quick_compile')
ARCH = Architecture(features=4, blocks=1, kernel=3, placement='block+trunk')


def _shapes(arch=ARCH):
  return restorer.parameter_shapes(arch)


@functools.cache
def _params():
  """Random NumPy arrays, AdaFM at identity: compiles nothing."""
  rng = np.random.default_rng(0)

  def draw(path, shape):
    scale = 0.0 if 'adafm' in optim.path_name(path) else 0.2
    return rng.normal(0, scale, shape.shape).astype(np.float32)

  return jax.tree_util.tree_map_with_path(draw, _shapes())


def _labels(arch=ARCH):
  stage = 'adapt' if arch.kernel else 'basic'
  return optim.label_parameters(_shapes(arch), optim.STAGE_RULES[stage])


def _flat(tree):
  return {
    optim.path_name(path): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


@pytest.mark.parametrize('placement', ['block', 'block+trunk', 'activation'])
def test_labels_freeze_all_but_adafm(placement):
  arch = dataclasses.replace(ARCH, placement=placement)
  labels = _flat(_labels(arch))
  assert set(labels) == set(_flat(_shapes(arch)))
  for name, label in labels.items():
    assert label == ('train' if 'adafm' in name else 'freeze')
  trained = [name for name, label in labels.items() if label == 'train']
  assert len(trained) == 2 * arch.adafm_layers


def test_basic_stage_trains_everything():
  assert set(_flat(_labels(ARCH.basic)).values()) == {'train'}


def test_a_parameter_no_rule_covers_is_an_error():
  params = {**_shapes(), 'extra': {'kernel': jnp.zeros(3)}}
  with pytest.raises(ValueError, match='covers the parameter extra/kernel'):
    optim.label_parameters(params, optim.STAGE_RULES['adapt'])


def test_patterns_match_whole_names_only():
  params = {**_shapes(), 'retail': {'kernel': jnp.zeros(3)}}
  with pytest.raises(ValueError, match='retail/kernel'):
    optim.label_parameters(params, optim.STAGE_RULES['adapt'])


def test_a_rule_that_matches_nothing_is_an_error():
  with pytest.raises(ValueError, match='matches no parameter'):
    optim.label_parameters(_shapes(ARCH.basic), optim.STAGE_RULES['adapt'])


@pytest.mark.parametrize(
  ('fields', 'expected'),
  [
    (  # the paper's
      {},
      {0: 1e-4, 499_999: 1e-4, 500_000: 1e-5, 999_999: 1e-5, 1_000_000: 1e-6},
    ),
    (  # decays are counted from the end of the warm-up
      {'learning_rate': 0.8, 'decay': 0.5, 'decay_every': 10, 'warmup': 4},
      {0: 0.0, 1: 0.2, 3: 0.6, 4: 0.8, 13: 0.8, 14: 0.4, 24: 0.2},
    ),
    (
      {'learning_rate': 0.8, 'decay': 0.0, 'decay_every': 10, 'warmup': 4},
      {0: 0.0, 2: 0.4, 4: 0.8, 13: 0.8, 14: 0.0, 24: 0.0},
    ),
    (
      {'steps': 100, 'learning_rate': 0.4, 'warmup': 10}
      | {'schedule': 'trapezoid'},
      {0: 0.0, 5: 0.2, 10: 0.4, 79: 0.4, 80: 0.4, 90: 0.2, 100: 0.0},
    ),
    (  # 0.2 (1 + cos(pi t)) at t = 0, 1/4, 1/2, 1 after the warm-up
      {'steps': 110, 'learning_rate': 0.4, 'warmup': 10, 'schedule': 'cosine'},
      {0: 0.0, 5: 0.2, 10: 0.4, 35: 0.2 * (1 + 0.5**0.5), 60: 0.2, 110: 0.0},
    ),
  ],
)
def test_schedules(fields, expected):
  rate = optim.schedule(StageConfig(**fields))
  values = [float(rate(step)) for step in expected]
  np.testing.assert_allclose(values, list(expected.values()), 1e-5, 1e-8)


def test_trapezoid_is_constant_until_its_last_fifth():
  assert StageConfig(steps=100, schedule='trapezoid').constant_steps == 80


def test_muon_makes_the_update_of_a_kernel_orthogonal():
  stage = StageConfig(optimizer='muon', learning_rate=0.1)
  arch = Architecture(features=6, blocks=1, kernel=0)
  shapes = _shapes(arch)
  labels = jax.tree.map(lambda _: 'train', shapes)
  optimizer = optim.make_optimizer(stage, labels)
  rng = np.random.default_rng(1)
  params = jax.tree.map(lambda s: jnp.ones(s.shape), shapes)
  grads = jax.tree.map(lambda s: rng.normal(0, 1, s.shape), shapes)
  grads = jax.tree.map(lambda g: jnp.asarray(g, jnp.float32), grads)
  updates, _ = optimizer.update(grads, optimizer.init(params), params)
  for name, update in _flat(updates).items():
    if name.endswith('kernel'):
      matrix = np.asarray(update, np.float64).reshape(-1, update.shape[3])
      singular = np.linalg.svd(matrix, compute_uv=False)
      # Newton and Schulz's five steps bring singular values to 0.7 .. 1.2.
      assert singular.max() / singular.min() < 2, name
      longer = max(matrix.shape) ** 0.5
      assert 0.1 * 0.2 * longer * 0.65 < singular.min(), name
    else:  # the first step of Adam with Nesterov's momentum
      first = 0.1 * (1 + 0.9 * 0.1 / (1 - 0.9**2))
      np.testing.assert_allclose(np.abs(update), first, rtol=1e-3)


@pytest.fixture(scope='module')
def adapt():
  """The adaptation's constants and a bank of four images."""
  images = np.random.default_rng(0).integers(0, 256, (4, 20, 24, 3), np.uint8)
  stage = {'steps': 10, 'batch': 2, 'patch': 12, 'ema': 0.9}
  constants = tiny_models.make_constants(
    restorer.make_apply(ARCH),
    _labels(),
    level=75,
    strength=1,
    learning_rate=1e-2,
    **stage,
  )
  return constants, jax.tree.map(jnp.asarray, banks.build(list(images)))


def test_muon_takes_kernels_of_one_shape_together_and_each_as_alone():
  """Also where shapes repeat out of order, and where leaves are frozen."""
  stage = StageConfig(optimizer='muon', learning_rate=0.1, warmup=0)
  rng = np.random.default_rng(0)
  shapes = {'a': (3, 3, 4, 4), 'b': (4,), 'c': (3, 3, 4, 8), 'd': (3, 3, 4, 4)}
  params = {n: np.zeros(s, np.float32) for n, s in shapes.items()}
  grads = {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}

  def step(names, frozen=()):
    labels = {n: 'freeze' if n in frozen else 'train' for n in names}
    optimizer = optim.make_optimizer(stage, labels)
    own = {n: params[n] for n in names}
    given = {n: grads[n] for n in names}
    return optimizer.update(given, optimizer.init(own), own)[0]

  together = step('abcd')
  for name in 'abcd':
    alone = step(name)[name]
    np.testing.assert_allclose(together[name], alone, rtol=1e-4, atol=1e-6)
  assert np.abs(together['a'] - together['d']).max() > 0.05
  some = step('abcd', frozen='a')
  assert not some['a'].any()
  np.testing.assert_allclose(some['d'], together['d'], rtol=1e-4, atol=1e-6)


def test_frozen_parameters_stay_bit_equal_while_adafm_learns(adapt):
  constants, bank = adapt
  params = _params()
  state = steps.init_state(constants, params)
  dispatch = steps.make_dispatch(constants, jax.random.key(1), 1)
  state, _ = dispatch(state, bank, 5)
  before, after, ema = _flat(params), _flat(state.params), _flat(state.ema)
  for name, label in _flat(constants.labels).items():
    if label == 'freeze':
      np.testing.assert_array_equal(before[name], after[name], err_msg=name)
      np.testing.assert_array_equal(before[name], ema[name], err_msg=name)
    else:
      moved = np.abs(after[name] - before[name])
      assert np.all(moved > 1e-4), name
      assert np.all(moved < 5.1e-2), name


def test_frozen_parameters_have_no_moments(adapt):
  constants, _ = adapt
  state = steps.init_state(constants, _params())
  held = sum(leaf.size for leaf in jax.tree.leaves(state.opt_state))
  # Three AdaFM layers of 4 filters 3x3 with biases: two moments for each
  # weight, and two step counters (Adam's and the schedule's).
  assert held == 2 * 3 * 4 * (9 + 1) + 2


WIDE = Architecture(features=32, blocks=2, kernel=1)


def _flops(constants, bank):
  state = jax.eval_shape(
    functools.partial(steps.init_state, constants), _shapes(WIDE)
  )
  lowered = jax.jit(
    lambda state, bank: steps.train_step(
      constants, jax.random.key(0), bank, state
    )
  ).lower(state, bank)
  return lowered.compile().cost_analysis()['flops']


def test_adaptation_computes_no_weight_gradients(adapt):
  """Of three equal parts (forward, gradient by input and by weight) two stay.

  Convolutions dominate at 32 channels; the gradients by the input also end
  at the first AdaFM layer. Everything trained costs 3 parts, so the share is
  below 2/3; computing the weight gradients would make it 1.
  """
  constants, bank = adapt
  labels = optim.label_parameters(_shapes(WIDE), optim.STAGE_RULES['adapt'])
  constants = dataclasses.replace(
    constants, apply=restorer.make_apply(WIDE), labels=labels
  )
  full = dataclasses.replace(
    constants, labels=jax.tree.map(lambda _: 'train', labels)
  )
  share = _flops(constants, bank) / _flops(full, bank)
  assert 0.6 < share < 0.7


def test_adam_takes_the_configured_b2():
  stage = StageConfig(learning_rate=1.0, b2=0.5)
  optimizer = optim.make_optimizer(stage, {'w': 'train'})
  params = {'w': jnp.zeros(())}
  state = optimizer.init(params)
  for gradient in (1.0, 3.0):
    updates, state = optimizer.update(
      {'w': jnp.float32(gradient)}, state, params
    )
    params = optax.apply_updates(params, updates)
  # The moments are 0.9 * 0.1 + 0.1 * 3, corrected by 1 - 0.81, and
  # 0.5 * 0.5 + 0.5 * 9 (the first one was 0.5 * 1), corrected by 1 - 0.25.
  second = (0.09 + 0.3) / 0.19 / np.sqrt((0.25 + 4.5) / 0.75)
  assert float(params['w']) == pytest.approx(-1.0 - second, rel=1e-6)


def test_description_counts_parameters(adapt):
  constants, _ = adapt
  text = optim.describe(_params(), constants.labels)
  backbone = sum(x.size for x in jax.tree.leaves(_shapes(ARCH.basic)))
  assert text.startswith(f'120 of {backbone + 120:,} parameters are trained')
  assert text.endswith(f'{backbone:,} frozen')

import re

import jax
import numpy as np
import numpy_network
import pytest
import tiny_models

from adafm_jax.errors import UserError
from adafm_jax.model_file import authors
from adafm_jax.models.architecture import Architecture

F, BLOCKS, CHANNELS = 4, 2, 3


def _state(kernel, trunk=False):
  """The authors' names and shapes; random values."""
  return numpy_network.random_state(
    np.random.default_rng(kernel),
    features=F,
    blocks=BLOCKS,
    channels=CHANNELS,
    kernel=kernel,
    trunk=trunk,
  )


@pytest.mark.parametrize(
  ('kernel', 'trunk'),
  [(0, False), (1, False), (3, True), (5, False), (7, True)],
)
def test_there_and_back_is_exact(kernel, trunk):
  state = _state(kernel, trunk)
  arch, params = authors.from_authors(state)
  placement = 'block+trunk' if trunk else 'block'
  assert arch == Architecture(F, BLOCKS, CHANNELS, kernel, placement)
  tiny_models.check_equal(authors.to_authors(params, arch), state)


@pytest.mark.parametrize('placement', ['block', 'block+trunk'])
def test_back_and_there_is_exact(placement):
  arch = Architecture(3, 11, 1, 3, placement)  # two-digit block numbers
  params = tiny_models.random_params(arch)
  again_arch, again = authors.from_authors(authors.to_authors(params, arch))
  assert again_arch == arch
  jax.tree.map(np.testing.assert_array_equal, again, params)


def test_every_axis_goes_where_it_belongs():
  state = _state(5, trunk=True)
  _, params = authors.from_authors(state)
  for ours, theirs in (
    (params['head'], 'model.0'),
    (params['block_01']['conv_2'], 'model.1.sub.1.res.3'),
    (params['trunk'], 'model.1.sub.2'),
    (params['upsample'], 'model.2'),
    (params['hidden'], 'model.5'),
    (params['tail'], 'model.7'),
  ):
    weight = state[f'{theirs}.weight']
    for o, i, y, x in np.ndindex(weight.shape):
      assert ours['kernel'][y, x, i, o] == weight[o, i, y, x]
    np.testing.assert_array_equal(ours['bias'], state[f'{theirs}.bias'])
  for ours, theirs in (
    (params['block_00']['adafm_1'], 'model.1.sub.0.res.1.transformer'),
    (params['block_01']['adafm_2'], 'model.1.sub.1.res.4.transformer'),
    (params['trunk_adafm'], 'model.1.sub.3.transformer'),
  ):
    weight = state[f'{theirs}.weight']
    for c, _, y, x in np.ndindex(weight.shape):
      assert ours['kernel'][y, x, 0, c] == weight[c, 0, y, x]


def test_missing_and_unexpected_names_are_listed():
  state = _state(1)
  del state['model.5.bias'], state['model.1.sub.1.res.4.transformer.weight']
  state |= {'model.9.weight': np.zeros(3), 'epoch': np.zeros(())}
  with pytest.raises(UserError) as caught:
    authors.from_authors(state)
  lacks, unexpected = caught.value.problems
  assert 'model.1.sub.1.res.4.transformer.weight, model.5.bias.' in lacks
  assert 'unexpected entries: epoch, model.9.weight.' in unexpected


def test_long_lists_are_cut():
  state = {k: v for k, v in _state(1).items() if not k.endswith('bias')}
  missing = len(_state(1)) - len(state)
  with pytest.raises(UserError, match=f'and {missing - 8} more'):
    authors.from_authors(state)


@pytest.mark.parametrize('state', [{}, {'conv1.weight': np.zeros((3, 3))}])
def test_other_state_dicts_are_user_errors(state):
  shown = ', '.join(state) or 'no names at all'
  with pytest.raises(UserError, match=f'not a state dict.*{re.escape(shown)}'):
    authors.from_authors(state)


def test_shapes_that_do_not_fit_are_user_errors():
  state = _state(3)
  state['model.7.weight'] = np.zeros((CHANNELS, F + 1, 3, 3))
  with pytest.raises(UserError, match='tail/kernel has shape'):
    authors.from_authors(state)
  state = _state(2)
  with pytest.raises(UserError, match='kernel is 2'):
    authors.from_authors(state)


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'placement': 'activation'}, "'activation' can't be converted"),
    ({'path': 'poly', 'bends': 2}, 'straight paths only.*--path line'),
  ],
)
def test_what_the_authors_network_lacks_is_refused(fields, words):
  arch = Architecture(F, BLOCKS, CHANNELS, 1, **fields)
  with pytest.raises(UserError, match=words):
    authors.to_authors(tiny_models.random_params(arch), arch)


def test_parameters_of_another_architecture_are_user_errors():
  arch, params = authors.from_authors(_state(3))
  with pytest.raises(UserError, match='Tensor block_00/adafm_1/bias is not'):
    authors.to_authors(params, arch.basic)


def test_names_of_dataparallel_are_known():
  state = _state(3, trunk=True)
  parallel = {f'module.{name}': x for name, x in state.items()}
  arch, params = authors.from_authors(parallel)
  tiny_models.check_equal(authors.to_authors(params, arch), state)
  mixed = parallel | {'model.0.bias': state['model.0.bias']}
  with pytest.raises(UserError, match='not a state dict'):
    authors.from_authors(mixed)


def test_a_basic_and_an_adapted_model_are_joined():
  state = _state(5, trunk=True)
  basic = {k: x for k, x in state.items() if 'transformer' not in k}
  layers = {k: x for k, x in state.items() if 'transformer' in k}
  tiny_models.check_equal(authors.join(basic, state), state)
  tiny_models.check_equal(authors.join(basic, layers), state)
  for first, second in ((state, state), (basic, basic), (layers, basic)):
    with pytest.raises(UserError, match='first must be a basic model'):
      authors.join(first, second)
  other = state | {'model.5.bias': state['model.5.bias'] + 1e-7}
  with pytest.raises(UserError, match=r'different backbones.*model\.5\.bias'):
    authors.join(basic, other)
  larger = state | {'model.1.sub.9.res.0.bias': np.zeros(F, np.float32)}
  with pytest.raises(UserError, match=r'different backbones.*sub\.9'):
    authors.join(basic, larger)


def test_names_come_in_the_order_of_the_network():
  state = _state(1, trunk=True)
  arch, params = authors.from_authors(state)
  names = list(authors.to_authors(params, arch))
  assert names[:4] == [
    'model.0.weight',
    'model.0.bias',
    'model.1.sub.0.res.0.weight',
    'model.1.sub.0.res.0.bias',
  ]
  trunk = names.index('model.1.sub.2.weight')
  assert names[trunk:][::2] == [
    'model.1.sub.2.weight',
    'model.1.sub.3.transformer.weight',
    'model.2.weight',
    'model.5.weight',
    'model.7.weight',
  ]

import dataclasses

import jax
import pytest

from adafm_jax.errors import UserError
from adafm_jax.models import parameters, restorer
from adafm_jax.models.architecture import Architecture


@pytest.mark.parametrize(
  ('placement', 'layers'),
  [('block', 32), ('block+trunk', 33), ('activation', 16)],
)
def test_number_of_adafm_layers(placement, layers):
  arch = Architecture(placement=placement)
  assert arch.adafm_layers == layers
  assert arch.basic.adafm_layers == 0
  # However AdaFM layers are placed, the basic model is the same.
  assert arch.basic == Architecture(kernel=0)
  assert dataclasses.replace(arch.basic, kernel=1, placement=placement) == arch


@pytest.mark.parametrize(
  'arch',
  [
    Architecture(8, 2, 1, 1),
    Architecture(8, 2, 3, 5, 'block+trunk'),
    Architecture(8, 2, 3, 1, 'activation'),
  ],
)
def test_arithmetic_is_that_of_the_parameters(arch):
  """Every weight is used once at each place where its conv is computed."""
  params = restorer.init(jax.random.key(0), arch)
  params = parameters.insert_adafm(params, arch)
  expected = 0.0
  for name, value in parameters.flatten(params).items():
    layer, _, leaf = name.rpartition('/')
    if leaf != 'kernel' or (arch.folds and 'adafm' in layer):
      continue
    expected += value.size / (1 if layer in ('hidden', 'tail') else 4)
  assert arch.multiply_adds == expected


def test_json_holds_all_fields_and_comes_back():
  arch = Architecture(32, 4, 1, 5, 'block+trunk', 'hats', 3)
  values = arch.to_json()
  assert values == {
    'features': 32,
    'blocks': 4,
    'channels': 1,
    'kernel': 5,
    'placement': 'block+trunk',
    'path': 'hats',
    'bends': 3,
  }
  assert Architecture.from_json(values) == arch


@pytest.mark.parametrize(
  ('field', 'value', 'right'),
  [
    ('features', 0, '1 or more'),
    ('features', 2.5, 'a whole number'),
    ('blocks', '4', 'a whole number'),
    ('channels', 2, 'one of 1, 3'),
    ('kernel', 2, 'one of 0, 1, 3, 5, 7'),
    ('placement', 'head', 'one of block, block[+]trunk, activation'),
  ],
)
def test_impossible_values_are_user_errors(field, value, right):
  values = Architecture().to_json() | {field: value}
  with pytest.raises(UserError, match=f'model.{field} is {value!r}.*{right}'):
    Architecture.from_json(values)


def test_all_problems_are_reported_at_once():
  values = Architecture().to_json() | {'features': 0, 'channels': 4}
  with pytest.raises(UserError) as caught:
    Architecture.from_json(values)
  assert len(caught.value.problems) == 2


@pytest.mark.parametrize('change', [{'depth': 3}, {'kernel': None}])
def test_unknown_and_missing_fields_are_user_errors(change):
  values = Architecture().to_json()
  if change == {'kernel': None}:
    del values['kernel']
  else:
    values |= change
  with pytest.raises(UserError, match='must have the fields bends, blocks'):
    Architecture.from_json(values)

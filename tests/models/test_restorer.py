import re

import jax
import jax.numpy as jnp
import numpy as np
import numpy_network
import pytest
import tiny_models
from flax import traverse_util

from adafm_jax.errors import UserError
from adafm_jax.models import parameters, restorer
from adafm_jax.models.architecture import Architecture

BLOCKS = 2
SIZES = {'features': 6, 'blocks': BLOCKS}


def _images(height, width, channels=3):
  rng = np.random.default_rng(height * width)
  return rng.random((2, height, width, channels), np.float32)


def _check_close(actual, expected):
  scale = np.ptp(expected)
  assert scale > 0.5  # else the tolerance says nothing
  assert np.abs(actual - expected).max() < 1e-5 * scale


@pytest.mark.parametrize(
  ('kernel', 'channels', 'trunk'),
  [
    *((kernel, 3, trunk) for kernel in (1, 3, 5, 7) for trunk in (False, True)),
    (1, 1, False),
    (5, 1, True),
  ],
)
def test_equals_numpy_at_every_strength(kernel, channels, trunk):
  state, arch, params = tiny_models.authors_network(
    kernel, channels=channels, trunk=trunk
  )
  assert arch.placement == ('block+trunk' if trunk else 'block')
  image = _images(10, 14, channels)
  apply = jax.jit(restorer.make_apply(arch))
  outputs = []
  for strength in (0.0, 0.3, 1.0):
    expected = numpy_network.run(state, image, strength, blocks=BLOCKS)
    _check_close(np.asarray(apply(params, image, strength)), expected)
    outputs.append(expected)
  # Strength matters in this test, by far more than its tolerance.
  assert np.abs(outputs[1] - outputs[0]).max() > 0.01
  assert np.abs(outputs[2] - outputs[1]).max() > 0.01


@pytest.mark.parametrize('lowering', ['grouped', 'shifted'])
def test_placement_after_the_activation_equals_numpy(lowering):
  state, arch, params = tiny_models.authors_network(3)
  arch = Architecture(**SIZES, kernel=3, placement='activation')
  for i in range(BLOCKS):
    del params[f'block_{i:02d}']['adafm_2']
  image = _images(8, 12)
  apply = jax.jit(restorer.make_apply(arch, lowering=lowering))
  for strength in (0.0, 0.3, 1.0):
    expected = numpy_network.run(
      state, image, strength, blocks=BLOCKS, after_activation=True
    )
    _check_close(np.asarray(apply(params, image, strength)), expected)


@pytest.mark.parametrize(('height', 'width'), [(9, 14), (10, 13), (7, 11)])
def test_odd_sizes_equal_the_network_on_an_edge_padded_image(height, width):
  state, arch, params = tiny_models.authors_network(5)
  image = _images(height, width)
  padding = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
  padded = np.pad(image, padding, mode='edge')
  expected = numpy_network.run(state, padded, 0.6, blocks=BLOCKS)
  expected = expected[:, :height, :width]
  actual = np.asarray(restorer.make_apply(arch)(params, image, 0.6))
  assert actual.shape == image.shape
  _check_close(actual, expected)


def test_bfloat16_is_close_and_returns_float32():
  state, arch, params = tiny_models.authors_network(3)
  image = _images(8, 12)
  apply = jax.jit(restorer.make_apply(arch, dtype='bfloat16'))
  actual = apply(params, image, 0.7)
  assert actual.dtype == np.float32
  expected = numpy_network.run(state, image, 0.7, blocks=BLOCKS)
  error = np.abs(np.asarray(actual) - expected).max() / np.ptp(expected)
  assert 1e-5 < error < 0.03  # it is computed in bfloat16, and only that


@pytest.mark.parametrize(
  ('image', 'problem'),
  [
    (_images(4, 6), r'\[B, H, W, 1\]; this one has shape \[2, 4, 6, 3\]'),
    (_images(4, 6, 1)[0], r'has shape \[4, 6, 1\]'),
    (np.zeros((1, 4, 6, 1), np.uint8), 'uint8.*Model.restore'),
  ],
)
def test_an_image_of_another_form_is_a_user_error(image, problem):
  _, arch, params = tiny_models.authors_network(1, channels=1)
  with pytest.raises(UserError, match=problem):
    restorer.make_apply(arch)(params, image, 0.0)


def _count(arch, pattern):
  flat = traverse_util.flatten_dict(restorer.parameter_shapes(arch), sep='/')
  return sum(
    int(np.prod(x.shape)) for k, x in flat.items() if re.fullmatch(pattern, k)
  )


@pytest.mark.parametrize(
  ('kernel', 'weights', 'share'),
  [(1, 2_048, 0.15), (3, 18_432, 1.31), (5, 51_200, 3.65)],
)
def test_sizes_are_the_papers(kernel, weights, share):
  arch = Architecture(kernel=kernel)
  assert _count(arch.basic, r'.*') == 1_406_787
  assert _count(arch.basic, r'.*/kernel') == 1_404_288
  assert _count(arch, restorer.BACKBONE_PARAMETERS) == 1_406_787
  assert _count(arch, r'.*adafm.*/kernel') == weights
  assert round(100 * weights / 1_404_288, 2) == share
  # Every filter has a bias, and the paper's 2 x 16 x 64 filters are all.
  assert _count(arch, restorer.ADAFM_PARAMETERS) == weights + 2_048


def test_every_parameter_matches_just_one_side_of_the_freeze_rule():
  arch = Architecture(4, 100, 3, 1, 'block+trunk')  # block_100 has 3 digits
  names = traverse_util.flatten_dict(restorer.parameter_shapes(arch), sep='/')
  for name in names:
    sides = (restorer.ADAFM_PARAMETERS, restorer.BACKBONE_PARAMETERS)
    assert sum(bool(re.fullmatch(side, name)) for side in sides) == 1, name
  assert 'block_99/adafm_2/bias' in names
  assert 'trunk_adafm/kernel' in names


def test_initial_weights_are_kaiming_times_a_tenth():
  arch = Architecture(32, 1, 3, 5)
  params = jax.jit(lambda key: restorer.init(key, arch))(jax.random.key(0))
  for layer, fan_in in (('head', 27), ('upsample', 288), ('tail', 288)):
    kernel = np.asarray(params[layer]['kernel'])
    expected = 0.1 * np.sqrt(2 / fan_in)
    assert kernel.std() == pytest.approx(expected, rel=0.1)
    assert abs(kernel.mean()) < 0.1 * expected
    assert not np.asarray(params[layer]['bias']).any()
  adafm = params['block_00']['adafm_1']
  assert not np.asarray(adafm['kernel']).any()
  assert not np.asarray(adafm['bias']).any()


@pytest.mark.parametrize('placement', ['block', 'block+trunk', 'activation'])
def test_inserted_adafm_layers_change_nothing(placement):
  state, _, basic = tiny_models.authors_network(0)
  arch = Architecture(**SIZES, kernel=3, placement=placement)
  params = parameters.insert_adafm(basic, arch)
  shapes = jax.tree.map(lambda x: x.shape, restorer.parameter_shapes(arch))
  assert jax.tree.map(lambda x: x.shape, params) == shapes
  removed = restorer.backbone(params)
  jax.tree.map(np.testing.assert_array_equal, removed, basic)
  image = _images(6, 10)
  expected = numpy_network.run(state, image, 0.0, blocks=BLOCKS)
  apply = jax.jit(restorer.make_apply(arch))
  for strength in (0.0, 1.0):
    _check_close(np.asarray(apply(params, image, strength)), expected)


@pytest.mark.parametrize(
  ('kernel', 'path', 'bends'), [(1, 'line', 0), (3, 'poly', 2)]
)
def test_gradients_of_bfloat16_are_summed_in_float32(kernel, path, bends):
  arch = Architecture(
    features=8, blocks=2, kernel=kernel, path=path, bends=bends
  )
  leaves, tree = jax.tree.flatten(restorer.init(jax.random.key(0), arch))
  keys = jax.random.split(jax.random.key(2), len(leaves))
  params = tree.unflatten(
    10 * x + 0.05 * jax.random.normal(key, x.shape)
    for x, key in zip(leaves, keys, strict=True)
  )
  image = jax.random.uniform(jax.random.key(1), (4, 64, 64, 3))

  def gradients(dtype, lowering='auto'):
    apply = restorer.make_apply(arch, dtype=dtype, lowering=lowering)
    return jax.jit(
      jax.grad(lambda p, s: apply(p, image, s).sum(), argnums=(0, 1))
    )(params, 0.6)

  def close(found, exact):
    # Sums in bfloat16 were wrong by up to 0.94.
    assert np.linalg.norm(found - exact) < 0.06 * np.linalg.norm(exact)

  exact = gradients(jnp.float32)
  for lowering in ('auto', 'train', 'grouped'):
    jax.tree.map(close, gradients(jnp.bfloat16, lowering), exact)


@pytest.mark.parametrize(
  ('arch', 'words'),
  [
    ('denoise', 'has an Architecture, not a str'),
    (Architecture(6, 1, 3, 2), 'model.kernel is 2'),
    (Architecture(6, 1, 2, 1), 'model.channels is 2'),
    (Architecture(6, 1, 3, 1, placement='foo'), "model.placement is 'foo'"),
    (Architecture(6, 1, 3, 1, path='foo'), "model.path is 'foo'"),
    (Architecture(6, 1, 3, 1, bends=3), 'model.bends is 3'),
  ],
)
def test_there_is_no_such_network(arch, words):
  with pytest.raises(UserError, match=words):
    restorer.make_apply(arch)
  with pytest.raises(UserError, match=words):
    restorer.init(jax.random.key(0), arch)


@pytest.mark.parametrize(
  ('options', 'words'),
  [
    ({'dtype': 'int32'}, 'float32 or bfloat16, not int32'),
    ({'dtype': 'float16'}, 'float32 or bfloat16, not float16'),
    ({'lowering': 'fast'}, "lowering is 'fast'; it must be one of auto, train"),
  ],
)
def test_it_computes_in_no_such_way(options, words):
  with pytest.raises(UserError, match=words):
    restorer.make_apply(Architecture(**SIZES), **options)


@pytest.mark.parametrize(
  ('change', 'words'),
  [
    (lambda p: {'params': p}, 'block_00/conv_1/bias is missing'),
    (lambda p: {**p, 'block_05': p['block_00']}, 'block_05/conv_1/bias is no'),
    (
      lambda p: {**p, 'head': jax.tree.map(lambda x: x[..., :4], p['head'])},
      r'head/bias has shape \[4\]; it must be \[6\]',
    ),
  ],
)
def test_layers_are_inserted_into_the_whole_backbone_alone(change, words):
  arch = Architecture(**SIZES, kernel=3)
  params = tiny_models.random_params(arch.basic)
  parameters.insert_adafm(params, arch)
  with pytest.raises(UserError, match=words):
    parameters.insert_adafm(change(params), arch)

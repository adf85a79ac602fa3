"""The compared networks: sizes of the originals, and what they compute."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.models import folding, networks, normalization, restorer
from adafm_jax.models.architecture import EVERYWHERE, Architecture

IMAGE = np.random.default_rng(0).uniform(0, 1, (2, 14, 18, 3)).astype('f4')


def count(network, *, without=()):
  shapes = jax.eval_shape(lambda: networks.init(jax.random.key(0), network))
  flat = traverse_util.flatten_dict(shapes)
  return sum(
    leaf.size for path, leaf in flat.items() if path[-1] not in without
  )


def test_parameters_of_the_originals():
  measured = ('mean', 'variance')
  arcnn = networks.Peer(kind='arcnn', channels=1)
  assert count(arcnn, without=('bias',)) == 106_448
  dncnn = networks.Peer(kind='dncnn', blocks=20)
  filters = 2 * 27 * 64 + 18 * 9 * 64 * 64
  assert count(dncnn, without=(*measured, 'scale', 'shift', 'bias')) == filters
  srresnet = networks.Peer(kind='srresnet')
  assert count(srresnet, without=measured) == 1_549_462
  params = jax.eval_shape(lambda: networks.init(jax.random.key(0), srresnet))
  assert networks.count_weights(srresnet, params) == 1_549_462
  twice = {'start': params, 'end': params}
  both = networks.Peer(kind='adabn')
  assert networks.count_weights(both, twice) == 1_549_462
  # The basic model (facts of the paper) and two numbers a channel and layer.
  for kind, each in (('batch', 2), ('instance', 4)):
    found = count(networks.Peer(kind=kind), without=measured)
    assert found == 1_406_787 + 32 * 64 * each


def footprint(network, size):
  """Rows of the input that the middle pixel of the output depends on."""
  params = networks.init(jax.random.key(0), network, scale=1.0)
  apply = networks.make_apply(network)
  image = jnp.full((1, size, size, network.channels), 0.5)

  def middle(image):
    return apply(params, image, 0.0)[0, size // 2, size // 2].sum()

  rows = np.abs(jax.grad(middle)(image)).sum(axis=(0, 2, 3))
  (seen,) = np.nonzero(rows)
  return seen.max() - seen.min() + 1


@pytest.mark.slow
def test_receptive_fields_of_the_originals():
  assert (
    footprint(networks.Peer(kind='arcnn', features=8, channels=1), 41) == 19
  )
  dncnn = networks.Peer(kind='dncnn', features=8, blocks=20, channels=1)
  assert footprint(dncnn, 61) == 41
  # SRResNet sees 80 small pixels a side of the middle one: 4 of its first
  # filter, 32 of the blocks, 1 and 1, and 2 or 1 of the two shuffled layers.
  # Of each it takes the middle half.
  srresnet = networks.Peer(kind='srresnet', features=4)
  assert footprint(srresnet, 336) == 4 * 80 - 2


def peer(kind, **fields):
  return networks.Peer(kind=kind, features=4, blocks=2, **fields)


def fresh(network, seed=1):
  """Parameters of which none is zero."""
  params = networks.init(jax.random.key(0), network, scale=1.0)
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda x: x + rng.uniform(0.05, 0.2, x.shape).astype('f4'), params
  )


def test_dncnn_subtracts_what_it_finds():
  network = peer('dncnn')
  params = fresh(network)
  params['tail'] = jax.tree.map(jnp.zeros_like, params['tail'])
  out = networks.make_apply(network)(params, IMAGE, 0.0)
  np.testing.assert_array_equal(out, IMAGE)


def test_srresnet_sees_the_pixels_that_bicubic_started_from():
  from adafm_jax.degrade import resize
  from adafm_jax.models import srresnet

  small = np.random.default_rng(0).uniform(0, 1, (9, 7, 3))
  large = resize.imresize(small, 4)
  found = srresnet.small(large[None].astype('f4'))[0]
  assert np.abs(found - small).mean() < 0.05
  assert np.corrcoef(np.ravel(found), np.ravel(small))[0, 1] > 0.99


@pytest.mark.parametrize(
  'kind', ['srresnet', 'batch', 'instance', 'sft', 'arcnn']
)
def test_any_size_comes_out_as_it_went_in(kind):
  network = peer(kind)
  out = networks.make_apply(network)(fresh(network), IMAGE[:, :13, :17], 0.5)
  assert out.shape == (2, 13, 17, 3)
  assert np.isfinite(out).all()


def test_batch_norm_is_a_1x1_adafm_layer():
  """Section 3.3: with g = gamma / sigma, b = beta - gamma mu / sigma."""
  network = peer('batch')
  params = fresh(network)
  expected = networks.make_apply(network)(params, IMAGE, 0.0)
  arch = Architecture(features=4, blocks=2, kernel=1)
  adafm = normalization.as_adafm(params)
  actual = restorer.make_apply(arch)(adafm, IMAGE, 1.0)
  np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_statistics_are_those_of_all_images():
  """The first layer's: of what the first conv of the first block gives."""
  network = peer('batch')
  params = fresh(network)
  batches = [IMAGE[:1], IMAGE[1:] ** 2]
  found = networks.measure_statistics(network, params, batches)
  norm = found['block_00']['norm_1']
  seen = []
  for batch in batches:
    x = batch.astype(np.float64)
    for stride, conv in (
      (2, params['head']),
      (1, params['block_00']['conv_1']),
    ):
      x = convolve(x, conv, stride)
    seen.append(x)
  seen = np.concatenate(seen)
  np.testing.assert_allclose(norm['mean'], seen.mean((0, 1, 2)), rtol=1e-4)
  np.testing.assert_allclose(norm['variance'], seen.var((0, 1, 2)), rtol=1e-4)
  again = dict(found['block_00']['norm_1'], mean=0, variance=0)
  before = dict(params['block_00']['norm_1'], mean=0, variance=0)
  for name in ('scale', 'shift'):
    np.testing.assert_array_equal(again[name], before[name])


def convolve(x, conv, stride):
  kernel = np.asarray(conv['kernel'], np.float64)
  height, width = (side // stride for side in x.shape[1:3])
  padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  out = np.asarray(conv['bias'], np.float64)
  for dy, dx in np.ndindex(3, 3):
    view = padded[:, dy::stride, dx::stride][:, :height, :width]
    out = out + view @ kernel[dy, dx]
  return out


def test_learning_normalises_by_the_batch():
  network = peer('batch')
  params = fresh(network)
  apply = networks.make_apply(network, learning=True)
  measured = networks.measure_statistics(network, params, [IMAGE])
  expected = networks.make_apply(network)(measured, IMAGE, 0.0)
  np.testing.assert_allclose(
    apply(params, IMAGE, 0.0), expected, rtol=1e-4, atol=1e-4
  )


def test_conditional_instance_norm_moves_from_one_level_to_the_other():
  network = peer('instance')
  params = fresh(network)
  apply = networks.make_apply(network)

  def moved(node):
    """The parameters with the changes made, and no change left."""
    made = {k: moved(v) if isinstance(v, dict) else v for k, v in node.items()}
    for name in ('scale', 'shift'):
      if name in made:
        made[name] = made[name] + 0.25 * made[f'{name}_change']
        made[f'{name}_change'] = jnp.zeros_like(made[name])
    return made

  expected = apply(moved(params), IMAGE, 0.0)
  np.testing.assert_allclose(
    apply(params, IMAGE, 0.25), expected, rtol=1e-5, atol=1e-5
  )
  assert np.abs(apply(params, IMAGE, 0.0) - expected).max() > 1e-3


def test_sft_layers_have_gains_of_each_pixel():
  network = peer('sft')
  params = fresh(network)
  apply = networks.make_apply(network)
  basic = restorer.make_apply(network.basic)
  expected = basic(params, IMAGE, 0.0)
  np.testing.assert_array_equal(apply(params, IMAGE, 0.0), expected)

  # Its own network at zero but for biases: AdaFM layers with 1x1 filters.
  def constant(path, x):
    names = [entry.key for entry in path[-2:]]
    return jnp.zeros_like(x) if names == ['change', 'kernel'] else x

  same = jax.tree_util.tree_map_with_path(constant, params)
  layers = {'block_00': {}, 'block_01': {}}
  for name, block in layers.items():
    for i in (1, 2):
      gain, bias = np.split(same[name][f'sft_{i}']['change']['bias'], 2)
      adafm = {'kernel': gain[None, None, None], 'bias': bias}
      block |= {f'conv_{i}': same[name][f'conv_{i}'], f'adafm_{i}': adafm}
  arch = Architecture(features=4, blocks=2, kernel=1)
  adafm = restorer.make_apply(arch)({**same, **layers}, IMAGE, 0.5)
  expected = apply(same, IMAGE, 0.5)
  np.testing.assert_allclose(expected, adafm, rtol=1e-5, atol=1e-5)
  # What it is told is the image: it changes with the image alone.
  assert np.abs(apply(params, IMAGE, 0.5) - expected).max() > 1e-3
  ones = np.full(IMAGE.shape[:3], 0.5, 'f4')
  np.testing.assert_allclose(
    apply(params, IMAGE, ones),
    apply(params, IMAGE, 0.5),
    rtol=1e-5,
    atol=1e-5,
  )
  swept = list(Network(network, params).sweep(IMAGE, np.array([0.0, 0.5])))
  np.testing.assert_allclose(
    np.concatenate(swept)[1], apply(params, IMAGE, 0.5), rtol=1e-4, atol=1e-4
  )


@pytest.mark.parametrize('way', ['interpolate', 'blend'])
def test_ends(way):
  network = peer(way)
  basic = network.basic
  params = {'start': fresh(basic, 1), 'end': fresh(basic, 2)}
  apply = restorer.make_apply(basic)
  if way == 'blend':
    a, b = (apply(params[x], IMAGE, 0.0) for x in ('start', 'end'))
    expected = 0.75 * a + 0.25 * b
  else:
    weights = jax.tree.map(lambda a, b: 0.75 * a + 0.25 * b, *params.values())
    expected = apply(weights, IMAGE, 0.0)
  joined = networks.make_apply(network)
  np.testing.assert_allclose(
    joined(params, IMAGE, 0.25), expected, rtol=1e-5, atol=1e-5
  )
  # A sweep gives the same, and so do whole images of any size.
  swept = np.concatenate(
    list(Network(network, params).sweep(IMAGE, np.array([0.0, 0.25])))
  )
  np.testing.assert_allclose(swept[1], expected, rtol=1e-5, atol=1e-5)
  with pytest.raises(UserError, match='give one value'):
    joined(params, IMAGE, np.array([0.1, 0.2]))


def test_adafm_after_every_conv():
  arch = Architecture(features=4, blocks=2, kernel=3, placement=EVERYWHERE)
  assert arch.adafm_layers == 2 * 2 + 5
  assert any('placement' in x for x in arch.problems())  # in no model file
  params = fresh(arch)
  layers = [x for x in traverse_util.flatten_dict(params) if 'adafm' in x[-2]]
  assert len(layers) == 2 * arch.adafm_layers  # kernel and bias
  apply = restorer.make_apply(arch)
  basic = restorer.make_apply(arch.basic)
  expected = basic(restorer.backbone(params), IMAGE, 0.0)
  np.testing.assert_array_equal(apply(params, IMAGE, 0.0), expected)
  # A map of one value is that value, at half and at full resolution.
  one = apply(params, IMAGE, np.full(2, 0.5, 'f4'))
  mapped = apply(params, IMAGE, np.full(IMAGE.shape[:3], 0.5, 'f4'))
  np.testing.assert_allclose(mapped, one, rtol=1e-5, atol=1e-5)
  # It folds nowhere: the tail's layer would be lost.
  single = Architecture(features=4, blocks=2, kernel=1, placement=EVERYWHERE)
  with pytest.raises(UserError, match='Only 1x1 AdaFM layers'):
    folding.fold(fresh(single), single, 1.0)

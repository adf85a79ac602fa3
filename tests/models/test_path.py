"""Bent paths: what a layer computes between its two trained ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_models

from adafm_jax.engine import run as engine
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.models import parameters, restorer
from adafm_jax.models import path as paths
from adafm_jax.models.architecture import Architecture

PATHS = [('line', 0), ('hats', 2), ('poly', 3)]
IMAGE = np.random.default_rng(0).random((3, 9, 14, 3), np.float32)
STRENGTHS = np.array([0, 0.3, 1], np.float32)


def _arch(kind='poly', bends=3, kernel=3, placement='block+trunk'):
  return Architecture(6, 1, 3, kernel, placement, kind, bends)


def _params(arch):
  return tiny_models.random_params(arch, seed=1, scale=0.2)


def _weights(s, kind, bends):
  """The basis functions in NumPy, float64."""
  s = np.asarray(s, np.float64)
  found = [s]
  for j in range(bends):
    if kind == 'poly':
      found.append(s * (1 - s) * s**j)
    else:
      nodes = np.linspace(0, 1, bends + 2)
      found.append(np.interp(s, nodes, np.arange(bends + 2) == j + 1))
  return np.stack(found)


def _straight(params, strength, kind, bends):
  """Line parameters that do at strength 1 what `params` do at a strength."""
  weights = _weights(strength, kind, bends)
  if 'kernel' not in params:
    return {
      name: _straight(value, strength, kind, bends)
      for name, value in params.items()
    }
  found = {'kernel': params['kernel'], 'bias': params['bias']}
  for name in ('kernel', 'bias'):
    if f'bend_{name}' in params:
      terms = np.concatenate([params[name][None], params[f'bend_{name}']])
      combined = np.tensordot(weights, terms.astype(np.float64), 1)
      found[name] = combined.astype(np.float32)
  return found


@pytest.mark.parametrize(('kind', 'bends'), PATHS)
def test_basis_functions_equal_numpy(kind, bends):
  s = np.linspace(0, 1, 41, dtype=np.float32)
  found = paths.weights(jnp.asarray(s), kind, bends)
  np.testing.assert_allclose(found, _weights(s, kind, bends), atol=1e-6)
  np.testing.assert_array_equal(found[:, 0], np.zeros(1 + bends))
  np.testing.assert_array_equal(found[:, -1], [1] + [0] * bends)


@pytest.mark.parametrize('kernel', [1, 3])
@pytest.mark.parametrize(('kind', 'bends'), PATHS[1:])
def test_between_the_ends_filters_are_combined(kind, bends, kernel):
  arch = _arch(kind, bends, kernel)
  params = _params(arch)
  line = restorer.make_apply(_arch('line', 0, kernel))
  bent = restorer.make_apply(arch)
  for s in (0.2, 0.55):
    same = _straight(params, s, kind, bends)
    wanted = line(same, IMAGE, np.float32(1))
    found = bent(params, IMAGE, np.float32(s))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5)
    assert np.abs(found - line(same, IMAGE, np.float32(0))).max() > 1e-2


@pytest.mark.parametrize('kernel', [1, 3])
@pytest.mark.parametrize(('kind', 'bends'), PATHS[1:])
def test_both_ends_are_those_of_the_line_bit_for_bit(kind, bends, kernel):
  arch = _arch(kind, bends, kernel)
  params = _params(arch)
  line = _arch('line', 0, kernel)
  for s in (0, 1):
    unbent = _straight(params, s, kind, bends) if s else params
    np.testing.assert_array_equal(
      Network(arch, params).restore(IMAGE, np.full(3, s)),
      Network(line, _without_bends(unbent)).restore(IMAGE, np.full(3, s)),
    )


def _without_bends(params):
  return {
    name: _without_bends(value) if isinstance(value, dict) else value
    for name, value in params.items()
    if not name.startswith('bend_')
  }


@pytest.mark.parametrize('kernel', [1, 5])
@pytest.mark.parametrize('lowering', ['shifted', 'grouped'])
@pytest.mark.parametrize(('kind', 'bends'), PATHS)
def test_every_form_of_strength_gives_the_same(kind, bends, lowering, kernel):
  arch = _arch(kind, bends, kernel)
  params = _params(arch)
  apply = restorer.make_apply(arch, lowering=lowering)
  together = apply(params, IMAGE, STRENGTHS)
  maps = np.broadcast_to(STRENGTHS[:, None, None], IMAGE.shape[:3])
  layers = np.broadcast_to(STRENGTHS, (arch.adafm_layers, 3))
  swept = jax.vmap(apply, (None, None, 0))(params, IMAGE, STRENGTHS)
  for i, s in enumerate(STRENGTHS):
    alone = apply(params, IMAGE[i : i + 1], s)[0]
    for found in (
      together[i],
      apply(params, IMAGE, maps)[i],
      apply(params, IMAGE, layers)[i],
      swept[i, i],
    ):
      np.testing.assert_allclose(found, alone, rtol=0, atol=3e-5)


@pytest.mark.parametrize('kernel', [1, 3])
@pytest.mark.parametrize(('kind', 'bends'), PATHS[1:])
def test_tiles_sweeps_and_folding_follow_the_path(kind, bends, kernel):
  arch = _arch(kind, bends, kernel)
  params = _params(arch)
  network = Network(arch, params)
  whole = network.restore(IMAGE, STRENGTHS)
  tiled = Network(arch, params, side=8).restore(IMAGE, STRENGTHS)
  np.testing.assert_allclose(tiled, whole, rtol=0, atol=2e-5)
  (swept,) = network.sweep(IMAGE, STRENGTHS)
  np.testing.assert_allclose(swept[1, 1], whole[1], rtol=0, atol=2e-5)
  used, _ = engine.fold(arch, params, np.float32(0.3))
  assert (used == arch.basic) == (kernel == 1)
  one = network.restore(IMAGE, np.float32(0.3))
  np.testing.assert_allclose(one[1], whole[1], rtol=0, atol=2e-5)


def test_a_sweep_of_bent_large_filters_is_one_depthwise_pass():
  """Filters are combined before they are applied: one pass, not one a bend."""
  arch = _arch('poly', 3, 3, 'block')
  apply = restorer.make_apply(arch, lowering='grouped')
  program = jax.make_jaxpr(jax.vmap(apply, (None, None, 0)))(
    _params(arch), IMAGE[:1], STRENGTHS
  )
  text = str(program)
  plain = 1 + 2 * arch.blocks + 4
  assert text.count('conv_general_dilated[') == plain + arch.adafm_layers


@pytest.mark.parametrize('kernel', [1, 5])
def test_gradients_of_bends_are_those_of_every_lowering(kernel):
  arch = _arch('poly', 2, kernel)
  params = _params(arch)

  def gradient(lowering):
    apply = restorer.make_apply(arch, lowering=lowering)
    loss = lambda p: jnp.square(apply(p, IMAGE, STRENGTHS)).sum()  # noqa: E731
    return jax.grad(loss)(params)

  wanted = jax.tree.leaves(gradient('shifted'))
  for lowering in ('reverse', 'grouped'):
    found = jax.tree.leaves(gradient(lowering))
    for one, other in zip(found, wanted, strict=True):
      scale = np.abs(other).max()
      np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * scale)


def test_inserted_bends_change_nothing():
  line = _params(_arch('line', 0))
  arch = _arch()
  params = parameters.insert_adafm(line, arch)
  assert not np.any(params['block_00']['adafm_1']['bend_kernel'])
  np.testing.assert_allclose(
    restorer.make_apply(arch)(params, IMAGE, STRENGTHS),
    restorer.make_apply(_arch('line', 0))(line, IMAGE, STRENGTHS),
    rtol=0,
    atol=1e-5,
  )


@pytest.mark.parametrize(
  ('kind', 'bends', 'word'),
  [
    ('line', 1, 'bends'),
    ('poly', 0, 'bends'),
    ('hats', 7, 'bends'),
    ('poly', 1.5, 'bends'),
    ('spline', 1, 'path'),
  ],
)
def test_impossible_paths_are_refused(kind, bends, word):
  values = _arch().to_json() | {'path': kind, 'bends': bends}
  with pytest.raises(UserError, match=f'model.{word}'):
    Architecture.from_json(values)


def test_a_network_without_layers_has_no_path():
  (problem,) = Architecture(6, 1, 3, 0, path='poly', bends=1).problems()
  assert 'kernel 0' in problem
  assert (_arch().basic.path, _arch().basic.bends) == ('line', 0)

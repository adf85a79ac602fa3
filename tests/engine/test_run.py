"""The engine: whole or in tiles, in one pass or in many, the same pictures."""

import dataclasses

import jax
import numpy as np
import pytest
import tiny_models

from adafm_jax.engine import plan
from adafm_jax.engine import run as engine
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.models import networks, restorer
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(features=6, blocks=1, kernel=3)
SIZE = (150, 170)


@pytest.fixture(scope='module')
def params():
  return tiny_models.random_params(ARCH)


@pytest.fixture(scope='module')
def images():
  return np.random.default_rng(1).random((2, *SIZE, 3), np.float32)


def test_little_memory_changes_nothing(params, images):
  strengths = np.array([0.2, 0.9], np.float32)
  whole = Network(ARCH, params).restore(images, strengths)
  memory = plan.tile_bytes(ARCH, 64, SIZE[1])
  assert plan.make_plan(ARCH, SIZE, 2, memory).side == 64
  tiled = Network(ARCH, params, memory=memory).restore(images, strengths)
  np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)
  chosen = Network(ARCH, params, side=32).restore(images, strengths)
  np.testing.assert_allclose(chosen, whole, rtol=0, atol=1e-5)
  assert np.abs(whole[0] - whole[1]).max() > 0.01


@pytest.mark.parametrize('tiles', [1, 3])
def test_a_sweep_in_tiles_equals_one_of_whole_images(params, images, tiles):
  strengths = np.linspace(0, 1, 5)
  memory = tiles * plan.tile_bytes(ARCH, 64, SIZE[1])
  small = Network(ARCH, params, memory=memory)
  parts = list(small.sweep(images, strengths))
  whole = list(Network(ARCH, params, memory=2**40).sweep(images, strengths))
  assert len(parts) > len(whole) == 1
  np.testing.assert_allclose(np.concatenate(parts), whole[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize('kernel', [0, 1, 3])
def test_of_nothing_nothing_is_made(kernel):
  arch = Architecture(features=6, blocks=1, kernel=kernel)
  network = Network(arch, tiny_models.random_params(arch))
  none, one = (np.zeros((n, 9, 8, 3), np.float32) for n in (0, 1))
  strengths = np.zeros(0, np.float32)
  for strength in (np.float32(0.5), strengths, strengths.reshape(0, 9, 8)):
    assert network.restore(none, strength).shape == none.shape
  assert list(network.sweep(one, strengths)) == []
  (swept,) = network.sweep(none, np.ones(1))
  assert swept.shape == (1, *none.shape)


@pytest.mark.parametrize('side', [None, 64])
def test_one_strength_of_small_filters_is_folded_away(images, side):
  arch = Architecture(features=6, blocks=1, kernel=1)
  params = tiny_models.random_params(arch)
  network = Network(arch, params, side=side)
  apply = jax.jit(restorer.make_apply(arch))
  for strength in (0.0, 0.7, np.array([0.7, 0.7]), np.array([0.1, 0.9])):
    found = network.restore(images, strength)
    wanted = apply(params, images, np.asarray(strength, np.float32))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
  one, other = np.float32(0.7), np.array([0.1, 0.9], np.float32)
  assert engine.fold(arch, params, one)[0] == arch.basic
  assert engine.fold(arch, params, other)[0] == arch
  assert engine.fold(ARCH, params, one)[0] == ARCH  # 3x3


def _sum_of_each(outputs, offset):
  return outputs.sum((1, 2, 3, 4)) + offset


@pytest.mark.parametrize('side', [None, 64])
def test_outputs_can_be_reduced_where_they_are(params, images, side):
  strengths = np.linspace(0, 1, 3)
  network = Network(ARCH, params, side=side)
  (outputs,) = network.sweep(images, strengths)
  (sums,) = network.sweep(
    images, strengths, reduce=_sum_of_each, operands=(np.float32(7),)
  )
  wanted = outputs.sum((1, 2, 3, 4), dtype=np.float64) + 7
  np.testing.assert_allclose(sums, wanted, rtol=1e-4)


def test_a_sweep_is_compiled_once_however_it_is_cut(params):
  shapes = []

  def record(outputs):
    shapes.append(outputs.shape)
    return outputs

  images = np.zeros((1, 20, 16, 3), np.float32)
  one = plan.whole_bytes(ARCH, 20, 16)
  network = Network(ARCH, params, memory=3 * one)
  for strengths in (np.linspace(0, 1, 7), np.linspace(0, 0.5, 7)):
    parts = list(network.sweep(images, strengths, reduce=record))
    assert [len(part) for part in parts] == [3, 3, 1]
  assert shapes == [(3, 1, 20, 16, 3)]


def test_a_strength_for_each_pixel_is_a_blend(params, images):
  network = Network(ARCH, params)
  maps = np.zeros((2, *SIZE), np.float32)
  maps[:, :, 80:] = 0.75
  found = network.restore(images, maps)
  ends = [network.restore(images, x) for x in (0, 0.75)]
  np.testing.assert_array_equal(found[:, :, :80], ends[0][:, :, :80])
  np.testing.assert_array_equal(found[:, :, 80:], ends[1][:, :, 80:])


def test_a_sweep_equals_single_strengths(params):
  apply = restorer.make_apply(ARCH)
  images = np.random.default_rng(2).random((2, 11, 14, 3), np.float32)
  strengths = np.array([0, 0.3, 1], np.float32)
  swept = jax.jit(engine.make_sweep(apply))(params, images, strengths)
  assert swept.shape == (3, 2, 11, 14, 3)
  for output, strength in zip(swept, strengths, strict=True):
    alone = apply(params, images, strength)
    np.testing.assert_allclose(output, alone, atol=2e-5)
  assert np.abs(swept[0] - swept[1]).max() > 1e-2


@pytest.mark.parametrize('shape', [(1,), (3, 1), (3, 2), (2, 150), (1, 4, 4)])
def test_a_strength_of_another_form_is_refused(params, images, shape):
  strength = np.full(shape, 0.5, np.float32)
  with pytest.raises(UserError, match=r'it must be one number, \[2\] or'):
    Network(ARCH, params).restore(images, strength)


@pytest.mark.parametrize(('bends', 'groups'), [(0, {1, 6}), (2, {1})])
def test_accelerators_sweep_bent_paths_without_a_group_per_strength(
  monkeypatch, bends, groups
):
  monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  path = 'poly' if bends else 'line'
  arch = dataclasses.replace(ARCH, path=path, bends=bends)
  sweep = engine.make_sweep(networks.make_apply(arch, swept=True))
  program = jax.make_jaxpr(sweep)(
    tiny_models.random_params(arch),
    jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32),
    jax.ShapeDtypeStruct((5,), np.float32),
  )
  found = {
    equation.params['feature_group_count']
    for equation in _equations(program.jaxpr)
    if equation.primitive.name == 'conv_general_dilated'
  }
  assert found == groups


def test_weights_are_shared_by_all_strengths(params):
  """No convolution has an own kernel for each strength."""
  sweep = engine.make_sweep(restorer.make_apply(ARCH, lowering='grouped'))
  shapes = jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32)
  program = jax.make_jaxpr(sweep)(
    params, shapes, jax.ShapeDtypeStruct((5,), np.float32)
  )
  convolutions = [
    equation
    for equation in _equations(program.jaxpr)
    if equation.primitive.name == 'conv_general_dilated'
  ]
  kernels = [e.invars[1].aval.shape for e in convolutions]
  plain = [layer['kernel'].shape for layer in _layers(params)]
  assert sorted(kernels) == sorted(plain)
  # What comes before the first strength is computed once, not five times.
  assert convolutions[0].invars[0].aval.shape[0] == 1
  assert convolutions[-1].invars[0].aval.shape[0] == 5


def _equations(jaxpr):
  for equation in jaxpr.eqns:
    inner = [v.jaxpr for v in equation.params.values() if hasattr(v, 'jaxpr')]
    for part in inner:
      yield from _equations(part)
    if not inner:
      yield equation


def _layers(params):
  for value in params.values():
    if 'kernel' in value:
      yield value
    else:
      yield from _layers(value)


@pytest.mark.parametrize('kernel', [1, 3])
def test_a_sweep_of_many_images_stays_within_memory(kernel, monkeypatch):
  arch = dataclasses.replace(ARCH, kernel=kernel)
  params = tiny_models.random_params(arch)
  images = np.random.default_rng(2).random((5, 20, 24, 3), np.float32)
  strengths = [0.1, 0.8]
  passes = []
  compiled = engine._compiled

  def watched(*args):
    run = compiled(*args)
    return lambda params, given, s: (
      passes.append(len(given)) or run(params, given, s)
    )

  monkeypatch.setattr(engine, '_compiled', watched)
  memory = 2 * plan.whole_bytes(arch, 20, 24)
  small = Network(arch, params, memory=memory)
  parts = list(small.sweep(images, strengths))
  assert passes
  assert max(passes) <= 2
  (whole,) = Network(arch, params, memory=2**40).sweep(images, strengths)
  np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-5)
  summed = list(small.sweep(images, strengths, reduce=_sum))
  np.testing.assert_allclose(
    np.concatenate(summed), whole.sum((1, 2, 3)), rtol=1e-5
  )


def _sum(outputs):
  return outputs.sum((1, 2, 3))

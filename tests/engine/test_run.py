"""The engine: whole or in tiles, in one pass or in many, the same pictures."""

import jax
import numpy as np
import pytest

from adafm_jax.engine import plan
from adafm_jax.engine import run as engine
from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(features=6, blocks=1, kernel=3)
SIZE = (150, 170)


@pytest.fixture(scope='module')
def params():
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: rng.normal(0, 0.15, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(ARCH),
  )


@pytest.fixture(scope='module')
def images():
  return np.random.default_rng(1).random((2, *SIZE, 3), np.float32)


def test_little_memory_changes_nothing(params, images):
  strengths = np.array([0.2, 0.9], np.float32)
  whole = engine.make_run(ARCH)(params, images, strengths)
  memory = plan.tile_bytes(ARCH, 64, SIZE[1])
  assert plan.make_plan(ARCH, SIZE, 2, memory).side == 64
  tiled = engine.make_run(ARCH, memory=memory)(params, images, strengths)
  np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)
  chosen = engine.make_run(ARCH, tile='32')(params, images, strengths)
  np.testing.assert_allclose(chosen, whole, rtol=0, atol=1e-5)
  assert np.abs(whole[0] - whole[1]).max() > 0.01


@pytest.mark.parametrize('tiles', [1, 3])
def test_a_sweep_in_tiles_equals_one_of_whole_images(params, images, tiles):
  strengths = np.linspace(0, 1, 5)
  memory = tiles * plan.tile_bytes(ARCH, 64, SIZE[1])
  parts = list(engine.sweep(ARCH, params, images, strengths, memory))
  whole = list(engine.sweep(ARCH, params, images, strengths, 2**40))
  assert len(parts) > len(whole) == 1
  np.testing.assert_allclose(np.concatenate(parts), whole[0], rtol=0, atol=1e-5)


def test_too_little_memory_is_told(params, images):
  with pytest.raises(UserError, match=r'170 pixels wide .* 1 KiB may be used'):
    engine.make_run(ARCH, memory=1024)(params, images, 0.5)


@pytest.mark.parametrize('tile', ['auto', '64'])
def test_one_strength_of_small_filters_is_folded_away(images, tile):
  arch = Architecture(features=6, blocks=1, kernel=1)
  rng = np.random.default_rng(2)
  params = jax.tree.map(
    lambda leaf: rng.normal(0, 0.15, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )
  run = engine.make_run(arch, tile=tile)
  apply = jax.jit(restorer.make_apply(arch))
  for strength in (0.0, 0.7, np.array([0.7, 0.7]), np.array([0.1, 0.9])):
    found = run(params, images, strength)
    wanted = apply(params, images, np.asarray(strength, np.float32))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
  one, other = np.float32(0.7), np.array([0.1, 0.9], np.float32)
  assert engine.fold(arch, params, one)[0] == arch.basic
  assert engine.fold(arch, params, other)[0] == arch
  assert engine.fold(ARCH, params, one)[0] == ARCH  # 3x3

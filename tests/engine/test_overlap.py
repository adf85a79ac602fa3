"""Tiles that overlap, for runtimes that keep no line buffers."""

import jax
import numpy as np
import pytest

from adafm_jax.engine import overlap, plan
from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(6, 1, 3, 3)
SIZE = (61, 78)


@pytest.fixture(scope='module')
def runtime():
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda leaf: rng.normal(0, 0.15, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(ARCH),
  )
  apply = jax.jit(restorer.make_apply(ARCH))
  shapes = []

  def run(images, strength):
    assert images.shape[0] == strength.shape[0] == 1
    shapes.append(images.shape[1:3])
    return np.asarray(apply(params, images, strength))

  run.shapes = shapes
  return run


def _image():
  return np.random.default_rng(1).random((2, *SIZE, 3), np.float32)


def test_tiles_give_the_whole_image(runtime):
  strength = np.array([0.2, 0.9], np.float32)
  whole = overlap.restore(runtime, ARCH, _image(), strength, 2**40, None)
  runtime.shapes.clear()
  tiles = overlap.restore(runtime, ARCH, _image(), strength, 2**40, 20)
  np.testing.assert_allclose(tiles, whole, rtol=0, atol=1e-5)
  assert len(runtime.shapes) == 2 * 4 * 4
  assert max(runtime.shapes) <= (20 + 2 * overlap.reach(ARCH),) * 2


def test_a_smaller_margin_would_show(runtime, monkeypatch):
  whole = overlap.restore(runtime, ARCH, _image(), np.float32(1), 2**40, None)
  least = overlap.reach(ARCH)
  monkeypatch.setattr(overlap, 'reach', lambda arch: least - 4)
  tiles = overlap.restore(runtime, ARCH, _image(), np.float32(1), 2**40, 20)
  assert np.abs(tiles - whole).max() > 1e-5


def test_tiles_are_chosen_by_memory():
  size = (5000, 5000)
  assert overlap.choose_side(ARCH, (500, 500), 2**40, None) is None
  around = 256 + 2 * overlap.reach(ARCH)
  enough = plan.whole_bytes(ARCH, around, around)
  assert overlap.choose_side(ARCH, size, enough, None) == 256
  assert overlap.choose_side(ARCH, size, enough - 1, None) == 128
  with pytest.raises(UserError, match='512 bytes may be used'):
    overlap.choose_side(ARCH, size, 512, None)

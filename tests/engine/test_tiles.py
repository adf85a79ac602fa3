"""Tiles against the whole image, as the network itself restores it."""

import functools

import jax
import numpy as np
import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st

from adafm_jax.engine import line_buffers
from adafm_jax.engine import tiles as tiling
from adafm_jax.images.eight_bit import to_uint8
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

KERNELS = (1, 3, 5)
SIDE = 16


@functools.cache
def _network(kernel, placement='block'):
  """Biases are not zero: a wrong border would show."""
  arch = Architecture(features=6, blocks=2, kernel=kernel, placement=placement)
  params = tiny_models.random_params(arch, seed=kernel)
  return arch, params, jax.jit(restorer.make_apply(arch))


@functools.cache
def _tiler(kernel, placement='block'):
  return tiling.make_tiler(_network(kernel, placement)[0], SIDE)


def _restore(tiler, params, images, strength, dtype=np.float32):
  out = np.full(images.shape, 77, dtype)  # what is left out would show
  tiling.restore(tiler, params, images, strength, out)
  return out


@pytest.mark.parametrize(
  ('kernel', 'placement', 'form'),
  [
    (1, 'block', 'map'),
    (3, 'block', 'one'),
    (3, 'block', 'images'),
    (3, 'block', 'map'),
    (3, 'block', 'layers'),
    (3, 'block+trunk', 'one'),
    (5, 'activation', 'map'),
    (5, 'block', 'layers'),
  ],
)
def test_tiles_equal_the_whole_image(kernel, placement, form):
  arch, params, apply = _network(kernel, placement)
  rng = np.random.default_rng(5)
  images = rng.random((2, 37, 51, 3), np.float32)
  strength = {
    'one': np.float32(0.4),
    'images': np.array([0.0, 1.0], np.float32),
    'map': rng.random((2, 37, 51), np.float32),
    'layers': rng.random((arch.adafm_layers, 1), np.float32),
  }[form]
  whole = np.asarray(apply(params, images, strength))
  tiled = _restore(_tiler(kernel, placement), params, images, strength)
  np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)
  assert whole.std() > 0.05  # a wrong border would show


@settings(max_examples=8, deadline=None)
@given(
  height=st.integers(1, 50),
  width=st.integers(1, 50),
  kernel=st.sampled_from(KERNELS),
  mapped=st.booleans(),
)
def test_any_size(height, width, kernel, mapped):
  """Odd sizes, and ones smaller than a tile or than what lags behind."""
  _, params, apply = _network(kernel)
  rng = np.random.default_rng(height * 100 + width)
  images = rng.random((1, height, width, 3), np.float32)
  shape = (1, height, width) if mapped else ()
  strength = rng.random(shape, np.float32)
  whole = np.asarray(apply(params, images, strength))
  tiled = _restore(_tiler(kernel), params, images, strength)
  np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize('place', ['host', 'anywhere', 'device'])
def test_a_folder_of_sizes_compiles_once(place):
  _, params, _ = _network(3)
  if place != 'host':  # commands put weights on a device of their choice
    device = jax.devices()[0] if place == 'device' else None
    params = jax.device_put(params, device)
  tiler = tiling.make_tiler(_network(3)[0], SIDE)
  rng = np.random.default_rng(0)
  for size in ((20, 30), (7, 61), (33, 16)):
    images = rng.random((1, *size, 3), np.float32)
    for strength in (0.0, 0.5, 1.0):
      _restore(tiler, params, images, np.float32(strength))
  assert tiler.step._cache_size() == 1


def test_uint8_in_and_out():
  """After rounding, at most one step apart in fewer than 1 of 10,000 values."""
  _, params, apply = _network(5)
  rng = np.random.default_rng(1)
  images = rng.integers(0, 256, (1, 64, 70, 3), np.uint8)
  exact = (images / 255).astype(np.float32)
  whole = to_uint8(np.asarray(apply(params, exact, 0.7)))
  tiled = _restore(_tiler(5), params, images, np.float32(0.7), np.uint8)
  apart = np.abs(tiled.astype(int) - whole)
  assert apart.max() <= 1
  assert np.count_nonzero(apart) < apart.size / 10_000


@pytest.mark.parametrize('kernel', KERNELS)
def test_the_lag_is_how_far_the_network_looks_ahead(kernel):
  """By the gradient: the last input row that an output row depends on."""
  arch, params, _ = _network(kernel)
  size = 2 * line_buffers.lag(arch).full + 8
  image = np.random.default_rng(3).random((1, size, 2, 3), np.float32)
  apply = restorer.make_apply(arch)

  def row(image):  # an odd one, the second of a pair at half size
    return apply(params, image, 0.5)[0, 1].sum()

  reached = np.flatnonzero(
    np.abs(jax.jit(jax.grad(row))(image)[0]).sum(axis=(1, 2))
  )
  assert reached[-1] - 1 == line_buffers.lag(arch).full

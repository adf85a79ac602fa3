"""The network in WGSL, in a browser, against the network in JAX."""

import dataclasses

import jax
import numpy as np
import pytest
import released
import tiny_models
from skimage import data

from adafm_jax import zoo
from adafm_jax.engine.run import Network
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.restore import pipeline
from release.browser import Wish


def _expected(model, rgb, strength):
  image = (rgb / np.float32(255)).astype(np.float32)[None]
  pixels, finish = pipeline.prepare(image, model.arch.channels)
  if np.ndim(strength):
    apply = jax.jit(restorer.make_apply(model.arch))
    output = np.asarray(apply(model.params, pixels, strength[None]))
  else:
    network = Network(model.arch, model.params)
    output = network.restore(pixels, np.float32(strength))
  return np.rint(np.clip(finish(output)[0], 0, 1) * 255)


def _opaque(rgb):
  return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def _random(arch, seed=2):
  """A model whose AdaFM layers, bends included, move every result by far."""
  rng = np.random.default_rng(seed)

  def fill(path, leaf):
    is_adafm = any('adafm' in str(entry) for entry in path)
    deviation = 0.8 / max(arch.kernel, 1) if is_adafm else 0.15
    return rng.normal(0, deviation, leaf.shape).astype(np.float32)

  shapes = restorer.parameter_shapes(arch)
  params = jax.tree_util.tree_map_with_path(fill, shapes)
  params['tail']['bias'] += np.float32(0.5)
  model = tiny_models.random_model(channels=arch.channels)
  return dataclasses.replace(model, arch=arch, params=params)


@pytest.mark.parametrize(
  'arch',
  [
    Architecture(6, 1, 3, 1),
    Architecture(12, 1, 3, 1, 'block+trunk', 'hats', 2),
    Architecture(8, 1, 1, 5, 'block+trunk', 'poly', 3),
    Architecture(8, 1, 3, 3, 'activation'),
    Architecture(4, 1, 3, 1, 'activation', 'poly', 1),
    Architecture(4, 1, 3, 0),
  ],
  ids=str,
)
def test_every_kind_of_network_equals_jax(engine, arch):
  model = _random(arch)
  rgb = np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)
  strengths = (0.0, 0.35, 1.0) if arch.kernel else (0.0,)
  wishes = [Wish(0, 0, 23, 17, strength) for strength in strengths]
  found = engine.restore(model, _opaque(rgb), wishes)
  results = [each.pixels for each in found]
  for result, strength in zip(results, strengths, strict=True):
    expected = _expected(model, rgb, strength)
    assert np.abs(expected - rgb).max() > 50
    np.testing.assert_allclose(result[..., :3], expected, atol=1)
    assert (result[..., 3] == 255).all()
  if arch.kernel:
    moved = np.abs(results[0].astype(int) - results[1])
    assert moved.max() > 15


@pytest.mark.parametrize(
  'arch',
  [
    pytest.param(Architecture(6, 1, 3, 1), marks=pytest.mark.slow),
    Architecture(12, 1, 3, 1, 'block+trunk', 'hats', 3),
    Architecture(8, 1, 1, 5, 'block+trunk', 'poly', 3),
    pytest.param(
      Architecture(8, 1, 3, 3, 'activation', 'hats', 1), marks=pytest.mark.slow
    ),
  ],
  ids=str,
)
def test_a_map_of_strengths_equals_jax(engine, arch):
  model = _random(arch)
  rng = np.random.default_rng(0)
  rgb = rng.integers(0, 256, (17, 23, 3), np.uint8)
  mask = rng.integers(0, 256, (17, 23), np.uint8)
  mask[:5, :9], mask[5:10, 9:15] = 0, 255
  # The other way round too, and all of it as if it were one strength.
  ends = [
    (0.1, 0.95, mask),
    (1.0, 0.0, mask),
    (0.3, 0.6, np.full_like(mask, 255)),
  ]
  wishes = [Wish(0, 0, 23, 17, *each) for each in ends]
  results = engine.restore(model, _opaque(rgb), wishes)
  for (result, *_), (low, high, given) in zip(results, ends, strict=True):
    strengths = low + np.float32(high - low) * (given / np.float32(255))
    expected = _expected(model, rgb, strengths.astype(np.float32))
    np.testing.assert_allclose(result[..., :3], expected, atol=1)
  single = _expected(model, rgb, 0.6)
  np.testing.assert_allclose(results[2].pixels[..., :3], single, atol=1)
  assert np.abs(results[0].pixels.astype(int) - results[1].pixels).max() > 30


@pytest.mark.parametrize('name', released.each())
def test_released_models_equal_jax(engine, name):
  model = zoo.load(name)
  rgb = np.ascontiguousarray(data.coffee()[150:195, 300:350])
  noisy = np.random.default_rng(1).normal(rgb, 20).clip(0, 255)
  rgb = noisy.astype(np.uint8)
  wishes = [Wish(0, 0, 50, 45, 0.4)]
  ((result, *_),) = engine.restore(model, _opaque(rgb), wishes)
  np.testing.assert_allclose(
    result[..., :3], _expected(model, rgb, 0.4), atol=1
  )


def test_tiles_are_exact_and_a_strength_is_a_few_bytes(engine):
  model = _random(Architecture(8, 2, 3, 5, 'block+trunk'))
  rgb = np.random.default_rng(3).integers(0, 256, (90, 121, 3), np.uint8)
  mask = np.random.default_rng(5).integers(0, 256, (90, 121), np.uint8)
  for ends in ((0.7, 0, None), (0.1, 0.9, mask)):
    tiles = [
      Wish(*rect, *ends)
      for rect in ((0, 0, 121, 90), (43, 31, 20, 17), (101, 70, 20, 20))
    ]
    whole, *parts = engine.restore(model, _opaque(rgb), tiles)
    for part, (x, y, wide, high, *_) in zip(parts, tiles[1:], strict=True):
      expected = whole.pixels[y : y + high, x : x + wide]
      np.testing.assert_array_equal(part.pixels, expected)
      assert part.sent <= 128
      assert part.spent['milliseconds'] > 0


@pytest.mark.parametrize('channels', [1, 3])
def test_grey_pictures_stay_grey(engine, channels):
  model = _random(Architecture(8, 1, channels, 1))
  rng = np.random.default_rng(4)
  grey = np.repeat(rng.integers(0, 256, (12, 14, 1), np.uint8), 3, -1)
  wishes = [Wish(0, 0, 14, 12, 0.5)]
  ((result, *_),) = engine.restore(model, _opaque(grey), wishes)
  one = (grey[None, ..., :1] / np.float32(255)).astype(np.float32)
  pixels, finish = pipeline.prepare(one, channels)
  output = Network(model.arch, model.params).restore(pixels, np.float32(0.5))
  expected = np.rint(np.clip(finish(output)[0], 0, 1) * 255)
  np.testing.assert_allclose(
    result[..., :3], np.repeat(expected, 3, -1), atol=1
  )


def test_what_is_transparent_stays_as_it_is(engine):
  model = _random(Architecture(8, 1, 3, 1))
  rng = np.random.default_rng(4)
  wishes = [Wish(0, 0, 14, 12, 0.5)]
  colour = rng.integers(0, 256, (12, 14, 4), np.uint8)
  colour[:6, :, 3] = 0
  colour[6:, :, 3] = 255
  ((result, *_),) = engine.restore(model, colour, wishes)
  np.testing.assert_array_equal(result[:6], colour[:6])
  seen = colour[..., :3] * (colour[..., 3:] > 0)
  np.testing.assert_allclose(
    result[6:, :, :3], _expected(model, seen, 0.5)[6:], atol=1
  )


def test_a_tile_fits_the_device_and_what_does_not_is_told(engine):
  """With the limits that WebGPU guarantees, which large maps exceed."""
  model = _random(Architecture(64, 1, 3, 1))
  engine.restore(model, np.zeros((8, 8, 4), np.uint8), [Wish(0, 0, 8, 8, 0.5)])
  side, halo, said = engine.page.evaluate("""async () => {
    const {parse} = await import('/engine/model.js');
    const {GpuNetwork} = await import('/engine/gpu.js');
    const {halo} = await import('/engine/layers.js');
    const {loadShaders} = await import('/engine/device.js');
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter.requestDevice();
    const model = parse(await (await fetch('/models/tested')).arrayBuffer());
    const network = await GpuNetwork.create(device, await loadShaders(), model);
    const [width, height] = [1024, 1024];
    network.setPhoto({width, height,
      data: new Uint8ClampedArray(4 * width * height)});
    const said = await network.restore({x: 0, y: 0, width, height}, 0.5)
      .then(() => 'nothing', (error) => error.message);
    device.destroy();
    return [network.side, halo(model.arch), said];
  }""")
  assert 16 * 4 * (side + 2 * halo) ** 2 * 4 < 2**27
  assert side > 600
  assert said.startswith('The graphics device cannot hold this picture: ')

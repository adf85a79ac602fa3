"""The network in WGSL, in a browser, against the network in JAX."""

import base64
import dataclasses

import browsers
import jax
import numpy as np
import pytest
import tiny_models
from skimage import data

from adafm_jax import zoo
from adafm_jax.demo import weights
from adafm_jax.engine.run import Network
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.restore import pipeline

# Restores rectangles of a picture, and counts what is sent to the device.
_RUN = """async ([model, width, height, pixels, wishes]) => {
  const {parse} = await import('/engine/model.js');
  const {GpuNetwork} = await import('/engine/gpu.js');
  const {loadShaders, openDevice} = await import('/engine/device.js');
  const {device} = await openDevice();
  device.addEventListener('uncapturederror', ({error}) => {
    console.error(error.message);
  });
  const file = await (await fetch(`/models/${model}`)).arrayBuffer();
  const network = await GpuNetwork.create(
    device, await loadShaders(), parse(file));
  const data = Uint8ClampedArray.from(atob(pixels), (c) => c.charCodeAt(0));
  const grey = data.every((value, i) => i % 4 > 2 || value === data[i & ~3]);
  network.setPhoto({width, height, data, grey});
  const write = device.queue.writeBuffer.bind(device.queue);
  let sent = 0;
  device.queue.writeBuffer = (...all) => {
    sent += all[2].byteLength;
    write(...all);
  };
  const found = [];
  for (const [x, y, wide, high, strength] of wishes) {
    sent = 0;
    const rect = {x, y, width: wide, height: high};
    const result = await network.restore(rect, strength);
    found.push([btoa(Array.from(result, (c) => String.fromCharCode(c))
      .join('')), sent]);
  }
  device.destroy();
  return found;
}"""


@pytest.fixture(scope='module')
def blank(browser):
  """A page of no content on a server that has the engine and models."""
  with browsers.blank_page(browser) as served:
    yield served


def _run(blank, model, rgba, wishes):
  """Results of the browser, uint8 [h, w, 4] a wish, and the bytes sent."""
  found, visit = blank
  found['models/tested'] = weights.export(model, 'tested')
  height, width, _ = rgba.shape
  pixels = base64.b64encode(rgba.tobytes()).decode()
  answers = visit.page.evaluate(_RUN, ['tested', width, height, pixels, wishes])
  results = [
    np.frombuffer(base64.b64decode(text), np.uint8).reshape(high, wide, 4)
    for (text, _), (_, _, wide, high, _) in zip(answers, wishes, strict=True)
  ]
  return results, [sent for _, sent in answers]


def _expected(model, rgb, strength):
  image = (rgb / np.float32(255)).astype(np.float32)[None]
  pixels, finish = pipeline.prepare(image, model.arch.channels)
  output = Network(model.arch, model.params).restore(
    pixels, np.float32(strength)
  )
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
def test_every_kind_of_network_equals_jax(blank, arch):
  model = _random(arch)
  rgb = np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)
  strengths = (0.0, 0.35, 1.0) if arch.kernel else (0.0,)
  wishes = [[0, 0, 23, 17, strength] for strength in strengths]
  results, _ = _run(blank, model, _opaque(rgb), wishes)
  for result, strength in zip(results, strengths, strict=True):
    expected = _expected(model, rgb, strength)
    assert np.abs(expected - rgb).max() > 50
    np.testing.assert_allclose(result[..., :3], expected, atol=1)
    assert (result[..., 3] == 255).all()
  if arch.kernel:
    moved = np.abs(results[0].astype(int) - results[1])
    assert moved.max() > 15


@pytest.mark.parametrize('name', ['denoise', 'dejpeg', 'sr'])
def test_released_models_equal_jax(blank, name):
  model = zoo.load(name)
  rgb = np.ascontiguousarray(data.coffee()[150:195, 300:350])
  noisy = np.random.default_rng(1).normal(rgb, 20).clip(0, 255)
  rgb = noisy.astype(np.uint8)
  (result,), _ = _run(blank, model, _opaque(rgb), [[0, 0, 50, 45, 0.4]])
  np.testing.assert_allclose(
    result[..., :3], _expected(model, rgb, 0.4), atol=1
  )


def test_tiles_are_exact_and_a_strength_is_a_few_bytes(blank):
  model = _random(Architecture(8, 2, 3, 5, 'block+trunk'))
  rgb = np.random.default_rng(3).integers(0, 256, (90, 121, 3), np.uint8)
  tiles = [[0, 0, 121, 90, 0.7], [43, 31, 20, 17, 0.7], [101, 70, 20, 20, 0.7]]
  (whole, *parts), sent = _run(blank, model, _opaque(rgb), tiles)
  for part, (x, y, wide, high, _) in zip(parts, tiles[1:], strict=True):
    np.testing.assert_array_equal(part, whole[y : y + high, x : x + wide])
  assert max(sent) <= 128


def test_grey_and_transparent_pictures(blank):
  model = _random(Architecture(8, 1, 3, 1))
  rng = np.random.default_rng(4)
  grey = np.repeat(rng.integers(0, 256, (12, 14, 1), np.uint8), 3, -1)
  (result,), _ = _run(blank, model, _opaque(grey), [[0, 0, 14, 12, 0.5]])
  one = (grey[None, ..., :1] / np.float32(255)).astype(np.float32)
  pixels, finish = pipeline.prepare(one, 3)
  output = Network(model.arch, model.params).restore(pixels, np.float32(0.5))
  expected = np.rint(np.clip(finish(output)[0], 0, 1) * 255)
  np.testing.assert_allclose(
    result[..., :3], np.repeat(expected, 3, -1), atol=1
  )
  colour = rng.integers(0, 256, (12, 14, 4), np.uint8)
  colour[:6, :, 3] = 0
  colour[6:, :, 3] = 255
  (result,), _ = _run(blank, model, colour, [[0, 0, 14, 12, 0.5]])
  np.testing.assert_array_equal(result[:6], colour[:6])
  seen = colour[..., :3] * (colour[..., 3:] > 0)
  np.testing.assert_allclose(
    result[6:, :, :3], _expected(model, seen, 0.5)[6:], atol=1
  )

"""Observation 1: least squares against filters that are known."""

import jax
import numpy as np
import numpy_network
import pytest
from small_configs import parse
from small_sets import smooth_pixels

from adafm_jax.data.image import NamedImage
from adafm_jax.models import networks
from adafm_jax.paper import observation


def features(seed, height=17, width=23, channels=3):
  rng = np.random.default_rng(seed)
  return rng.normal(0, 1, (1, height, width, channels)).astype('f4')


def filtered(x, g, constant):
  """[1, h, w, C] by filters g [k, k, C], in float64."""
  nchw = np.transpose(x.astype(np.float64), (0, 3, 1, 2))
  out = numpy_network.depthwise(nchw, np.transpose(g, (2, 0, 1))[:, None])
  return np.transpose(out, (0, 2, 3, 1)) + constant


@pytest.mark.parametrize('side', [1, 3, 5])
def test_a_filter_of_the_size_is_found(side):
  rng = np.random.default_rng(9)
  g, constant = rng.normal(0, 1, (side, side, 3)), rng.normal(0, 1, 3)
  ours = [features(0), features(1, height=20)]
  theirs = [filtered(x, g, constant) for x in ours]
  kernel, bias = observation.fit_filters(ours, theirs, side)
  identity = np.zeros((side, side))
  identity[side // 2, side // 2] = 1
  expected = g - identity[..., None]
  np.testing.assert_allclose(kernel[:, :, 0], expected, atol=1e-5)
  np.testing.assert_allclose(bias, constant, atol=1e-5)


def test_a_dead_feature_has_a_solution():
  ours = [features(0) * [1, 0, 1]]
  kernel, bias = observation.fit_filters(ours, [features(2)], 3)
  assert np.isfinite(kernel).all()
  np.testing.assert_allclose(bias[1], features(2)[..., 1].mean(), atol=1e-5)


def test_cosine_distance():
  a = np.zeros((1, 1, 2, 3), np.float32)
  a[0, 0] = [[1, 1, 1], [0, 0, 0]]
  b = np.zeros_like(a)
  b[0, 0] = [[2, 0, -1], [0, 3, 0]]  # the same, at right angles, opposite
  assert observation.cosine_distance(a, b) == pytest.approx((0 + 1 + 2) / 3)


def test_the_fitted_network_is_the_end_network_if_filters_can_be():
  """Gains of the filters are what 1x1 filters g can undo."""
  network = networks.Peer(kind='arcnn', features=8, channels=1, kernel=1)
  plain = networks.Peer(kind='arcnn', features=8, channels=1)
  start = networks.init(jax.random.key(0), plain, scale=1.0)
  rng = np.random.default_rng(1)
  end = {
    name: {
      'kernel': layer['kernel'] * (gain := rng.uniform(0.5, 2)),
      'bias': layer['bias'] * gain + rng.uniform(0, 0.1),
    }
    for name, layer in start.items()
  }
  image = NamedImage('a', smooth_pixels(0, 24, 31)[..., :1])
  config = parse(start=15.0, end=50.0, model__channels=1)
  fitted = observation.fit(config, network, start, (start, end), [image])
  x = image.pixels[None].astype('f4') / 255
  expected = networks.make_apply(plain)(end, x, 0.0)
  actual = networks.make_apply(network)(fitted, x, 1.0)
  np.testing.assert_allclose(actual, expected, atol=1e-4)
  before = networks.make_apply(plain)(start, x, 0.0)
  np.testing.assert_allclose(
    networks.make_apply(network)(fitted, x, 0.0), before, atol=1e-6
  )
  assert np.abs(before - expected).max() > 0.01

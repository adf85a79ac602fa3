"""One strength bent into one for each AdaFM layer."""

import dataclasses

import jax
import numpy as np
import pytest
from numpy.polynomial import polynomial

from adafm_jax.engine import run as engine
from adafm_jax.models import restorer, strength
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(6, 2, 3, 3, 'block+trunk')
BENT = dataclasses.replace(ARCH, layer_curve=3)
LAYERS = ARCH.adafm_layers
CURVE = np.random.default_rng(3).normal(0, 2, (LAYERS, 3)).astype(np.float32)
IMAGE = np.random.default_rng(1).random((2, 11, 14, 3), np.float32)


def _params(arch):
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: rng.normal(0, 0.2, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )


def _bent(arch, curve):
  params = _params(arch)
  arch = dataclasses.replace(arch, layer_curve=curve.shape[1])
  return arch, params, params | {'layer_curve': curve}


def _expected(s):
  """By NumPy in float64: [layers, ...] of s [...]."""
  s = np.asarray(s, np.float64)
  curve = np.asarray(CURVE, np.float64)
  return np.stack([s + s * (1 - s) * polynomial.polyval(s, c) for c in curve])


def test_layers_have_polynomials_of_their_own_and_common_ends():
  s = np.linspace(0, 1, 11)
  spread = strength.spread(s.astype(np.float32), LAYERS, (11, 4, 4, 3))
  bent = np.asarray(strength.per_layer(spread, CURVE))[..., 0, 0, 0]
  np.testing.assert_allclose(bent, _expected(s), rtol=0, atol=2e-6)
  assert not bent[:, 0].any()
  assert (bent[:, -1] == 1).all()
  assert np.ptp(bent[:, 5]) > 0.1


def test_the_network_takes_each_layer_at_its_strength():
  arch, params, with_curve = _bent(ARCH, CURVE)
  run = jax.jit(restorer.make_apply(ARCH))
  bend = jax.jit(restorer.make_apply(arch))
  for s in (np.float32(0.4), np.array([0.2, 0.9], np.float32)):
    per_layer = _expected(s).astype(np.float32).reshape(LAYERS, -1)
    expected = run(params, IMAGE, per_layer)
    np.testing.assert_allclose(
      bend(with_curve, IMAGE, s), expected, rtol=0, atol=5e-6
    )
    single = run(params, IMAGE, s)
    assert np.abs(single - expected).max() > 0.01
  for end in (0.0, 1.0):
    np.testing.assert_array_equal(
      bend(with_curve, IMAGE, end), run(params, IMAGE, end)
    )


def test_a_map_of_strengths_is_bent_pixel_by_pixel():
  arch, params, with_curve = _bent(ARCH, CURVE)
  maps = np.random.default_rng(2).random((2, 6, 7)).astype(np.float32)
  expected = restorer.make_apply(ARCH)(
    params, IMAGE, _expected(maps).astype(np.float32)
  )
  actual = restorer.make_apply(arch)(with_curve, IMAGE, maps)
  np.testing.assert_allclose(actual, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize('kernel', [1, 3])
def test_tiles_sweeps_and_folding_follow_the_curve(kernel):
  base = dataclasses.replace(ARCH, kernel=kernel)
  arch, _, params = _bent(base, CURVE)
  s = np.array([0.3, 0.3], np.float32)
  whole = np.asarray(restorer.make_apply(arch)(params, IMAGE, s))
  run = engine.make_run(arch, tile=8)
  np.testing.assert_allclose(run(params, IMAGE, s), whole, atol=1e-5)
  (swept,) = engine.sweep(arch, params, IMAGE, np.array([0.3, 0.8]), 2**40)
  np.testing.assert_allclose(swept[0], whole, atol=1e-5)
  assert np.abs(swept[1] - swept[0]).max() > 0.01
  used, folded = engine.fold(arch, params, s)
  assert used == (arch.basic if kernel == 1 else arch)
  np.testing.assert_allclose(
    restorer.make_apply(used)(folded, IMAGE, s), whole, atol=1e-5
  )


def test_a_basic_model_has_no_layers_to_bend():
  wrong = Architecture(6, 1, 3, 0, layer_curve=2)
  assert wrong.problems() == [
    'model.layer_curve is 2; it must be a whole number from 0 to 0.'
  ]
  assert BENT.basic.layer_curve == 0

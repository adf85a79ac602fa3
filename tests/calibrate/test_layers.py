"""The layers' curves are learnt from pictures, and judged on others."""

import dataclasses

import numpy as np
import pytest
import tiny_models

from adafm_jax.calibrate import curves as calibration
from adafm_jax.calibrate import layers as layer_curve
from adafm_jax.calibrate.layers import Comparison, Target
from adafm_jax.data.image import NamedImage
from adafm_jax.evaluate import scores as benchmark
from adafm_jax.evaluate.protocol import Case, Protocol
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(6, 1, 3, 3)
TRUE = np.array([[1.5], [-1.0]], np.float32)
STRENGTHS = (0.3, 0.6)


@pytest.fixture(scope='module')
def network():
  params = tiny_models.random_model(kernel=3).params
  params['block_00']['adafm_1']['kernel'] *= 6
  params['block_00']['adafm_2']['kernel'] *= 6
  return benchmark.make_network(ARCH, params)


@pytest.fixture(scope='module')
def targets(network):
  """Pictures that the network makes with curves that are known."""
  rng = np.random.default_rng(0)
  bent = calibration.with_layers(network, TRUE)
  apply = restorer.make_apply(bent.arch)
  found = []
  for i, strength in enumerate(STRENGTHS):
    degraded = rng.random((2, 40, 40, 3), np.float32)
    clean = np.asarray(apply(bent.params, degraded, strength)) * 255
    cases = [
      Case(str(j), c, d)
      for j, (c, d) in enumerate(zip(clean, degraded, strict=True))
    ]
    found.append(Target(20.0 + i, strength, cases))
  return found


def test_curves_that_made_the_pictures_are_found(network, targets):
  told = []
  found = layer_curve.fit(
    network,
    targets,
    coefficients=1,
    steps=300,
    report=lambda step, gain: told.append((step, gain)),
  )
  np.testing.assert_allclose(found, TRUE, rtol=0, atol=0.05)
  assert [step for step, _ in told] == [60, 120, 180, 240, 300]
  assert told[-1][1] > 20  # dB
  again = layer_curve.fit(network, targets, coefficients=1, steps=300)
  np.testing.assert_array_equal(again, found)


def test_the_better_curve_is_released(network, targets):
  rounded = [
    t._replace(
      cases=[
        c._replace(clean=np.clip(c.clean.round(), 0, 255).astype(np.uint8))
        for c in t.cases
      ]
    )
    for t in targets
  ]
  protocol = Protocol.of('denoise')
  for curve, better in ((TRUE, True), (-TRUE, False)):
    bent = calibration.with_layers(network, curve)
    compared = layer_curve.compare(network, bent, rounded, protocol)
    assert [c.level for c in compared] == [20, 21]
    assert [c.layers > c.single for c in compared] == [better] * 2
    assert layer_curve.wins(compared) == better
  case = rounded[0].cases[0]
  alone = benchmark.restore(network, case, np.array([0.3]))[0]
  error = np.mean((alone.astype(float) - case.clean) ** 2)
  one = rounded[0]._replace(cases=[case])
  (compared,) = layer_curve.compare(network, network, [one], protocol)
  assert compared.single == pytest.approx(10 * np.log10(255**2 / error))


def test_without_a_comparison_the_paper_s_curve_is_released():
  assert not layer_curve.wins([])
  assert not layer_curve.wins([Comparison(20, 30.0, 30.005)])
  assert layer_curve.wins([Comparison(20, 30.0, 30.02)])
  assert not layer_curve.wins([Comparison(20, 30, 31), Comparison(30, 30, 28)])


def test_targets_are_levels_between_the_ends():
  image = NamedImage('a', np.full((32, 40, 3), 90, np.uint8))
  small = NamedImage('b', np.full((31, 40, 3), 90, np.uint8))
  given = [15, 40, 75], [0.0, 0.4, 1.0], Protocol.of('denoise')
  made = layer_curve.make_targets([small, image], *given)
  assert not layer_curve.make_targets([small], *given)
  assert [c.name for c in made[0].cases] == ['a']
  assert [(t.level, t.strength) for t in made] == [(40, 0.4)]
  noise = made[0].cases[0].degraded - 90 / 255
  assert 35 < noise.std() * 255 < 45


def test_with_layers_runs_the_network_that_a_model_file_holds(network):
  model = dataclasses.replace(
    tiny_models.random_model(), params=network.params, layer_curve=TRUE
  ).with_curve('layers')
  bent = calibration.with_layers(network, TRUE)
  assert bent.arch == model.arch
  np.testing.assert_array_equal(bent.params['layer_curve'], TRUE)

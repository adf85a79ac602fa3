import json
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from adafm_jax.calibrate import measure
from adafm_jax.data.image import NamedImage
from adafm_jax.engine import run as engine
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Protocol, make_case, make_cases

PROTOCOL = Protocol.of('denoise', 'float')


class _Known(NamedTuple):
  """A network whose best strength is known, run as the engine runs one."""

  apply: Callable

  def sweep(self, images, strengths, *, reduce, operands):
    swept = engine.make_sweep(self.apply)
    values = jnp.asarray(strengths, jnp.float32)
    yield np.asarray(reduce(swept({}, images, values), *operands))


def _images(count=2):
  rng = np.random.default_rng(3)
  y, x = np.mgrid[:48, :40]
  base = 120 + 50 * np.sin((x + y) / 9)[..., None]
  return [
    NamedImage(
      f'{i}', (base + rng.uniform(-3, 3, (48, 40, 3))).astype(np.uint8)
    )
    for i in range(count)
  ]


def _shrink(params, image, strength):
  """Wiener's filter of a known picture: best where strength fits the noise.

  It blends the noisy image with the clean mean: the error of a weight w is
  w^2 sigma^2 + (1 - w)^2 variance, least at w = variance / (sum of both).
  """
  del params
  weight = 1 - strength
  return weight * image + (1 - weight) * np.float32(120 / 255)


def _best(images, level):
  """The strength at which `_shrink` errs least, in closed form."""
  clean = np.stack([i.pixels for i in images]) / 255
  noisy = np.stack(
    [make_case(i, level, PROTOCOL).degraded for i in images]
  ).astype(np.float64)
  noise, signal = noisy - clean, 120 / 255 - noisy
  # error = noise + strength * signal; PSNR is averaged in dB, image by image.
  found = [
    -(n * s).sum() / (s * s).sum() for n, s in zip(noise, signal, strict=True)
  ]
  return float(np.mean(found))


@pytest.mark.parametrize('level', [10, 22, 31])
def test_finds_the_best_strength_below_the_grids_step(level):
  images = _images()
  found = measure.measure(
    _Known(_shrink), images, level, np.arange(11) / 10, PROTOCOL
  )
  wanted = _best(images, level)
  assert 0.04 < wanted < 0.6
  # Ten times as fine as the grid; rounding to 8 bits shifts it a little.
  assert found.best == pytest.approx(wanted, abs=0.01)
  assert abs(found.best * 10 - round(found.best * 10)) > 0.02
  assert found.level == level
  assert (np.diff(found.strengths) > 1e-7).all()
  assert set(np.arange(11) / 10) <= set(found.strengths)
  assert len(found.strengths) == len(found.psnr) > 11 + 5
  top = found.strengths[found.psnr.argmax()]
  assert abs(top - found.best) < 0.025 + 1e-9


def test_the_psnr_is_the_mean_over_the_images():
  images = _images(3)
  network = _Known(_shrink)
  found = measure.measure(network, images, 20, (0, 0.5, 1), PROTOCOL)
  cases = make_cases(images, 20, PROTOCOL)
  grid = scores.psnr_grid(network, cases, found.strengths, PROTOCOL, 20)
  assert grid.shape[1] == 3
  np.testing.assert_allclose(found.psnr, grid.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize('end', [0, 1])
def test_a_best_at_the_end_of_the_grid(end):
  def apply(params, image, strength):
    del params
    # Off by a tenth of the distance to the end, so the end is best.
    return image + np.float32(0.2) * jnp.abs(strength - np.float32(end))

  found = measure.measure(_Known(apply), _images(1), 5, (1, 0.5, 0), PROTOCOL)
  assert found.best == pytest.approx(end, abs=0.02)
  assert len(found.strengths) == 3 + 7


def test_a_perfect_restoration_is_no_infinity():
  clean = np.full((16, 16, 3), 51, np.uint8)

  def apply(params, image, strength):
    del params
    off = np.float32(40 / 255) * jnp.abs(strength - np.float32(0.5))
    return image * 0 + np.float32(51 / 255) + off

  image = NamedImage('flat', clean)
  found = measure.measure(
    _Known(apply), [image], 5, np.arange(11) / 10, PROTOCOL
  )
  assert found.psnr.max() == 100
  assert found.best == pytest.approx(0.5, abs=0.03)


def test_two_shapes_of_pass_whatever_the_best_is():
  counts = []

  class Counting(_Known):
    def sweep(self, images, strengths, **options):
      counts.append(len(strengths))
      return super().sweep(images, strengths, **options)

  for level in (0, 5, 15, 30):
    measure.measure(
      Counting(_shrink), _images(), level, np.arange(11) / 10, PROTOCOL
    )
  assert set(counts) == {11, 7}  # the grid and the finer look


@pytest.mark.parametrize('kind', ['polynomial', 'piecewise'])
def test_curves_go_through_the_measurements(kind):
  grid = np.arange(11) / 10
  found = measure.fit(
    [
      measure.measure(_Known(_shrink), _images(), level, grid, PROTOCOL)
      for level in (10, 20, 30, 40)
    ],
    ends=(0, 50),
    order=3,
    kind=kind,
  )
  assert found.released == getattr(found, kind)
  orders = [c.order for c in (found.polynomial, found.line, found.piecewise)]
  assert orders == [3, 1, None]
  for curve in (found.polynomial, found.line, found.piecewise):
    assert (curve.strength(0), curve.strength(50)) == (0, 1)
    assert curve.strengths == tuple(m.best for m in found.measurements)
  for m in found.measurements:
    assert found.piecewise.strength(m.level) == pytest.approx(m.best)


def test_measurements_are_kept_as_json():
  made = measure.measure(_Known(_shrink), _images(), 20, (0, 0.5, 1), PROTOCOL)
  again = measure.Measurement.of(json.loads(json.dumps(made.to_json())))
  assert (again.level, again.best) == (made.level, made.best)
  np.testing.assert_array_equal(again.strengths, made.strengths)
  np.testing.assert_array_equal(again.psnr, made.psnr)

"""Small images share compiled sizes, and nothing shows it."""

import jax
import numpy as np
import pytest

from adafm_jax.engine import canvas, plan
from adafm_jax.engine.run import Network
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

EVERYTHING = 2**30


def _params(arch):
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: rng.normal(0, 0.15, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )


@pytest.mark.parametrize(
  'arch',
  [
    Architecture(features=6, blocks=1, kernel=5),
    Architecture(features=5, blocks=2, kernel=1, channels=1),
    Architecture(features=8, blocks=2, kernel=0),
  ],
)
def test_images_of_any_size_are_what_they_are_alone(arch):
  params, rng = _params(arch), np.random.default_rng(1)
  canvas.canvases.cache_clear()
  network = Network(arch, params, shares_sizes=True)
  alone = jax.jit(restorer.make_apply(arch))
  for size in ((52, 66), (40, 60), (33, 61), (1, 9), (70, 20)):
    image = rng.random((1, *size, arch.channels), np.float32)
    for value in np.array([0.2, 0.9], np.float32):
      given = canvas.restore(
        arch, params, image, value, dtype='float32', most=EVERYTHING
      )
      wanted = np.asarray(alone(params, image, value))
      np.testing.assert_allclose(given, wanted, rtol=2e-6, atol=1e-6)
    found = network.restore(image, value[None])  # 1x1 is folded away
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
  assert canvas.canvases(arch, 'float32').sizes == [(52, 66), (96, 64)]


def test_many_sizes_share_a_handful_of_canvases():
  rng = np.random.default_rng(0)
  sizes = [tuple(x) for x in (2 * rng.integers(20, 120, (50, 2))).tolist()]
  found = canvas.Canvases()
  used = wanted = 0
  for index in rng.integers(0, 50, 1000):
    size = sizes[index]
    chosen = found.fit(size, EVERYTHING)
    assert chosen[0] >= size[0]
    assert chosen[1] >= size[1]
    used += chosen[0] * chosen[1]
    wanted += size[0] * size[1]
  assert len(found.sizes) <= 12
  assert used < 1.8 * wanted


@pytest.mark.parametrize('many', [False, True])
def test_strips_waste_no_more_than_others(many):
  found = canvas.Canvases()
  for i in range(8 if many else 1):
    found.fit((64 * 2**i, 64 * 2**i), EVERYTHING)
  begun = len(found.sizes)
  widths = range(99_000, 130_000, 1000)
  for size in [(2, n) for n in widths] + [(n, 2) for n in widths]:
    chosen = found.fit(size, EVERYTHING)
    assert chosen[0] * chosen[1] <= 4 * size[0] * size[1]
  assert len(found.sizes) == begun + 2


def test_images_of_one_size_waste_nothing():
  found = canvas.Canvases()
  assert {found.fit((322, 482), EVERYTHING) for _ in range(3)} == {(322, 482)}


def test_a_canvas_takes_no_more_memory_than_there_is():
  found = canvas.Canvases()
  found.fit((200, 200), EVERYTHING)
  assert found.fit((150, 150), EVERYTHING) == (200, 200)
  assert found.fit((150, 150), 150 * 160) == (150, 150)
  arch = Architecture(features=6, blocks=1, kernel=0)
  canvas.canvases.cache_clear()
  network = Network(
    arch,
    _params(arch),
    memory=plan.whole_bytes(arch, 30, 40),
    shares_sizes=True,
  )
  for size in ((30, 40), (20, 22)):
    network.restore(np.zeros((1, *size, 3), np.float32), np.float32(0))
  assert canvas.canvases(arch, 'float32').sizes == [(30, 40)]

import tracemalloc

import numpy as np
import tiny_models

from adafm_jax.engine import ensemble
from adafm_jax.engine.run import Network


def _eight(image):
  """The dihedral group by NumPy's rotations: an independent list."""
  for turns in range(4):
    for flipped in (False, True):
      turned = np.rot90(image, turns, (-3, -2))
      yield (turned[..., ::-1, :] if flipped else turned), turns, flipped


def _back(image, turns, flipped):
  image = image[..., ::-1, :] if flipped else image
  return np.rot90(image, -turns, (-3, -2))


def test_it_is_the_mean_over_eight_orientations():
  model = tiny_models.random_model()
  image = np.random.default_rng(0).random((2, 10, 7, 3), np.float32)
  strengths = np.array([0.2, 0.9], np.float32)
  network = Network(model.arch, model.params)
  outputs = [
    _back(network.restore(np.ascontiguousarray(x), strengths), turns, flipped)
    for x, turns, flipped in _eight(image)
  ]
  averaged = Network(model.arch, model.params, self_ensemble=True)
  result = averaged.restore(image, strengths)
  np.testing.assert_allclose(result, np.mean(outputs, axis=0), atol=1e-6)
  assert np.abs(result - outputs[0]).max() > 1e-3


def test_every_orientation_is_seen_once():
  image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
  seen = []

  def restore(image, strength):
    assert strength == 0.5
    seen.append(image)
    return image

  result = ensemble.run(restore, image, 0.5)
  np.testing.assert_array_equal(result, image)
  expected = {(x.shape, x.tobytes()) for x, _, _ in _eight(image)}
  assert {(x.shape, x.tobytes()) for x in seen} == expected
  assert len(seen) == len(expected) == 8


def test_it_does_not_keep_eight_results():
  image = np.zeros((1, 300, 400, 3), np.float32)
  tracemalloc.start()
  ensemble.run(lambda x, _: np.ascontiguousarray(x), image, 0.5)
  _, most = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert most < 4 * image.nbytes

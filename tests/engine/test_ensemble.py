import jax
import jax.numpy as jnp
import numpy as np
import tiny_models

from adafm_jax.engine import ensemble
from adafm_jax.engine import run as engine


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
  rng = np.random.default_rng(0)
  image = rng.random((2, 10, 7, 3), np.float32)
  maps = rng.random((2, 10, 7), np.float32)
  run = engine.make_run(model.arch)
  outputs = []
  for (x, turns, flipped), (s, _, _) in zip(
    _eight(image), _eight(maps[..., None]), strict=True
  ):
    output = run(model.params, np.ascontiguousarray(x), s[..., 0])
    outputs.append(_back(output, turns, flipped))
  averaged = engine.make_run(model.arch, self_ensemble=True)
  result = averaged(model.params, image, maps)
  np.testing.assert_allclose(result, np.mean(outputs, axis=0), atol=1e-6)
  assert np.abs(result - outputs[0]).max() > 1e-3


def test_every_orientation_is_seen_once():
  image = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
  seen = []

  def run(params, image, strength):
    seen.append(image)
    return image

  result = ensemble.self_ensemble(run)(None, image, 0.5)
  np.testing.assert_array_equal(result, image)
  expected = {(x.shape, x.tobytes()) for x, _, _ in _eight(image)}
  assert {(x.shape, x.tobytes()) for x in seen} == expected
  assert len(seen) == len(expected) == 8


def test_it_commutes_with_turning_the_image():
  model = tiny_models.random_model()
  image = np.random.default_rng(1).random((1, 8, 12, 3), np.float32)
  run = engine.make_run(model.arch, self_ensemble=True)
  turned = np.ascontiguousarray(np.rot90(image, 1, (1, 2)))
  strength = np.float32(0.5)
  np.testing.assert_allclose(
    np.rot90(run(model.params, image, strength), 1, (1, 2)),
    run(model.params, turned, strength),
    atol=1e-6,
  )


def test_it_can_be_jitted_and_differentiated():
  model = tiny_models.random_model()
  rng = np.random.default_rng(2)
  image, weights = rng.random((2, 1, 6, 8, 3), np.float32)
  run = ensemble.self_ensemble(model.apply)

  def loss(strength):
    return jnp.vdot(run(model.params, image, strength), weights)

  slope = jax.jit(jax.grad(loss))(0.5)
  difference = (loss(0.51) - loss(0.49)) / 0.02
  np.testing.assert_allclose(slope, difference, rtol=5e-2)
  assert slope != 0

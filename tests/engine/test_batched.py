import jax
import numpy as np
import pytest

from adafm_jax.engine import batched
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(features=8, blocks=2, channels=3, kernel=3)


@pytest.fixture(scope='module')
def params():
  rng = np.random.default_rng(1)
  return jax.tree.map(
    lambda leaf: rng.normal(0, 0.1, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(ARCH),
  )


def test_a_sweep_equals_single_strengths(params):
  apply = restorer.make_apply(ARCH)
  images = np.random.default_rng(2).random((2, 11, 14, 3), np.float32)
  strengths = np.array([0, 0.3, 1], np.float32)
  swept = jax.jit(batched.make_sweep(apply))(params, images, strengths)
  assert swept.shape == (3, 2, 11, 14, 3)
  for output, strength in zip(swept, strengths, strict=True):
    alone = apply(params, images, strength)
    np.testing.assert_allclose(output, alone, atol=2e-5)
  assert np.abs(swept[0] - swept[1]).max() > 1e-2


def test_weights_are_shared_by_all_strengths(params):
  """No convolution has an own kernel for each strength."""
  sweep = batched.make_sweep(restorer.make_apply(ARCH, lowering='grouped'))
  shapes = jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32)
  program = jax.make_jaxpr(sweep)(
    params, shapes, jax.ShapeDtypeStruct((5,), np.float32)
  )
  convolutions = [
    equation
    for equation in _equations(program.jaxpr)
    if equation.primitive.name == 'conv_general_dilated'
  ]
  kernels = [e.invars[1].aval.shape for e in convolutions]
  plain = [layer['kernel'].shape for layer in _layers(params)]
  assert sorted(kernels) == sorted(plain)
  # What comes before the first strength is computed once, not five times.
  assert convolutions[0].invars[0].aval.shape[0] == 1
  assert convolutions[-1].invars[0].aval.shape[0] == 5


def _equations(jaxpr):
  for equation in jaxpr.eqns:
    inner = [v.jaxpr for v in equation.params.values() if hasattr(v, 'jaxpr')]
    for part in inner:
      yield from _equations(part)
    if not inner:
      yield equation


def _layers(params):
  for value in params.values():
    if 'kernel' in value:
      yield value
    else:
      yield from _layers(value)


@pytest.mark.parametrize('length', [1, 3, 7, 10])
def test_chunks_give_every_strength_once_from_one_shape(length):
  shapes = []

  def sweep(params, images, strengths):
    shapes.append(strengths.shape)
    return params * images[None] + strengths[:, None]

  strengths = np.linspace(0, 1, 7)
  parts = list(batched.in_chunks(sweep, 2.0, np.ones(4), strengths, length))
  together = np.concatenate(parts)
  np.testing.assert_allclose(
    together, 2 + np.repeat(strengths[:, None], 4, axis=1), rtol=1e-6
  )
  assert set(shapes) == {(length,)}
  assert len(parts) == -(-7 // length)

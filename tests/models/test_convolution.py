"""The convolution of training: its gradients, in as many parts as it takes."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from adafm_jax.models import convolution, restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import mesh as meshes

SAME = ((1, 1), (1, 1))
IMAGES = 24  # three for each of the tests' devices


def _numpy_gradients(x, kernel, cotangent, padding):
  """Of the convolution by its definition, in float64."""
  x, kernel, cotangent = (
    np.asarray(y, np.float64) for y in (x, kernel, cotangent)
  )
  wide = np.pad(x, ((0, 0), *padding, (0, 0)))
  wide_gradient, kernel_gradient = np.zeros_like(wide), np.zeros_like(kernel)
  height, width = cotangent.shape[1:3]
  for dy, dx in np.ndindex(3, 3):
    view = (slice(None), slice(dy, dy + height), slice(dx, dx + width))
    kernel_gradient[dy, dx] = np.tensordot(
      wide[view], cotangent, ([0, 1, 2],) * 2
    )
    wide_gradient[view] += cotangent @ kernel[dy, dx].T
  (top, _), (left, _) = padding
  inside = (slice(top, top + x.shape[1]), slice(left, left + x.shape[2]))
  return wide_gradient[:, *inside], kernel_gradient


def _tensors(channels, features, padding):
  rng = np.random.default_rng(channels)
  x, kernel = (
    rng.normal(size=shape).astype(np.float32)
    for shape in ((IMAGES, 5, 8, channels), (3, 3, channels, features))
  )
  size = [n + sum(pad) - 2 for n, pad in zip((5, 8), padding, strict=True)]
  cotangent = rng.normal(size=(IMAGES, *size, features)).astype(np.float32)
  return x, kernel, cotangent


def _gradients(x, kernel, cotangent, padding):
  def convolve(x, kernel):
    return convolution.convolve(x, kernel, padding)

  return jax.vjp(convolve, x, kernel)[1](cotangent)


@pytest.mark.parametrize('parts', [1, 3])
@pytest.mark.parametrize('padding', [SAME, ((0, 1), (0, 0)), ((2, 0), (1, 2))])
@pytest.mark.parametrize(('channels', 'features'), [(4, 4), (5, 1), (3, 7)])
def test_gradients_equal_numpy(monkeypatch, channels, features, padding, parts):
  monkeypatch.setattr(convolution, '_parts', lambda shape: parts)
  tensors = _tensors(channels, features, padding)
  expected = _numpy_gradients(*tensors, padding)
  for found, wanted in zip(
    _gradients(*tensors, padding), expected, strict=True
  ):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_bfloat16_is_summed_in_float32(monkeypatch):
  tensors = [x.astype(jnp.bfloat16) for x in _tensors(4, 4, SAME)]
  monkeypatch.setattr(convolution, '_parts', lambda shape: 1)
  (_, whole) = _gradients(*tensors, SAME)
  monkeypatch.setattr(convolution, '_parts', lambda shape: 24)
  (_, parts) = _gradients(*tensors, SAME)
  assert parts.dtype == jnp.bfloat16
  expected = _numpy_gradients(*tensors, SAME)[1]
  # Of values of up to 150: half a step of eight bits, and no more.
  for found in (whole, parts):
    np.testing.assert_allclose(
      found.astype(np.float32), expected, rtol=2**-8, atol=1e-3
    )


@pytest.mark.parametrize(
  ('shape', 'parts'),
  [
    ((64, 24, 24, 64), 2),  # eight images a device, four of them at a time
    ((64, 48, 48, 64), 8),
    ((64, 96, 96, 64), 8),  # one image is too large and is one part
    ((64, 24, 24, 32), 1),
    ((64, 48, 48, 16), 1),  # too thin
    ((60, 48, 48, 64), 1),  # the devices' shares differ
  ],
)
def test_parts_fit_the_cache(shape, parts):
  assert jax.device_count() == 8
  assert convolution._parts(shape) == parts


def test_between_processes_all_images_are_one_part(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  assert convolution._parts((64, 48, 48, 64)) == 1


def test_images_stay_on_their_devices(monkeypatch):
  monkeypatch.setattr(convolution, '_parts', lambda shape: 3)
  mesh = meshes.make_mesh()
  tensors = _tensors(4, 4, SAME)
  split, whole = (
    NamedSharding(mesh, PartitionSpec(*axes)) for axes in (['data'], [])
  )
  gradient = jax.jit(
    lambda *tensors: _gradients(*tensors, SAME)[1],
    in_shardings=(split, whole, split),
    out_shardings=whole,
  )
  program = gradient.lower(*tensors).compile().as_text()
  moves = r'all-(gather|to-all|reduce)|collective-permute'
  assert set(re.findall(moves, program)) == {'reduce'}
  np.testing.assert_allclose(
    gradient(*tensors),
    _numpy_gradients(*tensors, SAME)[1],
    rtol=1e-4,
    atol=1e-4,
  )


def test_the_network_learns_with_it(monkeypatch):
  """Its gradients are those of the network that restores."""
  calls = []
  real = convolution._kernel_gradient

  def counted(*args):
    calls.append(args)
    return real(*args)

  monkeypatch.setattr(convolution, '_kernel_gradient', counted)
  arch = Architecture(features=8, blocks=2)
  params = restorer.init(jax.random.key(0), arch, scale=1.0)
  image = jax.random.uniform(jax.random.key(1), (8, 12, 10, 3))

  def gradients(lowering):
    apply = restorer.make_apply(arch, lowering=lowering)
    return jax.grad(lambda p: jnp.square(apply(p, image, 0.0)).sum())(params)

  expected = gradients('auto')
  assert not calls
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(
      a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max()
    ),
    gradients('train'),
    expected,
  )
  assert len(calls) == 8  # all but the head

import jax
import jax.numpy as jnp
import numpy as np
import numpy_network
import pytest
import tiny_models

from adafm_jax.models import border, modulation, restorer

SHAPE = (2, 12, 9, 5)  # two bands of the gradient
KERNELS = (1, 3, 5, 7)


def _tensors(size):
  rng = np.random.default_rng(size)
  x = rng.normal(size=SHAPE).astype(np.float32)
  kernel = rng.normal(size=(size, size, 1, SHAPE[-1])).astype(np.float32)
  return x, kernel, rng.normal(size=SHAPE).astype(np.float32)


def _bordered(x, size):
  return border.WholeImage().extend(x, size // 2, size // 2)


def _numpy_depthwise(x, kernel):
  """[B, H, W, C] and [k, k, 1, C], by way of PyTorch's layouts."""
  x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
  out = numpy_network.depthwise(
    x.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1)
  )
  return out.transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
  'lowering', ['grouped', 'shifted', 'reverse', 'auto', 'train']
)
@pytest.mark.parametrize('size', KERNELS)
def test_depthwise_equals_numpy(size, lowering):
  x, kernel, _ = _tensors(size)
  actual = modulation.depthwise(_bordered(x, size), kernel, lowering)
  expected = _numpy_depthwise(x, kernel)
  np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('lowering', ['auto', 'train'])
@pytest.mark.parametrize(
  ('size', 'filters', 'grouped'),
  [(3, (), True), (3, (1,), True), (3, (2,), False), (1, (), False)],
)
def test_accelerators_group_shared_filters_of_several_taps(
  monkeypatch, lowering, size, filters, grouped
):
  monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  kernel = jnp.ones((*filters, size, size, 1, 4))
  traced = jax.make_jaxpr(
    lambda x: modulation.depthwise(_bordered(x, size), kernel, lowering)
  )(jnp.ones((2, 6, 6, 4)))
  assert ('feature_group_count=4' in str(traced)) == grouped


@pytest.mark.parametrize('lowering', ['grouped', 'shifted', 'reverse'])
@pytest.mark.parametrize('size', KERNELS)
def test_gradients_equal_numpy(size, lowering):
  x, kernel, cotangent = _tensors(size)

  @jax.jit
  def gradients(*inputs):
    _, transpose = jax.vjp(
      lambda x, kernel: modulation.depthwise(
        _bordered(x, size), kernel, lowering
      ),
      *inputs,
    )
    return transpose(jnp.asarray(cotangent))

  x_gradient, kernel_gradient = map(np.asarray, gradients(x, kernel))
  # Of a correlation: the correlation with the turned filter ...
  expected = _numpy_depthwise(cotangent, kernel[::-1, ::-1])
  np.testing.assert_allclose(x_gradient, expected, rtol=0, atol=1e-5)
  # ... and, as it is linear, its value at each unit filter.
  for dy, dx in np.ndindex(size, size):
    unit = np.zeros_like(kernel)
    unit[dy, dx] = 1
    expected = (_numpy_depthwise(x, unit) * cotangent).sum((0, 1, 2))
    actual = kernel_gradient[dy, dx, 0]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize('lowering', ['grouped', 'shifted', 'reverse'])
def test_whole_network_agrees_in_gradients_of_every_lowering(lowering):
  """The AdaFM weights' gradient against a central difference, float64 NumPy."""
  state, arch, params = tiny_models.authors_network(3)
  image = np.random.default_rng(1).random((1, 6, 10, 3), np.float32)
  apply = restorer.make_apply(arch, lowering=lowering)
  gradient = jax.jit(jax.grad(lambda p: apply(p, image, 0.7).sum()))(params)
  name = 'model.1.sub.0.res.4.transformer.weight'
  kernel = np.asarray(gradient['block_00']['adafm_2']['kernel'])
  for index in ((0, 0, 0, 0), (1, 0, 1, 2), (3, 0, 2, 1)):
    values = []
    for step in (1e-5, -1e-5):
      moved = {k: v.astype(np.float64) for k, v in state.items()}
      moved[name][index] += step
      values.append(numpy_network.run(moved, image, 0.7, blocks=2).sum())
    channel, _, dy, dx = index
    expected = (values[0] - values[1]) / 2e-5
    assert abs(expected) > 1e-3
    assert kernel[dy, dx, 0, channel] == pytest.approx(expected, rel=1e-3)

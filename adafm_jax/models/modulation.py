"""The AdaFM layer (paper section 3.3): a depthwise filter that fades in.

At strength s the layer is x + s * (depthwise(x; g - I) + b): the paper's
interpolated filters I + s (g - I) and biases s b (equation 6), applied to x.
Strength multiplies activations, never weights of the backbone, so all images of
a batch and all strengths of a sweep (under `vmap`) share the weights. On a bent
path (`models.path`) the filters of one strength are summed first, so that a
layer stays one depthwise pass.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import layers
from adafm_jax.models import path as paths
from adafm_jax.models.border import Border, Extended

_BAND = 8  # rows
LOWERINGS = ('auto', 'train', 'portable', 'grouped', 'shifted', 'reverse')


def depthwise(
  x: Extended, kernel: jax.Array, lowering: str = 'auto'
) -> jax.Array:
  """Filters every channel with its own k x k filter.

  Args:
    x: features [B, H, W, C] and k // 2 pixels on each side.
    kernel: float32, k odd: [k, k, 1, C], or [B, k, k, 1, C] with filters for
      each image. Of bfloat16 features too its gradient is summed in float32.
    lowering: how to compute it; the results are equal up to float rounding.
    'grouped' is one grouped convolution, for accelerators. 'shifted' is k * k
    multiply-adds of shifted views, which XLA fuses into one loop on the CPU;
    its grouped convolution is some 25 times slower there. 'reverse' is
    'shifted' with a hand-written derivative: a 5x5 adaptation trains four
    times faster on the CPU, but there is no forward mode (jvp). 'auto' picks
    'grouped' on accelerators, if all images share filters of several taps:
    one tap is a multiplication, and filters of each image would make as many
    groups as there are images times channels. Elsewhere it picks 'shifted'.
    'train' does the same with 'reverse'. 'portable' leaves the choice to the
    platform that the compiled function will run on.

  Returns:
    [B, H, W, C] of x's dtype.
  """
  shared = kernel.ndim == 4 or kernel.shape[0] == 1
  groups = shared and kernel.shape[-4] > 1
  if lowering == 'portable' and groups:
    return jax.lax.platform_dependent(
      x.full,
      kernel,
      cpu=lambda full, kernel: depthwise(
        x._replace(full=full), kernel, 'shifted'
      ),
      default=lambda full, kernel: depthwise(
        x._replace(full=full), kernel, 'grouped'
      ),
    )
  if lowering in ('auto', 'train', 'portable'):
    loop = 'reverse' if lowering == 'train' else 'shifted'
    on_cpu = jax.default_backend() == 'cpu'
    lowering = 'grouped' if groups and not on_cpu else loop
  if lowering in ('shifted', 'reverse'):
    around = ((0, 0), x.padding, x.padding, (0, 0))
    shift = _shifted if lowering == 'shifted' else _shifted_reverse
    return shift(
      jnp.pad(x.full, around), kernel if kernel.ndim == 5 else kernel[None]
    )

  def grouped(full, kernel):
    return jax.lax.conv_general_dilated(
      full,
      kernel.astype(full.dtype),
      window_strides=(1, 1),
      padding=(x.padding, x.padding),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      feature_group_count=full.shape[-1],
    )

  if shared:
    return grouped(x.full, kernel.reshape(kernel.shape[-4:]))
  return jax.vmap(grouped)(x.full[:, None], kernel)[:, 0]


def _shifted(full: jax.Array, kernel: jax.Array) -> jax.Array:
  """Correlates without padding: [B, H, W, C] by [1 or B, k, k, 1, C]."""
  total = jnp.zeros((), full.dtype)
  for (dy, dx), view in _views(full, kernel.shape[1]):
    total = total + view * layers.broadcast_like(kernel[:, dy, dx, None], view)
  return total


def _views(full: jax.Array, size: int):
  """Yields ((dy, dx), the part of `full` that this tap multiplies)."""
  height, width = (side - size + 1 for side in full.shape[1:3])
  for dy in range(size):
    for dx in range(size):
      yield (dy, dx), full[:, dy : dy + height, dx : dx + width, :]


@jax.custom_vjp
def _shifted_reverse(full: jax.Array, kernel: jax.Array) -> jax.Array:
  return _shifted(full, kernel)


def _shifted_forward(full, kernel):
  return _shifted(full, kernel), (full, kernel)


def _shifted_backward(saved, cotangent):
  full, kernel = saved
  count, size, *_ = kernel.shape
  around = (size - 1, size - 1)
  wide = jnp.pad(cotangent, ((0, 0), around, around, (0, 0)))
  full_gradient = _shifted(wide, kernel[:, ::-1, ::-1])
  sums = _tap_sums(full, cotangent, size)
  sums = sums.sum(0, keepdims=True) if count == 1 else sums
  return full_gradient, sums.reshape(kernel.shape).astype(kernel.dtype)


def _tap_sums(full: jax.Array, cotangent: jax.Array, size: int) -> jax.Array:
  """What each tap's view of `full` sums to with `cotangent`.

  Returns float32 [B, k * k, C].

  One reduction for all taps reads the features once; JAX's own derivative has
  one per tap, and is eight times slower on the CPU. The loop over bands of rows
  is there because XLA computes nothing inside it that comes from outside: else
  it would compute both operands again for every tap. One tap needs no loop.
  """
  rows = height = cotangent.shape[1]
  if size > 1:
    rows = max(n for n in range(1, _BAND + 1) if height % n == 0)

  def add_band(i, sums):
    band = [
      jax.lax.dynamic_slice_in_dim(x, i * rows, rows + more, axis=1)
      for x, more in ((full, size - 1), (cotangent, 0))
    ]
    band = [x.astype(jnp.float32) for x in band]
    products = [view * band[1] for _, view in _views(band[0], size)]
    found = jax.lax.reduce(
      products,
      [jnp.float32(0)] * len(products),
      lambda a, b: [x + y for x, y in zip(a, b, strict=True)],
      (1, 2),
    )
    return sums + jnp.stack(found, axis=1)

  batch, *_, channels = full.shape
  nothing = jnp.zeros((batch, size * size, channels), jnp.float32)
  return jax.lax.fori_loop(0, height // rows, add_band, nothing)


_shifted_reverse.defvjp(_shifted_forward, _shifted_backward)


class AdaFM(nn.Module):
  """One AdaFM layer.

  Parameters: `kernel` is g - I of the end level, `bias` is b. A bent path adds
  `bend_kernel` and `bend_bias`, with a leading axis of bends. All start at
  zero, so that adaptation starts from the basic model.

  Attributes:
    kernel_size: side of the filters, odd.
    path: one of `architecture.PATHS`, see `models.path`.
    bends: of the path.
    lowering: see `depthwise`.
  """

  kernel_size: int
  path: str = 'line'
  bends: int = 0
  lowering: str = 'auto'

  @nn.compact
  def __call__(
    self, x: jax.Array, strength: jax.Array, border: Border
  ) -> jax.Array:
    """Modulates features; this is where strength enters the network.

    Args:
      x: features [B, h, w, C].
      strength: float32 [B or 1, h or 1, w or 1, 1].
      border: gives what lies around the features.

    Returns:
      Features of x's shape and dtype; exactly x where strength is 0.
    """
    features = x.shape[-1]
    shape = (self.kernel_size, self.kernel_size, 1, features)

    def zeros(name, shape):
      return self.param(name, nn.initializers.zeros, shape, jnp.float32)

    kernel, bias = zeros('kernel', shape), zeros('bias', (features,))
    reach = self.kernel_size // 2
    around = border.extend(x, reach, reach)
    strength = border.strength(strength)

    def change(kernel, bias):
      filtered = depthwise(around, kernel, self.lowering)
      return filtered + layers.broadcast_like(bias, filtered)

    if not self.bends:
      moved = change(kernel, bias)
      return around.centre + layers.broadcast_like(strength, moved) * moved
    kernels = [kernel[None], zeros('bend_kernel', (self.bends, *shape))]
    biases = [bias[None], zeros('bend_bias', (self.bends, features))]
    terms = jnp.concatenate(kernels), jnp.concatenate(biases)
    weights = paths.weights(strength, self.path, self.bends)
    if strength.shape[1:3] == (1, 1):
      each = weights[..., 0, 0, 0]
      combined = jnp.einsum('tb,tyxic->byxic', each, terms[0])
      offset = jnp.einsum('tb,tc->bc', each, terms[1])
      return around.centre + change(combined, offset[:, None, None])
    total = around.centre
    for weight, kernel, bias in zip(weights, *terms, strict=True):
      moved = change(kernel, bias)
      total = total + layers.broadcast_like(weight, moved) * moved
    return total

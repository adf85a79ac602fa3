"""The few layers of the basic model, with the authors' conventions.

Feature maps are [B, H, W, C]. The caller chooses the compute dtype; parameters
are float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import convolution
from adafm_jax.models.border import Extended

_KAIMING_NORMAL = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')


class Conv(nn.Module):
  """A convolution with bias: `flax.linen.Conv` for bfloat16 too.

  linen's bias has a gradient that is summed over all pixels in the compute
  dtype, and a sum in bfloat16 stands still at 256 times its terms.

  Attributes:
    features: channels of the result.
    side: of the filters.
    stride: of both axes.
    padding: zeros (before, after) on each axis; None: as many as keep the size.
    dtype: compute dtype.
    use_bias: whether there is a bias.
    kernel_init: of the filters, float32 [side, side, C, features].
    lowering: see `modulation.depthwise`; 'train' is `convolution.convolve` on
      the CPU, at stride 1 and a side of 3.
  """

  features: int
  side: int
  stride: int = 1
  padding: Sequence[tuple[int, int]] | None = None
  dtype: jax.typing.DTypeLike = jnp.float32
  use_bias: bool = True
  kernel_init: nn.initializers.Initializer = _KAIMING_NORMAL
  lowering: str = 'auto'

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [B, H, W, C] to [B, h, w, features] of the compute dtype."""
    shape = (self.side, self.side, x.shape[-1], self.features)
    kernel = self.param('kernel', self.kernel_init, shape, jnp.float32)
    x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
    padding = self.padding or [(self.side // 2, self.side // 2)] * 2
    learns = self.lowering == 'train' and jax.default_backend() == 'cpu'
    if learns and (self.side, self.stride) == (3, 1):
      made = convolution.convolve(x, kernel, padding)
    else:
      made = jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(self.stride, self.stride),
        padding=padding,
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      )
    if not self.use_bias:
      return made
    zeros = nn.initializers.zeros
    bias = self.param('bias', zeros, (self.features,), jnp.float32)
    return made + broadcast_like(bias, made)


def broadcast_like(value: jax.Array, x: jax.Array) -> jax.Array:
  """A float32 value at each element of x, in x's dtype.

  In this order the gradient of the value is a sum in float32.
  """
  return jnp.broadcast_to(value, x.shape).astype(x.dtype)


def conv3x3(
  x: Extended,
  features: int,
  name: str,
  *,
  stride: int = 1,
  dtype: jax.typing.DTypeLike,
  lowering: str = 'auto',
) -> jax.Array:
  """A 3x3 convolution with bias; called inside a linen module.

  Args:
    x: features and one pixel on each side. At stride 2 sizes are even, and the
      pixel before is enough. ('SAME' would add the one after.)
    features: channels of the result.
    stride: 1 or 2.
    lowering: see `Conv`.

  Returns:
    [B, h / stride, w / stride, features].
  """
  before, after = x.padding
  # XLA's CPU convolution is 1.4 times faster if it pads. So if there is nothing
  # to pad, pad a row and cut its result.
  spare = stride == 1 and x.padding == (0, 0)
  conv = Conv(
    features,
    3,
    stride,
    padding=((before, after + spare), (before, after)),
    dtype=dtype,
    lowering=lowering,
    name=name,
  )
  return conv(x.full)[:, :-1] if spare else conv(x.full)


def pixel_shuffle(x: jax.Array) -> jax.Array:
  """[B, h, w, 4C] -> [B, 2h, 2w, C], in PyTorch's channel order.

  Input channel c * 4 + dy * 2 + dx becomes pixel (dy, dx) of channel c.
  """
  batch, height, width, channels = x.shape
  x = x.reshape(batch, height, width, channels // 4, 2, 2)
  x = jnp.transpose(x, (0, 1, 4, 2, 5, 3))
  return x.reshape(batch, 2 * height, 2 * width, channels // 4)


def pad_to_even(image: jax.Array) -> jax.Array:
  """Repeats the last row and column of [B, H, W, C] where H or W is odd.

  The network halves and doubles the size, so it needs even sizes. A repeated
  edge looks like the image; zeros would darken the last row.
  """
  _, height, width, _ = image.shape
  padding = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
  return jnp.pad(image, padding, mode='edge')

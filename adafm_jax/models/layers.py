"""The few layers of the basic model, with the authors' conventions.

Feature maps are [B, H, W, C]. The caller chooses the compute dtype; parameters
are float32.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import convolution
from adafm_jax.models.border import Extended

_KAIMING_NORMAL = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')


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
    lowering: see `modulation.depthwise`; 'train' is `convolution.convolve` on
      the CPU.

  Returns:
    [B, h / stride, w / stride, features].
  """
  before, after = x.padding
  # XLA's CPU convolution is 1.4 times faster if it pads. So if there is nothing
  # to pad, pad a row and cut its result.
  spare = stride == 1 and x.padding == (0, 0)
  learns = lowering == 'train' and jax.default_backend() == 'cpu'
  conv = nn.Conv(
    features,
    (3, 3),
    strides=stride,
    padding=((before, after + spare), (before, after)),
    kernel_init=_KAIMING_NORMAL,
    dtype=dtype,
    name=name,
    conv_general_dilated=convolution.convolve
    if learns and stride == 1
    else None,
  )
  return conv(x.full)[:, :-1] if spare else conv(x.full)


def conv(
  x: jax.Array,
  features: int,
  side: int,
  name: str,
  dtype: jax.typing.DTypeLike,
  *,
  bias: bool = True,
) -> jax.Array:
  """A convolution over whole images [B, H, W, C], zeros around; in a module."""
  return nn.Conv(
    features,
    (side, side),
    use_bias=bias,
    kernel_init=_KAIMING_NORMAL,
    dtype=dtype,
    name=name,
  )(x)


def convolve(x: jax.Array, weights: dict[str, jax.Array]) -> jax.Array:
  """What `conv` computes, of [B, H, W, C] and its `kernel` and `bias`."""
  found = jax.lax.conv_general_dilated(
    x,
    weights['kernel'],
    window_strides=(1, 1),
    padding='SAME',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  return found + weights['bias'][None, None, None]


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

"""ARCNN (Dong et al., ICCV 2015), a network of the paper's Table 1."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import layers


class ARCNN(nn.Module):
  """Four convolutions, 9-7-1-5, with ReLU between; it sees 19 x 19 pixels.

  Attributes:
    features: of the first convolution; the next have a half and a quarter.
      The original has 64, which makes 106,448 weights for one channel.
    channels: of the images.
    dtype: compute dtype.
  """

  features: int = 64
  channels: int = 1
  dtype: jax.typing.DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, image: jax.Array) -> jax.Array:
    """Maps [B, H, W, C] in [0, 1] to the same shape."""
    x = image.astype(self.dtype)
    widths = (self.features, self.features // 2, self.features // 4)
    for i, (width, side) in enumerate(zip(widths, (9, 7, 1), strict=True)):
      x = nn.relu(layers.conv(x, width, side, f'conv_{i + 1}', self.dtype))
    x = layers.conv(x, self.channels, 5, 'conv_4', self.dtype)
    return x.astype(image.dtype)

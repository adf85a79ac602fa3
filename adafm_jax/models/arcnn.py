"""ARCNN (Dong et al., ICCV 2015), a network of the paper's Table 1."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import layers, modulation
from adafm_jax.models.border import WholeImage


class ARCNN(nn.Module):
  """Four convolutions, 9-7-1-5, with ReLU between; it sees 19 x 19 pixels.

  Attributes:
    features: of the first convolution; the next have a half and a quarter.
      The original has 64, which makes 106,448 weights for one channel.
    channels: of the images.
    kernel: side of AdaFM filters after each convolution; 0: none.
    dtype: compute dtype.
  """

  features: int = 64
  channels: int = 1
  kernel: int = 0
  dtype: jax.typing.DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, image: jax.Array, strength: jax.typing.ArrayLike = 0.0
  ) -> jax.Array:
    """Maps [B, H, W, C] in [0, 1] to the same shape.

    Args:
      image: degraded.
      strength: of the AdaFM layers, one value; without them unused.
    """
    x = image.astype(self.dtype)
    for i, (width, side) in enumerate(self.convolutions, 1):
      x = layers.Conv(width, side, dtype=self.dtype, name=f'conv_{i}')(x)
      if self.kernel:
        layer = modulation.AdaFM(self.kernel, name=f'adafm_{i}')
        one = jnp.reshape(jnp.asarray(strength, jnp.float32), (1, 1, 1, 1))
        x = layer(x, one, WholeImage())
      x = nn.relu(x) if i < len(self.convolutions) else x
    return x.astype(image.dtype)

  @property
  def convolutions(self) -> tuple[tuple[int, int], ...]:
    """(outputs, side) of each convolution."""
    first = self.features
    widths = (first, first // 2, first // 4, self.channels)
    return tuple(zip(widths, (9, 7, 1, 5), strict=True))

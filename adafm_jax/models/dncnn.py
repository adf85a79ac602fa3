"""DnCNN (Zhang et al., TIP 2017), a network of the paper's Table 1."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import layers, normalization


class DnCNN(nn.Module):
  """3x3 convolutions with batch norm that find the noise to subtract.

  Attributes:
    features: channels of the hidden features, 64 in the original.
    depth: convolutions. The colour network has 20 and sees 41 x 41 pixels.
    channels: of the images.
    learning: whether to normalise by the batch itself, see `normalization`.
    dtype: compute dtype.
  """

  features: int = 64
  depth: int = 20
  channels: int = 3
  learning: bool = False
  dtype: jax.typing.DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, image: jax.Array) -> jax.Array:
    """Maps [B, H, W, C] in [0, 1] to the same shape."""

    def conv(x, features, name, bias=True):
      return layers.Conv(
        features, 3, dtype=self.dtype, use_bias=bias, name=name
      )(x)

    x = nn.relu(conv(image, self.features, 'head'))
    for i in range(1, self.depth - 1):
      x = conv(x, self.features, f'conv_{i:02d}', bias=False)
      norm = normalization.BatchNorm(self.learning, name=f'norm_{i:02d}')
      x = nn.relu(norm(x))
    noise = conv(x, self.channels, 'tail')
    return image - noise.astype(image.dtype)

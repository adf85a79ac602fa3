"""SRResNet (Ledig et al., CVPR 2017), a network of the paper's Table 1."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import layers, normalization

SCALE = 4


class SRResNet(nn.Module):
  """Residual blocks with batch norm on small images, then two pixel shuffles.

  The original: 64 features, 16 blocks, 1,549,462 parameters with the means and
  variances left out.

  Attributes:
    features: channels of the hidden features.
    blocks: residual blocks.
    channels: of the images.
    learning: whether to normalise by the batch itself, see `normalization`.
    dtype: compute dtype.
  """

  features: int = 64
  blocks: int = 16
  channels: int = 3
  learning: bool = False
  dtype: jax.typing.DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, image: jax.Array) -> jax.Array:
    """Maps a bicubic image to one of the same shape.

    Args:
      image: [B, H, W, C], scaled up by 4; H and W are multiples of 4. The
        network works on the mean of the middle 2 x 2 of each 4 x 4 pixels:
        bicubic interpolation leaves there nearly the pixel it came from.
    """

    def conv(x, features, side, name):
      return layers.Conv(features, side, dtype=self.dtype, name=name)(x)

    def norm(x, name):
      return normalization.BatchNorm(self.learning, name=name)(x)

    x = small(image).astype(self.dtype)
    head = _prelu(self, conv(x, self.features, 9, 'head'), 'head_slope')
    x = head
    for i in range(self.blocks):
      name = f'block_{i:02d}'
      y = norm(conv(x, self.features, 3, f'{name}_conv_1'), f'{name}_norm_1')
      y = _prelu(self, y, f'{name}_slope')
      y = norm(conv(y, self.features, 3, f'{name}_conv_2'), f'{name}_norm_2')
      x = x + y
    x = head + norm(conv(x, self.features, 3, 'trunk'), 'trunk_norm')
    for i in (1, 2):
      x = layers.pixel_shuffle(conv(x, 4 * self.features, 3, f'upsample_{i}'))
      x = _prelu(self, x, f'upsample_{i}_slope')
    return conv(x, self.channels, 9, 'tail').astype(image.dtype)


def small(image: jax.Array) -> jax.Array:
  """[B, 4h, 4w, C] -> [B, h, w, C]: the mean of each middle 2 x 2."""
  batch, height, width, channels = image.shape
  cut = (batch, height // SCALE, SCALE, width // SCALE, SCALE, channels)
  return image.reshape(cut)[:, :, 1:3, :, 1:3].mean(axis=(2, 4))


def _prelu(module: nn.Module, x: jax.Array, name: str) -> jax.Array:
  """Parametric ReLU with one slope."""
  slope = module.param(name, nn.initializers.constant(0.25), (), jnp.float32)
  return jnp.where(x > 0, x, layers.broadcast_like(slope, x) * x)

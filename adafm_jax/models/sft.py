"""SFT layers (Wang et al., CVPR 2018), the spatial limit of AdaFM filters.

An AdaFM filter as large as the feature map multiplies every pixel by a value of
its own (paper section 3.3). SFT layers do so too, but a small network computes
gains and offsets from what it is told of the image: here the degraded image.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import layers

# Parameters that are not those of the basic model.
PARAMETERS = r'.*/sft_[12]/.*'


class SpatialTransform(nn.Module):
  """One SFT layer: x + strength (gain(image) x + offset(image)).

  The last layer of its network starts at zero, so that adaptation starts from
  the basic model, as with AdaFM.
  """

  @nn.compact
  def __call__(self, x: jax.Array, given: jax.Array, *_: Any) -> jax.Array:
    """Modulates features pixel by pixel.

    Args:
      x: features [B, h, w, C].
      given: [B, h, w, 1 + K], the strength and what the network looks at.
    """
    features = x.shape[-1]
    strength, seen = given[..., :1], given[..., 1:].astype(x.dtype)
    # Half as many hidden features, as the original's 32 of 64.
    width = max(1, features // 2)
    hidden = layers.Conv(width, 3, dtype=x.dtype, name='look')(seen)
    change = layers.Conv(
      2 * features,
      1,
      dtype=x.dtype,
      kernel_init=nn.initializers.zeros,
      name='change',
    )(nn.leaky_relu(hidden, 0.1))
    gain, offset = jnp.split(change, 2, axis=-1)
    return x + layers.broadcast_like(strength, x) * (gain * x + offset)


def give(strength: jax.Array, image: jax.Array) -> jax.Array:
  """Puts the image beside the strength, at half resolution.

  Args:
    strength: as `strength.spread` returns it.
    image: [B, H, W, C], even sizes.

  Returns:
    [layers or 1, B, H/2, W/2, 1 + 4 C]: each pixel has four of the image.
  """
  batch, height, width, channels = image.shape
  cut = image.reshape(batch, height // 2, 2, width // 2, 2, channels)
  seen = cut.transpose(0, 1, 3, 2, 4, 5)
  seen = seen.reshape(batch, height // 2, width // 2, 4 * channels)
  shape = (strength.shape[0], *seen.shape[:3])
  return jnp.concatenate(
    [
      jnp.broadcast_to(strength, (*shape, 1)),
      jnp.broadcast_to(seen[None], (*shape, 4 * channels)),
    ],
    axis=-1,
  )

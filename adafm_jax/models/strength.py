"""The forms in which a strength may be given, and their common shape.

Strength is the paper's interpolation coefficient lambda: 0 is the start level,
1 the end level. It is data, not a compile-time constant, so one compilation
serves every value.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from adafm_jax.errors import UserError

FORMS = (
  '() one value, [B] one per image, [B, H, W] or [B, H/2, W/2] a map,'
  ' [layers, B] one per AdaFM layer, or [layers, B, H, W] a map per layer'
)


def spread(
  strength: jax.typing.ArrayLike, layers: int, image_shape: tuple[int, ...]
) -> jax.Array:
  """Brings a strength to [layers or 1, B or 1, h or 1, w or 1, 1].

  h, w = ceil(H/2), ceil(W/2): AdaFM layers work at half resolution. A map at
  full resolution is averaged over 2x2 pixels (an odd last row or column
  counts twice, as in the image).

  Args:
    strength: float in [0, 1], in one of the forms of `FORMS`; an axis of
      images or layers may be 1.
    layers: number of AdaFM layers.
    image_shape: (B, H, W, C) of the image.

  Returns:
    float32 array that broadcasts, layer by layer, against [B, h, w, C].

  Raises:
    UserError: the shape is none of `FORMS`.
  """
  value = jnp.asarray(strength, jnp.float32)
  given = value.shape
  batch, height, width, _ = image_shape
  if value.ndim in (0, 1, 3):
    value = value[None]
  if value.ndim == 1:
    value = value[:, None]
  if value.ndim == 2:
    value = value[:, :, None, None]
  half = ((height + 1) // 2, (width + 1) // 2)
  if (
    value.ndim != 4
    or value.shape[0] not in (1, layers)
    or value.shape[1] not in (1, batch)
    or value.shape[2:] not in ((1, 1), half, (height, width))
  ):
    raise UserError(
      f'A strength of shape {given} does not fit {batch} images of {height} x'
      f' {width} pixels and {layers} AdaFM layers; it may be {FORMS}.'
    )
  if value.shape[2:] not in ((1, 1), half):
    value = _halve(value)
  return value[..., None]


def _halve(maps: jax.Array) -> jax.Array:
  """Averages [N, B, H, W] over 2x2 pixels, repeating an odd last row."""
  count, batch, height, width = maps.shape
  padding = ((0, 0), (0, 0), (0, height % 2), (0, width % 2))
  maps = jnp.pad(maps, padding, mode='edge')
  half = (count, batch, (height + 1) // 2, 2, (width + 1) // 2, 2)
  return maps.reshape(half).mean(axis=(3, 5))

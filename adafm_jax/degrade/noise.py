"""White Gaussian noise, clipped to 8 bits or unclipped.

There are two protocols, and every table must name its own: 'clipped' rounds and
clips the noisy image to 8 bits, like the authors' data; 'float' leaves it as it
is. They are not comparable: at sigma 50 a clipped input is 0.85 dB better.
Training may draw 'both': a fair coin chooses the protocol of each image.
"""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from adafm_jax.degrade.level import TRAINING_NOISES
from adafm_jax.errors import UserError


def add_noise(
  key: jax.Array, image: jax.Array, sigma: npt.ArrayLike, *, protocol: str
) -> jax.Array:
  """Adds noise on the device, for training.

  Args:
    key: a `jax.random` key.
    image: [..., H, W, C] float32 in [0, 1].
    sigma: standard deviation in 0..255 units; one value, or [B] with one value
      for each entry of the leading axis of `image`.
    protocol: 'clipped', 'float' or 'both'; static under `jit`.

  Returns:
    The noisy image, [..., H, W, C] float32: multiples of 1/255 in [0, 1] if
    clipped, unbounded otherwise. With 'both', each entry of the leading axis
    is one or the other.

  Raises:
    UserError: there is no such protocol.
  """
  if protocol not in TRAINING_NOISES:
    raise UserError(
      f'The noise protocol is {protocol!r}; it must be one of'
      f' {", ".join(TRAINING_NOISES)}.'
    )
  scale = jnp.asarray(sigma, jnp.float32) / 255
  scale = scale.reshape(scale.shape + (1,) * (image.ndim - scale.ndim))
  grain, coin = jax.random.split(key)
  noisy = image + scale * jax.random.normal(grain, image.shape, jnp.float32)
  if protocol == 'float':
    return noisy
  clipped = jnp.rint(jnp.clip(noisy, 0, 1) * 255) / 255
  if protocol == 'clipped':
    return clipped
  heads = jax.random.bernoulli(coin, 0.5, image.shape[:1])
  return jnp.where(heads.reshape(-1, *[1] * (image.ndim - 1)), clipped, noisy)


def add_noise_numpy(
  image: npt.NDArray[np.uint8],
  sigma: float,
  *,
  clipped: bool,
  seed: int,
  name: str,
) -> npt.NDArray[np.float32]:
  """Adds reproducible noise, for evaluation and for files.

  The noise pattern depends on (seed, name, shape) alone: an image gets the
  same pattern at every sigma and in every set.

  Args:
    image: [H, W, C] uint8.
    sigma: standard deviation in 0..255 units.
    clipped: whether to round to 8 bits and clip.
    seed: of the whole evaluation, non-negative.
    name: of the image, without folder.

  Returns:
    The noisy image, [H, W, C] float32 in units of [0, 1]: multiples of 1/255
    inside if `clipped`, unbounded otherwise.
  """
  coded = name.encode('utf-8', 'surrogateescape')  # names may be any bytes
  generator = np.random.default_rng([seed, zlib.crc32(coded)])
  noisy: npt.NDArray[Any] = image + sigma * generator.standard_normal(
    image.shape
  )
  if clipped:
    noisy = np.rint(np.clip(noisy, 0, 255))
  return (noisy / 255).astype(np.float32)

"""Training images kept on the device, and patches drawn from them there.

Crops, flips, rotations and noise are drawn inside the jitted step, from a key
that depends on the seed and the step alone. The host has no work between steps,
and resuming needs no iterator state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.errors import UserError

# Pixels are addressed by int32.
MAX_PIXELS = 2**31 - 1
_ALIGNMENT = 64  # bytes, of arrays that XLA uses on the CPU as they are


class Bank(NamedTuple):
  """Images of any sizes, flattened and joined, as a pytree for the device.

  Attributes:
    pixels: uint8 [N, C], or [N, (1 + L) C] where each clean pixel is followed
      by its partners, degraded to L levels.
    offset: int32 [I], each image's first row in `pixels`.
    height: int32 [I].
    width: int32 [I].
    grid: int32 [], pixels: patches begin at multiples of it.
  """

  pixels: jax.Array | np.ndarray
  offset: jax.Array | np.ndarray
  height: jax.Array | np.ndarray
  width: jax.Array | np.ndarray
  grid: jax.Array | np.ndarray


def build(
  images: Iterable[np.ndarray],
  grid: int = 1,
  *,
  sizes: Sequence[tuple[int, int]] | None = None,
) -> Bank:
  """Joins images into a bank, on the host.

  Args:
    images: uint8 [H, W, C] each, of any sizes, C the same for all.
    grid: of the places of patches, pixels.
    sizes: (H, W) of each image. With them, images that are made or read one
      by one are not kept.

  Returns:
    A bank of NumPy arrays.

  Raises:
    UserError: there are no images, one is not uint8, or there are too many
      pixels for int32 addresses.
  """
  if sizes is None:
    images = list(images)
    sizes = [image.shape[:2] for image in images]
  if not sizes:
    raise UserError('There are no training images.')
  height, width = np.array(sizes).T
  counts = height * width
  if counts.sum() > MAX_PIXELS:
    raise UserError(
      f'The training images have {counts.sum():,} pixels; the device can hold'
      f' at most {MAX_PIXELS:,}.'
    )
  return Bank(
    pixels=_join(images, counts),
    offset=(np.cumsum(counts) - counts).astype(np.int32),
    height=height.astype(np.int32),
    width=width.astype(np.int32),
    grid=np.asarray(grid, np.int32),
  )


def _join(images: Iterable[np.ndarray], counts: np.ndarray) -> np.ndarray:
  """The pixels of images, uint8 [N, C]; `counts` says how many each has."""
  rows, first = np.empty((0, 0), np.uint8), 0
  for image, count in zip(images, counts, strict=True):
    if not first:
      rows = _aligned(int(counts.sum()), image.shape[-1])
    if image.dtype != np.uint8:
      raise UserError(
        f'Training images are uint8, 0 to 255, not {image.dtype}.'
      )
    rows[first : first + count] = image.reshape(count, -1)
    first += count
  return rows


def _aligned(rows: int, columns: int) -> np.ndarray:
  """Empty uint8 [rows, columns]; JAX uses it on the CPU without a copy."""
  size = rows * columns
  held = np.empty(size + _ALIGNMENT, np.uint8)
  start = -held.ctypes.data % _ALIGNMENT
  return held[start : start + size].reshape(rows, columns)


def sample(key: jax.Array, bank: Bank, batch: int, patch: int) -> jax.Array:
  """Draws square patches, each flipped or rotated one of the eight ways.

  The image is drawn uniformly, then the place in it, then the symmetry
  (paper section 4.1: horizontal flips and 90-degree rotations).

  Args:
    key: of `jax.random.key`.
    bank: images, none smaller than the patch.
    batch: number of patches.
    patch: side in pixels.

  Returns:
    uint8 [batch, patch, patch, channels of `pixels`].
  """
  which, rows, cols, symmetry = jax.random.split(key, 4)
  count = bank.offset.shape[0]
  image = jax.random.randint(which, (batch,), 0, count, jnp.int32)
  width = jnp.take(bank.width, image)
  top = _place(rows, jnp.take(bank.height, image) - patch, bank.grid)
  left = _place(cols, width - patch, bank.grid)
  turns = jax.random.bernoulli(symmetry, 0.5, (3, batch, 1, 1))
  along = jnp.arange(patch, dtype=jnp.int32)
  y, x = along[None, :, None], along[None, None, :]
  y, x = jnp.where(turns[0], x, y), jnp.where(turns[0], y, x)
  y = jnp.where(turns[1], patch - 1 - y, y)
  x = jnp.where(turns[2], patch - 1 - x, x)
  first = jnp.take(bank.offset, image) + top * width + left
  index = first[:, None, None] + y * width[:, None, None] + x
  return jnp.take(bank.pixels, index, axis=0)


def _place(
  key: jax.Array, last: jax.Array, grid: jax.Array | np.ndarray
) -> jax.Array:
  """One multiple of `grid` in [0, last], int32, for each `last`."""
  most = last // grid + 1
  return jax.random.randint(key, last.shape, 0, most, jnp.int32) * grid

"""The lambda sweep: every strength of an image in one compiled, batched pass.

Strength multiplies activations (see `models.modulation`), so mapping over it
with `vmap` merges all strengths into the batch of each convolution: weights
are read once, and what comes before the first AdaFM layer is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.models.architecture import Architecture
from adafm_jax.models.restorer import Apply, Params

Sweep = Callable[[Params, jax.typing.ArrayLike, jax.Array], jax.Array]

# Feature maps of an image alive at once where the network is widest, at full
# resolution: XLA plans 2.0 to 2.2 of `features` channels on the CPU, for every
# size and kernel tried; the rest is room for the convolutions' scratch.
_LIVE_MAPS = 3


def make_sweep(apply: Apply) -> Sweep:
  """Maps a network over strengths.

  Args:
    apply: see `restorer.make_apply`.

  Returns:
    sweep(params, images, strengths): images [B, H, W, C] float32 in [0, 1],
    strengths [L] float32 in [0, 1] -> [L, B, H, W, C]. Pure; jit it.
  """
  return jax.vmap(apply, in_axes=(None, None, 0))


def bytes_per_image(arch: Architecture, height: int, width: int) -> int:
  """Working memory of one image at one strength, float32, in bytes."""
  return 4 * height * width * arch.features * _LIVE_MAPS


def chunk_length(
  arch: Architecture, shape: tuple[int, ...], strengths: int, memory: int
) -> int:
  """How many strengths of images of a shape go through at once.

  Args:
    arch: of the network.
    shape: (B, H, W, C) of the images.
    strengths: how many there are.
    memory: bytes they may take.

  Returns:
    At least 1. As even a split as the memory allows, so that the last chunk
    wastes little.
  """
  batch, height, width, _ = shape
  each = batch * bytes_per_image(arch, height, width)
  most = max(1, min(strengths, memory // each))
  chunks = -(-strengths // most)
  return -(-strengths // chunks)


def in_chunks(
  sweep: Sweep,
  params: Params,
  images: jax.typing.ArrayLike,
  strengths: np.ndarray,
  length: int,
) -> Iterator[jax.Array]:
  """Runs a jitted sweep over strengths, `length` at a time.

  The last chunk is filled up by repeating its last strength and cut, so that
  one compilation serves all of them.

  Args:
    sweep: a jitted function such as `make_sweep`'s; its result's leading axis
      is that of the strengths.
    params: weights.
    images: [B, H, W, C].
    strengths: [L] in [0, 1].
    length: of a chunk.

  Yields:
    Results of the strengths, in order, a chunk at a time.
  """
  values = np.asarray(strengths, np.float32)
  for begin in range(0, len(values), length):
    part = values[begin : begin + length]
    padded = np.pad(part, (0, length - len(part)), mode='edge')
    yield sweep(params, images, jnp.asarray(padded))[: len(part)]

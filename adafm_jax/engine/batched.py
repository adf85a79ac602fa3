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

from adafm_jax.models.restorer import Apply, Params

Sweep = Callable[[Params, jax.typing.ArrayLike, jax.Array], jax.Array]


def make_sweep(apply: Apply) -> Sweep:
  """Maps a network over strengths.

  Args:
    apply: see `restorer.make_apply`.

  Returns:
    sweep(params, images, strengths): images [B, H, W, C] float32 in [0, 1],
    strengths [L] float32 in [0, 1] -> [L, B, H, W, C]. Pure; jit it.
  """
  return jax.vmap(apply, in_axes=(None, None, 0))


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

"""Runs a network over images of any size.

Everything that restores uses a `Network`: arrays, photographs, sweeps,
calibration, evaluation. It compiles the network, splits work into passes and
tiles that fit into memory, and folds 1x1 AdaFM layers at one strength into the
convolutions before them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.engine import blend, canvas, ensemble, overlap, plan
from adafm_jax.engine import memory as memories
from adafm_jax.engine import tiles as tiling
from adafm_jax.errors import UserError
from adafm_jax.models import folding, networks, restorer
from adafm_jax.models.architecture import Architecture

Sweep = Callable[[restorer.Params, jax.typing.ArrayLike, jax.Array], jax.Array]
# reduce(outputs [l, B, H, W, C], *operands) -> array [l, ...]: pure.
Reduce = Callable[..., jax.Array]
AUTO = 'auto'


def make_sweep(apply: restorer.Apply) -> Sweep:
  """Maps a network over strengths: every strength in one batched pass.

  Strength multiplies activations (see `models.modulation`), so `vmap` merges
  all strengths into the batch of each convolution: weights are read once, and
  everything before the first AdaFM layer is computed once.

  Args:
    apply: see `restorer.make_apply`.

  Returns:
    sweep(params, images, strengths): images [B, H, W, C] float32 in [0, 1],
    strengths [L] float32 in [0, 1] -> [L, B, H, W, C]. Pure; jit it.
  """
  return jax.vmap(apply, in_axes=(None, None, 0))


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
  """A network ready to run.

  Attributes:
    arch: its sizes. Networks beside AdaFM-Net run on whole images only.
    params: its weights; faster if they are on the device.
    dtype: compute dtype, 'float32' or 'bfloat16'.
    side: of the tiles, pixels, even; None lets `plan.make_plan` choose.
    memory: limit of a pass in bytes; None: half of the free memory.
    self_ensemble: whether `restore` averages over the eight orientations.
    shares_sizes: whether small images of many sizes share compiled ones, see
      `canvas`. The last bits then depend on which images came before.
    runtime: runs the network in place of JAX, with weights of its own; dtype
      and params are not used then.
  """

  arch: Architecture
  params: restorer.Params
  dtype: str = 'float32'
  side: int | None = None
  memory: int | None = None
  self_ensemble: bool = False
  runtime: overlap.Runtime | None = None
  shares_sizes: bool = False

  def restore(self, images: np.ndarray, strength: Any) -> np.ndarray:
    """Restores images of one size.

    Args:
      images: float32 [B, H, W, C] in [0, 1], any H and W.
      strength: in [0, 1]: one value, one per image [B], or one per pixel
        [B, H, W], see `blend`. (The pure function takes more forms.)

    Returns:
      float32 of the same shape, not clipped.

    Raises:
      UserError: the strength has another shape, or even the smallest tiles do
        not fit into memory.
    """
    strength = np.asarray(strength, np.float32)
    if strength.shape not in ((), images.shape[:1], images.shape[:3]):
      raise UserError(
        f'The strength has shape {list(strength.shape)}; for images of shape'
        f' {list(images.shape)} it must be one number, [{len(images)}] or'
        f' {list(images.shape[:3])}.'
      )
    if not len(images):
      return np.empty(images.shape, np.float32)
    if strength.ndim == 3:
      return blend.run(self.restore, images, strength)
    if self.self_ensemble:
      once = dataclasses.replace(self, self_ensemble=False)
      return ensemble.run(once.restore, images, strength)
    if self.runtime:
      free = self._free()
      return overlap.restore(
        self.runtime, self.arch, images, strength, free, self.side
      )
    planned = self._plan(images, len(images))
    arch, params = fold(self.arch, self.params, strength)
    output = np.empty(images.shape, np.float32)
    for begin in range(0, len(images), planned.chunk):
      part = slice(begin, begin + planned.chunk)
      given = strength[part] if strength.ndim else strength
      if planned.side:
        tiler = _tiler(arch, planned.side, self.dtype)
        tiling.restore(tiler, params, images[part], given, output[part])
      elif self.shares_sizes and len(images) == 1 and self._is_small(images):
        most = self._free() // plan.whole_bytes(arch, 1, 1)
        output[part] = canvas.restore(
          arch, params, images[part], given, dtype=self.dtype, most=most
        )
      else:
        run = _compiled(arch, self.dtype)
        output[part] = run(params, images[part], given)
    return output

  def _is_small(self, images: np.ndarray) -> bool:
    height, width = images.shape[1:3]
    return height * width <= canvas.MAX_PIXELS

  def sweep(
    self,
    images: np.ndarray,
    strengths: np.ndarray,
    *,
    reduce: Reduce | None = None,
    operands: tuple[Any, ...] = (),
  ) -> Iterator[np.ndarray]:
    """Restores images of one size at every strength, a pass at a time.

    Args:
      images: float32 [B, H, W, C] in [0, 1].
      strengths: [L] in [0, 1].
      reduce: applied to the outputs [l, B, H, W, C] on the device, for example
        to compute their errors. Pass the same function each time: it is
        compiled once.
      operands: further arguments of `reduce`.

    Yields:
      The outputs at the next l strengths, float32 [l, B, H, W, C], not clipped;
      or what `reduce` makes of them. A pass fits into memory and, on the CPU,
      into its cache.

    Raises:
      UserError: even the smallest tiles do not fit into memory.
    """
    values = np.asarray(strengths, np.float32)
    planned = None
    count = len(images) * len(values)
    if count and not self.runtime and networks.shares_weights(self.arch):
      planned = self._plan(images, count)
    if not planned or (not planned.side and planned.chunk < len(images)):
      for value in values:  # nothing is shared between them, or a pass is full
        outputs = self.restore(images, value)[None]
        yield np.asarray(_reduced(reduce)(outputs, *operands))
      return
    length = max(1, planned.chunk // len(images))
    for begin in range(0, len(values), length):
      part = values[begin : begin + length]
      if planned.side:
        outputs = self._sweep_tiles(planned.side, images, part)
        yield np.asarray(_reduced(reduce)(outputs, *operands))
        continue
      # Fill up the last pass, so that one compilation serves all passes.
      padded = np.pad(part, (0, length - len(part)), mode='edge')
      run = _compiled_sweep(self.arch, self.dtype, reduce)
      found = run(self.params, images, jnp.asarray(padded), *operands)
      yield np.asarray(found[: len(part)])

  def _sweep_tiles(
    self, side: int, images: np.ndarray, strengths: np.ndarray
  ) -> np.ndarray:
    """Restores images in tiles, with all strengths in one batch."""
    tiler = _tiler(self.arch, side, self.dtype)
    shape = (len(strengths), *images.shape)
    repeated = np.broadcast_to(images, shape)
    output = np.empty(shape, np.float32)
    for i in range(len(images)):
      tiling.restore(
        tiler, self.params, repeated[:, i], strengths, output[:, i]
      )
    return output

  def _plan(self, images: np.ndarray, count: int) -> plan.Plan:
    size = images.shape[1:3]
    if not networks.runs_in_tiles(self.arch):
      return plan.make_whole_plan(self.arch, size, count, self._free())
    return plan.make_plan(self.arch, size, count, self._free(), self.side)

  def _free(self) -> int:
    return memories.available() if self.memory is None else self.memory


@functools.lru_cache(maxsize=16)
def _compiled(arch: Architecture, dtype: str) -> restorer.Apply:
  return jax.jit(networks.make_apply(arch, dtype=jnp.dtype(dtype)))


@functools.lru_cache(maxsize=16)
def _compiled_sweep(
  arch: Architecture, dtype: str, reduce: Reduce | None
) -> Callable[..., jax.Array]:
  swept = make_sweep(
    networks.make_apply(arch, dtype=jnp.dtype(dtype), swept=True)
  )
  if reduce is None:
    return jax.jit(swept)
  return jax.jit(
    lambda params, images, strengths, *operands: reduce(
      swept(params, images, strengths), *operands
    )
  )


@functools.lru_cache(maxsize=16)
def _reduced(reduce: Reduce | None) -> Callable[..., Any]:
  return jax.jit(reduce) if reduce else lambda outputs: outputs


@functools.lru_cache(maxsize=8)
def _tiler(arch: Architecture, side: int, dtype: str) -> tiling.Tiler:
  return tiling.make_tiler(arch, side, dtype=jnp.dtype(dtype))


@functools.lru_cache(maxsize=8)
def _fold(arch: Architecture) -> Callable[..., restorer.Params]:
  return jax.jit(lambda params, value: folding.fold(params, arch, value))


def fold(
  arch: Architecture, params: restorer.Params, strength: np.ndarray
) -> tuple[Architecture, restorer.Params]:
  """Folds 1x1 AdaFM layers at one strength into the convolutions before them.

  Args:
    arch: of the network.
    params: its weights.
    strength: () or [B].

  Returns:
    The network to run: a basic model, in which the AdaFM layers cost nothing.
    Larger filters, several strengths, and layers after activations cannot be
    folded; then the network is returned unchanged.
  """
  if not arch.folds or np.ptp(strength):
    return arch, params
  return arch.basic, _fold(arch)(params, strength.ravel()[0])


def parse_tile(tile: int | str) -> int | None:
  """The side of tiles; None for 'auto'.

  Args:
    tile: 'auto', or an even number of pixels, also as text.

  Raises:
    UserError: it is neither.
  """
  if tile == AUTO:
    return None
  if not str(tile).isdecimal() or not int(tile) or int(tile) % 2:
    raise UserError(
      f'The tile is {tile!r}; it must be {AUTO} or an even number of pixels.'
    )
  return int(tile)

"""Running a network over images of any size: the one place that does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from adafm_jax.engine import batched, ensemble, plan
from adafm_jax.engine import memory as memories
from adafm_jax.engine import tiles as tiling
from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

# run(params, images [B, H, W, C] float32, strength () or [B]).
Run = Callable[[Any, np.ndarray, np.ndarray], np.ndarray]
AUTO = 'auto'


@functools.lru_cache(maxsize=8)
def compiled(arch: Architecture) -> restorer.Apply:
  """`restorer.make_apply`, jitted once for an architecture."""
  return jax.jit(restorer.make_apply(arch))


@functools.lru_cache(maxsize=8)
def compiled_sweep(arch: Architecture) -> batched.Sweep:
  """`batched.make_sweep`, jitted once for an architecture."""
  return jax.jit(batched.make_sweep(restorer.make_apply(arch)))


@functools.lru_cache(maxsize=8)
def tiler(arch: Architecture, side: int) -> tiling.Tiler:
  """`tiling.make_tiler`, made once for an architecture and a side."""
  return tiling.make_tiler(arch, side)


@functools.lru_cache(maxsize=8)
def _fold(arch: Architecture) -> Callable[..., restorer.Params]:
  """`restorer.fold`, jitted once for an architecture."""
  return jax.jit(lambda params, value: restorer.fold(params, arch, value))


def fold(
  arch: Architecture, params: restorer.Params, strength: np.ndarray
) -> tuple[Architecture, restorer.Params]:
  """The basic model that does the same, where 1x1 AdaFM layers allow it.

  Args:
    arch: of the network.
    params: its weights.
    strength: () or [B].

  Returns:
    The network to run, at any strength: AdaFM layers of 1x1 at one strength
    cost nothing in it. Others come back as they are.
  """
  folds = arch.kernel == 1 and arch.placement != 'activation'
  if not folds or np.ptp(strength):
    return arch, params
  return arch.basic, _fold(arch)(params, strength.ravel()[0])


def parse_tile(tile: int | str) -> int | None:
  """The side of tiles; None for 'auto'.

  Args:
    tile: 'auto', or even pixels, as text or number.

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


def make_run(
  arch: Architecture,
  *,
  tile: int | str = AUTO,
  memory: int | None = None,
  self_ensemble: bool = False,
) -> Run:
  """Makes the function that restores images of one size.

  Args:
    arch: of the network.
    tile: side of the tiles in pixels, even; or 'auto', see `plan.make_plan`.
    memory: bytes that the network may take; None: half of what is free.
    self_ensemble: whether to average over the eight orientations.

  Returns:
    run(params, images, strength) -> images. images: float32 [B, H, W, C] in
    [0, 1], any H and W; strength: in [0, 1], one value or one an image, [B].
    The result is a NumPy array of the same shape, not clipped.

  Raises:
    UserError: the tile is none; and `run`, where not even the smallest tile
      fits into memory.
  """
  side = parse_tile(tile)

  def run(params, images, strength):
    strength = np.asarray(strength, np.float32)
    free = memories.available() if memory is None else memory
    size, count = images.shape[1:3], len(images)
    planned = plan.make_plan(arch, size, count, free, side)
    used, weights = fold(arch, params, strength)
    output = np.empty_like(images)
    for begin in range(0, count, planned.chunk):
      part = slice(begin, begin + planned.chunk)
      given = strength[part] if strength.ndim else strength
      if planned.side:
        tiles = tiler(used, planned.side)
        tiling.restore(tiles, weights, images[part], given, output[part])
      else:
        output[part] = compiled(used)(weights, images[part], given)
    return output

  return ensemble.self_ensemble(run) if self_ensemble else run


def sweep(
  arch: Architecture,
  params: Any,
  images: np.ndarray,
  strengths: np.ndarray,
  memory: int,
) -> Iterator[np.ndarray]:
  """Restores images of one size at every strength, some strengths at a time.

  Args:
    arch: of the network.
    params: its weights.
    images: float32 [B, H, W, C] in [0, 1].
    strengths: [L] in [0, 1].
    memory: bytes that the network may take.

  Yields:
    float32 [l, B, H, W, C], not clipped, until all L strengths are through, in
    order: in passes, of tiles where the images are large, that fit into memory
    and, on the CPU, into its cache.

  Raises:
    UserError: not even the smallest tiles fit into memory.
  """
  batch, height, width, _ = images.shape
  total = batch * len(strengths)
  planned = plan.make_plan(arch, (height, width), total, memory)
  length = max(1, planned.chunk // batch)
  values = np.asarray(strengths, np.float32)
  if planned.side is None:
    swept = compiled_sweep(arch)
    parts = batched.in_chunks(swept, params, images, values, length)
    yield from map(np.asarray, parts)
    return
  for begin in range(0, len(values), length):
    part = values[begin : begin + length]
    yield _sweep_tiles(tiler(arch, planned.side), params, images, part)


def _sweep_tiles(
  tiles: tiling.Tiler, params: Any, images: np.ndarray, strengths: np.ndarray
) -> np.ndarray:
  """All strengths at once, each with a view of the images of its own."""
  shape = (len(strengths), *images.shape)
  repeated, output = np.broadcast_to(images, shape), np.empty(shape, np.float32)
  for each in range(len(images)):
    tiling.restore(tiles, params, repeated[:, each], strengths, output[:, each])
  return output

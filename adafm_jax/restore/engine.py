"""Running a network over images of any size: the one place that does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from adafm_jax import memory as memories
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.restore import batched, ensemble

# run(params, image [H, W, C] float32, strength () or [H, W]) -> [H, W, C].
Run = Callable[[Any, np.ndarray, Any], np.ndarray]
AUTO = 'auto'


@functools.lru_cache(maxsize=8)
def compiled(arch: Architecture) -> restorer.Apply:
  """`restorer.make_apply`, jitted once for an architecture."""
  return jax.jit(restorer.make_apply(arch))


@functools.lru_cache(maxsize=8)
def compiled_sweep(arch: Architecture) -> batched.Sweep:
  """`batched.make_sweep`, jitted once for an architecture."""
  return jax.jit(batched.make_sweep(restorer.make_apply(arch)))


def make_run(
  arch: Architecture,
  *,
  tile: int | str = AUTO,
  memory: int | None = None,
  self_ensemble: bool = False,
) -> Run:
  """Makes the function that restores one image.

  Args:
    arch: of the network.
    tile: side of the tiles in pixels, or 'auto'.
    memory: bytes that the network may take; None: half of what is free.
    self_ensemble: whether to average over the eight orientations.

  Returns:
    run(params, image, strength) -> image. image: float32 [H, W, C] in [0, 1],
    any H and W; strength: one value in [0, 1], or a map [H, W]. The result is
    a NumPy array of the same shape, not clipped.
  """
  apply = compiled(arch)

  def run(params, image, strength):
    value = np.asarray(strength, np.float32)
    value = value[None] if value.ndim else value
    return np.asarray(apply(params, image[None], value)[0])

  return ensemble.self_ensemble(run) if self_ensemble else run


def run_batch(
  arch: Architecture,
  params: restorer.Params,
  images: np.ndarray,
  strengths: np.ndarray,
  *,
  tile: int | str = AUTO,
  memory: int | None = None,
  self_ensemble: bool = False,
) -> np.ndarray:
  """Restores images of one size: in one pass if that fits into memory.

  Args:
    arch: of the network.
    params: its weights.
    images: float32 [B, H, W, C].
    strengths: float32 [B], or [B, H, W].
    tile: see `make_run`.
    memory: see `make_run`.
    self_ensemble: see `make_run`.

  Returns:
    float32 [B, H, W, C], not clipped.
  """
  batch, height, width, _ = images.shape
  each = batched.bytes_per_image(arch, height, width)
  free = memories.available() if memory is None else memory
  if batch > 1 and tile == AUTO and batch * each <= free:
    whole: Any = compiled(arch)
    if self_ensemble:
      whole = ensemble.self_ensemble(whole)
    return np.asarray(whole(params, images, strengths))
  run = make_run(arch, tile=tile, memory=memory, self_ensemble=self_ensemble)
  outputs = [run(params, *x) for x in zip(images, strengths, strict=True)]
  return np.stack(outputs)

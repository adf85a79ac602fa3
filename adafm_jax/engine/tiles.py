"""Restores images of any size in tiles of one size, exactly, in little memory.

Tiles are processed row by row, see `line_buffers`. The network is compiled for
the tile size alone. Memory depends on the tile size and on the line buffers: a
few rows of the image's width for each convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.engine import line_buffers
from adafm_jax.images.eight_bit import to_uint8
from adafm_jax.models import strength as strengths
from adafm_jax.models.architecture import Architecture
from adafm_jax.models.restorer import Params


class Tiler(NamedTuple):
  """A network ready to restore images tile by tile.

  Attributes:
    arch: its sizes.
    side: of a tile, pixels, even.
    lag: of the network's outputs.
    step: jitted `line_buffers.make_step`.
    dtype: compute dtype.
  """

  arch: Architecture
  side: int
  lag: line_buffers.Lag
  step: line_buffers.Step
  dtype: np.dtype


def make_tiler(
  arch: Architecture, side: int, *, dtype: jax.typing.DTypeLike = jnp.float32
) -> Tiler:
  """Prepares tiles of `side` x `side` pixels; compiles when first used."""
  step = jax.jit(line_buffers.make_step(arch, dtype=dtype))
  return Tiler(arch, side, line_buffers.lag(arch), step, jnp.dtype(dtype))


def restore(
  tiler: Tiler,
  params: Params,
  images: np.ndarray,
  strength: jax.typing.ArrayLike,
  out: np.ndarray,
) -> None:
  """Restores images of one size.

  Equals the network over the whole images up to float rounding.

  Args:
    tiler: see `make_tiler`.
    params: weights; faster if they are on the device.
    images: [B, H, W, C], uint8 or float32 in [0, 1]; a view that repeats one
      image costs nothing.
    strength: in one of the forms of `strength.FORMS`.
    out: [B, H, W, C], filled with the result: uint8 (rounded and clipped) or
      float32.
  """
  spread = np.asarray(
    strengths.spread(strength, tiler.arch.adafm_layers, images.shape)
  )
  waiting = None
  for place, output in _run(tiler, params, images, spread):
    if waiting:  # while the next tile is computed
      _write(out, *waiting)
    waiting = place, output
  if waiting:
    _write(out, *waiting)


def _run(
  tiler: Tiler, params: Params, images: np.ndarray, spread: np.ndarray
) -> Iterator[tuple[tuple[int, int], jax.Array]]:
  """Yields the first row and column of each output tile, and the tile."""
  batch, height, width, _ = images.shape
  side, lag = tiler.side, tiler.lag.full
  even = (height + height % 2, width + width % 2)
  lefts = range(0, even[1] + lag, side)
  blank = _no_carry(tiler, params, batch)
  above = [blank.above] * len(lefts)
  for top in range(0, even[0] + lag, side):
    beside = blank.left
    for j, left in enumerate(lefts):
      tile = _cut(images, (top, left), side)
      part = _cut_map(spread, (top // 2, left // 2), side // 2, tiler.lag.half)
      output, carry = tiler.step(
        params,
        tile,
        part,
        line_buffers.Place(top, left, *even),
        line_buffers.Carry(above[j], beside),
      )
      above[j], beside = carry
      yield (top - lag, left - lag), output


def _no_carry(tiler: Tiler, params: Params, batch: int) -> line_buffers.Carry:
  """The zeros beyond the upper and left edge of the image.

  They are where the weights are, as what the step returns: with zeros that JAX
  may place anywhere the step would be compiled four times.
  """
  place = getattr(jax.tree.leaves(params)[0], 'sharding', None)
  shapes = line_buffers.carry_shapes(tiler.arch, tiler.side, tiler.dtype)
  return jax.tree.map(
    lambda x: jnp.zeros((batch, *x.shape[1:]), x.dtype, device=place), shapes
  )


def _cut(images: np.ndarray, start: tuple[int, int], side: int) -> np.ndarray:
  """A tile as float32; beyond the image the last row and column repeat."""
  tile = _window(images, 1, start, (side, side))
  if tile.dtype == np.uint8:
    return (tile / 255).astype(np.float32)
  return np.asarray(tile, np.float32)


def _cut_map(
  spread: np.ndarray, start: tuple[int, int], side: int, reach: int
) -> np.ndarray:
  """The strengths of a tile and of `reach` pixels before it."""
  if spread.shape[2:4] == (1, 1):
    return spread
  begin = (start[0] - reach, start[1] - reach)
  return _window(spread, 2, begin, (side + reach, side + reach))


def _window(
  array: np.ndarray, axis: int, start: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
  """A window on the axes `axis` and `axis` + 1; the edges are repeated."""
  for offset in (0, 1):
    last = array.shape[axis + offset] - 1
    index = start[offset] + np.arange(size[offset])
    array = np.take(array, np.clip(index, 0, last), axis=axis + offset)
  return array


def _write(out: np.ndarray, start: tuple[int, int], output: jax.Array) -> None:
  """Copies the part of a tile that lies in the image into `out`."""
  (top, left), (height, width) = start, output.shape[1:3]
  rows = slice(max(top, 0), min(top + height, out.shape[1]))
  columns = slice(max(left, 0), min(left + width, out.shape[2]))
  if rows.start >= rows.stop or columns.start >= columns.stop:
    return
  part = np.asarray(output)[
    :,
    rows.start - top : rows.stop - top,
    columns.start - left : columns.stop - left,
  ]
  out[:, rows, columns] = to_uint8(part) if out.dtype == np.uint8 else part

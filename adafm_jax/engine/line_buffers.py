"""Runs the network over one tile, continued from the tiles before it.

Independent tiles must overlap by the receptive field: 72 pixels a side for 16
blocks, 200 with 5x5 AdaFM filters. Here nothing is computed twice. Tiles are
processed row by row, like text, and each convolution keeps the last rows and
columns of its input (its line buffers) for the tiles to the right and below. A
filter that looks ahead by one pixel delays its output by one, so a tile's
output lies up and to the left of its input. Beyond the image's edges every
convolution sees zeros, as it does in the whole image.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.models.border import Extended

_FLOAT32 = jnp.dtype('float32')


class Carry(NamedTuple):
  """Line buffers of all convolutions, in the order in which they run.

  Attributes:
    above: [B, before + after, w, C] each, the last rows of the tile above.
    left: [B, before + after + h, before + after, C] each, the last columns of
      the tile to the left and of the tile above that.
  """

  above: tuple[jax.Array, ...]
  left: tuple[jax.Array, ...]


class Place(NamedTuple):
  """Where a tile lies, as int32 scalars or arrays.

  Attributes:
    top: its first row in the image, pixels, even.
    left: its first column.
    height: of the image, even.
    width: of the image.
  """

  top: jax.typing.ArrayLike
  left: jax.typing.ArrayLike
  height: jax.typing.ArrayLike
  width: jax.typing.ArrayLike


class TileBorder:
  """The surroundings of a tile: see `border.Border`.

  It counts the calls, so it serves one run of the network only.

  Attributes:
    lag: rows and columns by which the features lag, at their present size.
    half_lag: the lag of the last features at half size.
    above: line buffers for the tile below.
    left: line buffers for the tile to the right.
  """

  def __init__(self, place: Place, carry: Carry | None, reach: int):
    """Begins a run.

    Args:
      place: of the tile.
      carry: line buffers of the tiles before; None stands for zeros.
      reach: a map of strengths begins this many pixels (at half size) before
        the tile; see `strength`.
    """
    self.lag = self.half_lag = 0
    self.above: list[jax.Array] = []
    self.left: list[jax.Array] = []
    self._place = jax.tree.map(lambda x: jnp.asarray(x, jnp.int32), place)
    self._carry = carry
    self._reach = reach

  def extend(self, x: jax.Array, before: int, after: int) -> Extended:
    """See `Border`."""
    size = before + after
    if not size:
      return Extended(x, (0, 0), x)
    x = self._without_outside(x)
    full = self._join(x, size)
    self.lag += after
    _, height, width, _ = x.shape
    centre = full[:, before : before + height, before : before + width]
    return Extended(full, (0, 0), centre)

  def align(self, x: jax.Array, lag: int) -> jax.Array:
    """See `Border`."""
    _, height, width, _ = x.shape
    return self._join(x, self.lag - lag)[:, :height, :width]

  def strength(self, value: jax.Array) -> jax.Array:
    """See `Border`; a map begins `reach` pixels before the tile."""
    if value.shape[1:3] == (1, 1):
      return value
    height, width = (side - self._reach for side in value.shape[1:3])
    begin = self._reach - self.lag
    return value[:, begin : begin + height, begin : begin + width]

  def halve(self) -> None:
    """See `Border`."""
    self.lag //= 2
    self._place = jax.tree.map(lambda x: x // 2, self._place)

  def double(self) -> None:
    """See `Border`."""
    self.half_lag = self.lag
    self.lag *= 2
    self._place = jax.tree.map(lambda x: x * 2, self._place)

  def _join(self, x: jax.Array, size: int) -> jax.Array:
    """Puts `size` rows and columns of earlier tiles before x."""
    batch, height, width, features = x.shape
    if self._carry is None:
      above = jnp.zeros((batch, size, width, features), x.dtype)
      left = jnp.zeros((batch, size + height, size, features), x.dtype)
    else:
      index = len(self.above)
      above, left = self._carry.above[index], self._carry.left[index]
    column = jnp.concatenate([above, x], axis=1)
    full = jnp.concatenate([left, column], axis=2)
    self.above.append(column[:, height:])
    self.left.append(full[:, :, width:])
    return full

  def _without_outside(self, x: jax.Array) -> jax.Array:
    """Sets features beyond the image to zero, which biases have changed."""
    place = self._place
    _, height, width, _ = x.shape
    rows = place.top - self.lag + jnp.arange(height, dtype=jnp.int32)
    columns = place.left - self.lag + jnp.arange(width, dtype=jnp.int32)
    inside = ((rows >= 0) & (rows < place.height))[:, None] & (
      (columns >= 0) & (columns < place.width)
    )[None, :]
    return jnp.where(inside[None, :, :, None], x, jnp.zeros((), x.dtype))


class Lag(NamedTuple):
  """How far a network's outputs lie behind its tile.

  Attributes:
    half: rows and columns of the last features at half size; a map of
      strengths must begin this far before the tile.
    full: pixels of the output, even.
  """

  half: int
  full: int


Step = Callable[..., tuple[jax.Array, Carry]]


def make_step(
  arch: Architecture,
  *,
  dtype: jax.typing.DTypeLike = jnp.float32,
) -> Step:
  """The network over one tile, as a pure function.

  Args:
    arch: the network's sizes.
    dtype: compute dtype, float32 or bfloat16.

  Returns:
    step(params, tile, strength, place, carry) -> (output, carry). tile:
    [B, h, w, C] float32 in [0, 1], h and w even, with any values beyond the
    image. strength: as `strength.spread` returns it for the tile; a map begins
    `Lag.half` rows and columns earlier. carry: of the tiles above and to the
    left; zeros, or None, at the image's edges. The output has the tile's shape
    and lies `Lag.full` rows and columns before it.
  """
  module = restorer.Restorer(arch, dtype)
  reach = lag(arch).half

  def step(params, tile, strength, place, carry):
    border = TileBorder(place, carry, reach)
    out = module.apply({'params': params}, tile, strength, border)
    return out, Carry(tuple(border.above), tuple(border.left))

  return step


@functools.lru_cache(maxsize=64)
def lag(arch: Architecture) -> Lag:
  """How far a network's outputs lag, found by tracing it without data."""
  border = TileBorder(Place(0, 0, 2, 2), None, 0)
  shapes = restorer.parameter_shapes(arch)
  tile = jax.ShapeDtypeStruct((1, 2, 2, arch.channels), jnp.float32)
  strength = jax.ShapeDtypeStruct((1, 1, 1, 1, 1), jnp.float32)

  def run(params, tile, strength):
    module = restorer.Restorer(arch)
    return module.apply({'params': params}, tile, strength, border)

  jax.eval_shape(run, shapes, tile, strength)
  return Lag(half=border.half_lag, full=border.lag)


@functools.lru_cache(maxsize=64)
def carry_shapes(
  arch: Architecture, side: int, dtype: jnp.dtype = _FLOAT32
) -> Carry:
  """Shapes and dtypes of the line buffers of one image in tiles of `side`."""
  tile = jax.ShapeDtypeStruct((1, side, side, arch.channels), jnp.float32)
  strength = jax.ShapeDtypeStruct((1, 1, 1, 1, 1), jnp.float32)
  place = Place(0, 0, side, side)
  params = restorer.parameter_shapes(arch)
  step = make_step(arch, dtype=dtype)
  return jax.eval_shape(step, params, tile, strength, place, None)[1]

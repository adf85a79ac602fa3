"""How work is cut up so that a memory budget holds: whole images or tiles.

Memory is planned from the shapes alone, before anything runs. What is planned
is the network's: its features and line buffers, not the images themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from adafm_jax.engine import line_buffers as stream
from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError
from adafm_jax.models.architecture import Architecture

# Feature maps alive at once where the network is widest, at full resolution:
# XLA plans 2.0 to 2.2 of `features` channels, whole or in tiles, for every
# size and kernel tried; the rest is room for the convolutions' scratch.
_LIVE_MAPS = 3
# On the CPU larger images go in tiles: whole ones are no faster (a little
# slower, beyond the cache), and their features fill a laptop's memory.
_MAX_WHOLE_ON_CPU = 2**30  # bytes
# What one pass may take on the CPU, though there be memory for more: features
# beyond the cache make 11 strengths at once up to a quarter slower than one by
# one.
_BEST_PASS_ON_CPU = 2**26  # bytes
# Tried in this order. On the CPU 256 x 256 tiles are as fast for their area as
# an image, larger ones no faster, smaller ones slower.
_SIDES = {'cpu': (256, 128, 64), 'other': (1024, 512, 256, 128, 64)}


class Plan(NamedTuple):
  """How images of one size go through.

  Attributes:
    side: of the tiles, pixels; None takes images whole.
    chunk: images, or strengths of an image, that go through at once.
    memory: bytes that the network is expected to take.
  """

  side: int | None
  chunk: int
  memory: int


def make_plan(
  arch: Architecture,
  size: tuple[int, int],
  count: int,
  memory: int,
  side: int | None = None,
) -> Plan:
  """Plans for the largest tiles that fit, and then the largest chunks.

  Args:
    arch: of the network.
    size: (H, W) of the images, pixels.
    count: images to restore, or strengths of an image.
    memory: bytes that the network may take.
    side: of the tiles, pixels, even; None chooses.

  Returns:
    The plan. Chunks are as even a split as the memory allows, so that the last
    one wastes little.

  Raises:
    UserError: not even the smallest tiles fit.
  """
  on_cpu = _on_cpu()
  most_whole = min(memory, _MAX_WHOLE_ON_CPU) if on_cpu else memory
  if side is None and whole_bytes(arch, *size) <= most_whole:
    return make_whole_plan(arch, size, count, memory)
  sides = (side,) if side else _SIDES['cpu' if on_cpu else 'other']
  for tried in sides:
    each = tile_bytes(arch, tried, size[1])
    if each <= memory:
      return _plan(tried, each, count, memory)
  raise UserError(
    f'Images {size[1]} pixels wide take {memories.show(each)} in tiles of'
    f' {tried} pixels, and only {memories.show(memory)} may be used; allow more'
    + (' or make the tiles smaller.' if side else '.')
  )


def make_whole_plan(
  arch: Architecture, size: tuple[int, int], count: int, memory: int
) -> Plan:
  """Plans for whole images, however large; see `make_plan`."""
  return _plan(None, whole_bytes(arch, *size), count, memory)


def _plan(side: int | None, each: int, count: int, memory: int) -> Plan:
  best = min(memory, _BEST_PASS_ON_CPU) if _on_cpu() else memory
  most = max(1, min(count, best // each))
  chunks = -(-count // most)
  chunk = -(-count // chunks)
  return Plan(side, chunk, chunk * each)


def _on_cpu() -> bool:
  return jax.default_backend() == 'cpu'


def whole_bytes(arch: Architecture, height: int, width: int) -> int:
  """Working memory of one whole image at one strength, float32."""
  return 4 * height * width * arch.features * _LIVE_MAPS


def tile_bytes(arch: Architecture, side: int, width: int) -> int:
  """Working memory of one image of a width in tiles, at one strength.

  The features of a tile; what it takes over from its neighbours and leaves
  them, the old and the new; and the line buffers across the whole width.
  """
  carry = stream.carry_shapes(arch, side)
  above, left = (sum(x.size * x.dtype.itemsize for x in part) for part in carry)
  across = -(-(width + stream.lag(arch).full) // side)
  return whole_bytes(arch, side, side) + 2 * (above + left) + above * across

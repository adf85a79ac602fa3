"""Splits work so that it fits into memory: whole images or tiles.

Memory is planned from the shapes alone, before anything runs. The plan counts
the network's features and line buffers, not the images themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from adafm_jax.engine import line_buffers
from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError
from adafm_jax.models.architecture import Architecture

# Feature maps alive at once where the network is widest, at full resolution.
# XLA needs 2.0 to 2.2 maps of `features` channels, whole or in tiles, for every
# size and kernel tried; the rest is scratch space for convolutions.
_LIVE_MAPS = 3
# On the CPU, images whose features need more go in tiles. Whole they are no
# faster (a little slower, beyond the cache), and fill a laptop's memory.
MAX_WHOLE_ON_CPU = 2**30  # bytes
# Limit of one pass on the CPU, even if more memory is free: once features leave
# the cache, 11 strengths at once are up to a quarter slower than one by one.
_BEST_PASS_ON_CPU = 2**26  # bytes
# Tried in this order. On the CPU, tiles of 256 x 256 are as fast per pixel as
# whole images; larger ones are no faster, smaller ones slower.
_SIDES = {'cpu': (256, 128, 64), 'other': (1024, 512, 256, 128, 64)}


class Plan(NamedTuple):
  """How to process images of one size.

  Attributes:
    side: of the tiles, pixels; None: whole images.
    chunk: images, or strengths of an image, in one pass.
    memory: bytes that the network is expected to need.
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
    memory: bytes that the network may use.
    side: of the tiles, pixels, even; None chooses.

  Returns:
    The plan. Chunks have nearly equal sizes, so that the last one wastes
    little.

  Raises:
    UserError: not even the smallest tiles fit.
  """
  on_cpu = _on_cpu()
  most_whole = min(memory, MAX_WHOLE_ON_CPU) if on_cpu else memory
  if side is None and whole_bytes(arch, *size) <= most_whole:
    return make_whole_plan(arch, size, count, memory)
  sides = (side,) if side else _SIDES['cpu' if on_cpu else 'other']
  for tried in sides:
    each = tile_bytes(arch, tried, size[1])
    if each <= memory:
      return _plan(tried, each, count, memory)
  raise UserError(
    f'Images {size[1]} pixels wide need {memories.show(each)} in tiles of'
    f' {tried} pixels, but only {memories.show(memory)} may be used; allow more'
    + (' or make the tiles smaller.' if side else '.')
  )


def make_whole_plan(
  arch: Architecture, size: tuple[int, int], count: int, memory: int
) -> Plan:
  """Plans for whole images of any size; see `make_plan`."""
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
  """Working memory of one image in tiles, at one strength, float32.

  The sum of a tile's features, the line buffers that it reads and writes, and
  the line buffers across the whole width of the image.
  """
  carry = line_buffers.carry_shapes(arch, side)
  above, left = (sum(x.size * x.dtype.itemsize for x in part) for part in carry)
  across = -(-(width + line_buffers.lag(arch).full) // side)
  return whole_bytes(arch, side, side) + 2 * (above + left) + above * across

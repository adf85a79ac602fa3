"""Images of any size through another runtime than JAX, in bounded memory.

A graph of another runtime takes images and gives images: it keeps no line
buffers between tiles, as `tiles` does. So tiles overlap here by what the
network sees around a pixel, and only the middle of each result is kept. The
result is the whole image's to the runtime's rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adafm_jax.engine import line_buffers, plan
from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError
from adafm_jax.models.architecture import Architecture

# run(images [1, H, W, C] float32, strength [1] float32) -> float32 images.
Runtime = Callable[[np.ndarray, np.ndarray], np.ndarray]

_SIDES = (1024, 512, 256, 128, 64)


def restore(
  runtime: Runtime,
  arch: Architecture,
  images: np.ndarray,
  strength: np.ndarray,
  memory: int,
  side: int | None,
) -> np.ndarray:
  """Restores images of one size.

  Args:
    runtime: runs the network on one image.
    arch: of the network.
    images: float32 [B, H, W, C].
    strength: float32 [] or [B].
    memory: bytes that the network may take.
    side: of the tiles, pixels, even; None chooses.

  Returns:
    float32 [B, H, W, C], not clipped.

  Raises:
    UserError: not even the smallest tiles fit into memory.
  """
  _, height, width, _ = images.shape
  margin = reach(arch)
  step = choose_side(arch, (height, width), memory, side) or max(height, width)
  output = np.empty_like(images)
  values = np.broadcast_to(strength, len(images)).astype(np.float32)
  for image, value, out in zip(images, values, output, strict=True):
    for top in range(0, height, step):
      for left in range(0, width, step):
        above, before = max(top - margin, 0), max(left - margin, 0)
        piece = image[
          above : top + step + margin, before : left + step + margin
        ]
        found = runtime(piece[None], value[None])[0]
        rows = slice(top - above, top - above + step)
        columns = slice(left - before, left - before + step)
        out[top : top + step, left : left + step] = found[rows, columns]
  return output


def reach(arch: Architecture) -> int:
  """Pixels around a pixel that its result depends on, even."""
  # Outputs lag by what the network sees below them; above it is one pixel
  # more, by the convolution at stride 2.
  return line_buffers.lag(arch).full + 2


def choose_side(
  arch: Architecture, size: tuple[int, int], memory: int, side: int | None
) -> int | None:
  """The side of tiles, without their margins; None takes images whole."""
  most_whole = min(memory, plan.MAX_WHOLE_ON_CPU)
  if side is None and plan.whole_bytes(arch, *size) <= most_whole:
    return None
  for tried in (side,) if side else _SIDES:
    around = tried + 2 * reach(arch)
    height, width = (min(around, n) for n in size)
    each = plan.whole_bytes(arch, height, width)
    if each <= memory:
      return tried
  raise UserError(
    f'Tiles of {tried} pixels take {memories.show(each)}, and only'
    f' {memories.show(memory)} may be used; allow more'
    + (' or make the tiles smaller.' if side else '.')
  )

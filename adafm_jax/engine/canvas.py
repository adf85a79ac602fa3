"""Small images of many sizes through a few compiled sizes, exactly.

Compiling takes longer than running on a small image. So images share canvases:
an image lies in the upper left corner of a larger one, and what the network
makes of the rest is set to the zeros that every convolution sees beyond an
image's edges: the result is the same to float rounding. A canvas costs what its
area costs; which ones there are is found out as the images come.
"""

from __future__ import annotations

import bisect
import functools

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.models import restorer
from adafm_jax.models import strength as strengths
from adafm_jax.models.architecture import Architecture
from adafm_jax.models.border import Extended, WholeImage

# Larger images take longer than what they would save, and have sizes of their
# own.
MAX_PIXELS = 2**18
_SIDES = sorted(base * 2**i for base in (64, 96) for i in range(14))
_POWERS = [64 * 2**i for i in range(14)]
_THIN = [2**i for i in range(1, 20)]  # for strips
_MANY = 8  # canvases, from which on new ones are avoided
# How much larger than an image its canvas may be, before and after that.
_WASTE = (2.0, 4.0)
_SMALL = 96 * 96  # pixels: a canvas that costs next to nothing, for any image

Size = tuple[int, int]


class Canvases:
  """The canvases of one network: some ten, and a few more for strips."""

  def __init__(self):
    self.sizes: list[Size] = []

  def fit(self, size: Size, most: int) -> Size:
    """The canvas for an image; a new one if none suits.

    Args:
      size: (H, W) of the image, even.
      most: pixels that a canvas may have.

    Returns:
      (H', W'), even. The first image's own size, so that nothing is wasted
      where all are alike; later ones are round.
    """
    many = len(self.sizes) >= _MANY
    largest = max(_WASTE[many] * _area(size), _SMALL)
    fitting = [
      x
      for x in self.sizes
      if x[0] >= size[0] and x[1] >= size[1]
      if _area(x) <= min(largest, most)
    ]
    if fitting:
      return min(fitting, key=_area)
    new = size
    for sides in (_POWERS if many else _SIDES, _THIN):
      new = tuple(sides[bisect.bisect_left(sides, n)] for n in size)
      if _area(new) <= max(_WASTE[True] * _area(size), _SMALL):
        break
    if not self.sizes or _area(new) > most:
      new = size
    if new not in self.sizes:
      self.sizes.append(new)
    return new


def _area(size: Size) -> int:
  return size[0] * size[1]


class InCorner(WholeImage):
  """The surroundings of an image in the upper left corner of a canvas."""

  def __init__(self, height: jax.Array, width: jax.Array):
    """Begins a run of the network over an image of an even size."""
    self._size = height, width

  def extend(self, x: jax.Array, before: int, after: int) -> Extended:
    """See `Border`: zeros outside of the image, where biases made others."""
    if not before + after:
      return Extended(x, (0, 0), x)
    rows, columns = (
      jnp.arange(n, dtype=jnp.int32) < end
      for n, end in zip(x.shape[1:3], self._size, strict=True)
    )
    inside = (rows[:, None] & columns[None, :])[None, :, :, None]
    x = jnp.where(inside, x, jnp.zeros((), x.dtype))
    return Extended(x, (before, after), x)

  def halve(self) -> None:
    """See `Border`."""
    self._size = self._size[0] // 2, self._size[1] // 2

  def double(self) -> None:
    """See `Border`."""
    self._size = self._size[0] * 2, self._size[1] * 2


def restore(
  arch: Architecture,
  params: restorer.Params,
  image: np.ndarray,
  strength: np.ndarray,
  *,
  dtype: str,
  most: int,
) -> np.ndarray:
  """Restores a small image, as the network does over it alone.

  Args:
    arch: the network's sizes.
    params: its weights.
    image: float32 [1, H, W, C].
    strength: [] or [1].
    dtype: compute dtype.
    most: pixels that its canvas may have; if the image has more, they do.

  Returns:
    float32 [1, H, W, C].
  """
  _, height, width, _ = image.shape
  even = height + height % 2, width + width % 2
  rows, columns = canvases(arch, dtype).fit(even, max(most, _area(even)))
  edges = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
  whole = np.zeros((1, rows, columns, arch.channels), np.float32)
  whole[:, : even[0], : even[1]] = np.pad(image, edges, mode='edge')
  run = _compiled(arch, dtype)
  output = run(params, whole, strength, *map(np.int32, even))
  return np.asarray(output)[:, :height, :width]


@functools.lru_cache(maxsize=16)
def canvases(arch: Architecture, dtype: str) -> Canvases:
  """Those that a network has been compiled for."""
  del arch, dtype
  return Canvases()


@functools.lru_cache(maxsize=16)
def _compiled(arch: Architecture, dtype: str):
  module = restorer.Restorer(arch, jnp.dtype(dtype))

  def run(params, image, strength, height, width):
    spread = strengths.spread(strength, arch.adafm_layers, image.shape)
    border = InCorner(height, width)
    return module.apply({'params': params}, image, spread, border)

  return jax.jit(run)

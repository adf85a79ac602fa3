"""What a convolution sees beyond the edges of its input.

The network is written once, for any `Border`. Around a whole image there are
zeros. Around a tile there is what the tiles above and to the left had there
(`engine.line_buffers`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax


class Extended(NamedTuple):
  """Features with the surroundings that a filter needs.

  Attributes:
    full: [B, h', w', C], the features and what is known around them.
    padding: (before, after), zeros that the filter must still add on both axes.
    centre: [B, h, w, C], the features that the filter's outputs belong to.
  """

  full: jax.Array
  padding: tuple[int, int]
  centre: jax.Array


class Border(Protocol):
  """Surroundings of the features, in the order in which the network runs.

  On tiles, features lag behind the input by some rows and columns: a filter
  that looks one pixel ahead delays its output by one pixel.
  """

  @property
  def lag(self) -> int:
    """Rows and columns by which the features lag, at their present size."""
    ...

  def extend(self, x: jax.Array, before: int, after: int) -> Extended:
    """Adds rows and columns before and after [B, h, w, C]."""
    ...

  def align(self, x: jax.Array, lag: int) -> jax.Array:
    """Shifts features that were made at an earlier lag to the present lag."""
    ...

  def strength(self, value: jax.Array) -> jax.Array:
    """The part of a strength map [B, h, w, 1] that belongs to the features."""
    ...

  def halve(self) -> None:
    """Notes that the features now have half the size."""
    ...

  def double(self) -> None:
    """Notes that the features now have twice the size."""
    ...


class WholeImage:
  """Zeros on all sides, as in training."""

  lag = 0

  def extend(self, x: jax.Array, before: int, after: int) -> Extended:
    """See `Border`."""
    return Extended(x, (before, after), x)

  def align(self, x: jax.Array, lag: int) -> jax.Array:
    """See `Border`: nothing ever lags."""
    del lag
    return x

  def strength(self, value: jax.Array) -> jax.Array:
    """See `Border`."""
    return value

  def halve(self) -> None:
    """See `Border`."""

  def double(self) -> None:
    """See `Border`."""

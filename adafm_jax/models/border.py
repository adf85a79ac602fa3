"""What a convolution sees beyond the edge of the features it is given.

The network is written once, for any `Border`. Of a whole image the outside is
zeros. Of a piece of an image it is what the pieces above and to the left had
there (`restore.stream`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax


class Extended(NamedTuple):
  """Features with the surroundings that a filter needs.

  Attributes:
    full: [B, h', w', C].
    padding: (before, after), zeros that the filter is to put around `full`, on
      both axes; together they are h + before + after high.
    centre: [B, h, w, C], those a filter's outputs belong to.
  """

  full: jax.Array
  padding: tuple[int, int]
  centre: jax.Array


class Border(Protocol):
  """Surroundings of the features, in the order in which the network runs.

  Features may come later than the input by some rows and columns, the lag: a
  filter that looks ahead makes its outputs lag behind.
  """

  @property
  def lag(self) -> int:
    """Rows and columns by which the features lag behind, at their size."""
    ...

  def extend(self, x: jax.Array, before: int, after: int) -> Extended:
    """Adds rows and columns before and after [B, h, w, C]."""
    ...

  def align(self, x: jax.Array, lag: int) -> jax.Array:
    """Brings features that were made at an earlier lag to the present one."""
    ...

  def strength(self, value: jax.Array) -> jax.Array:
    """The part of a strength [B, h, w, 1] that the features lie under."""
    ...

  def halve(self) -> None:
    """Tells that the features now have half the size."""
    ...

  def double(self) -> None:
    """Tells that the features now have twice the size."""
    ...


class WholeImage:
  """Zeros all round, as the network was trained."""

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

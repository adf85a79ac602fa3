"""How many photographs are in memory at once: as many as there is room for."""

from __future__ import annotations

import threading

from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError


class Room:
  """Lets threads read photographs while there is room for them.

  A photograph is inside from before it is decoded until its result is written.
  Together they take half of the memory; the one that the network waits for
  comes in all the same.
  """

  def __init__(self, free: int):
    """An empty room.

    Args:
      free: bytes of memory.
    """
    self._free = free
    self._inside: dict[int, int] = {}
    self._outside = 0  # how many wait
    self._wanted = -1
    self._open = True
    self._changed = threading.Condition()

  @property
  def crowded(self) -> bool:
    """Whether a photograph waits outside."""
    return self._outside > 0

  def enter(self, place: int, size: int) -> None:
    """Waits until a photograph may come in.

    Args:
      place: of the photograph among all, from 0.
      size: bytes that it takes.

    Raises:
      UserError: it takes more than there are.
    """
    if size > self._free:
      raise UserError(
        f'it takes {memories.show(size)} of memory to restore, and'
        f' {memories.show(self._free)} are free; cut it up.'
      )

    def may() -> bool:
      taken = sum(self._inside.values())
      fits = not taken or taken + size <= self._free // 2
      return fits or place <= self._wanted or not self._open

    with self._changed:
      if not may():
        self._outside += 1
        self._changed.wait_for(may)
        self._outside -= 1
      self._inside[place] = size

  def want(self, place: int) -> None:
    """Says that the network waits for a photograph, and for none before it."""
    with self._changed:
      self._wanted = place
      self._changed.notify_all()

  def leave(self, place: int) -> None:
    """Says that a photograph is done, whether or not it ever came in."""
    with self._changed:
      self._inside.pop(place, None)
      self._changed.notify_all()

  def close(self) -> None:
    """Lets all in: nothing waits any longer."""
    with self._changed:
      self._open = False
      self._changed.notify_all()

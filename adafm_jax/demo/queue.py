"""Work for the network: one job at a time, few waiting, none for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent import futures
from typing import TypeVar

T = TypeVar('T')

MAX_WAITING = 12
_POLL_SECONDS = 0.1


class FullError(Exception):
  """Too many jobs wait already."""


class GoneError(Exception):
  """Nobody waits for the result any more."""


class Queue:
  """Runs jobs in the order in which they come, on a thread of its own."""

  def __init__(self, most: int = MAX_WAITING):
    """Begins empty.

    Args:
      most: jobs that may wait or run.
    """
    self._most = most
    self._count = 0
    self._pool = futures.ThreadPoolExecutor(1, 'adafm-demo')

  async def run(
    self,
    work: Callable[[Callable[[], None]], T],
    gone: Callable[[], Awaitable[bool]],
  ) -> T:
    """Runs a job when its turn comes.

    Args:
      work: the job; it calls its argument now and then, which raises
        `GoneError` to end it.
      gone: whether the one who asked has gone.

    Raises:
      FullError: too many jobs wait.
      GoneError: the one who asked has gone.
    """
    if self._count >= self._most:
      raise FullError
    cancelled = threading.Event()

    def check() -> None:
      if cancelled.is_set():
        raise GoneError

    def job() -> T:
      check()
      return work(check)

    self._count += 1
    future = asyncio.wrap_future(self._pool.submit(job))
    try:
      while not (await asyncio.wait([future], timeout=_POLL_SECONDS))[0]:
        if await gone():
          raise GoneError
      return future.result()
    finally:
      cancelled.set()
      if not future.done():
        future.add_done_callback(_forget)
      self._count -= 1

  def close(self) -> None:
    """Drops what has not begun."""
    self._pool.shutdown(wait=False, cancel_futures=True)


def _forget(future: asyncio.Future) -> None:
  """Takes note of an error that nobody waits for."""
  if not future.cancelled():
    future.exception()

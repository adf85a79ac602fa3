"""Many photographs: files are read and written beside the network."""

from __future__ import annotations

import collections
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import numpy as np

from adafm_jax.errors import UserError
from adafm_jax.restore import job as jobs
from adafm_jax.restore import overwrite
from adafm_jax.restore.pairs import Pair

RESTORED, LEFT_ALONE, PLANNED = 'restored', 'left alone', 'planned'
SKIPPED, FAILED = 'skipped', 'failed'


class Outcome(NamedTuple):
  """What became of one photograph.

  Attributes:
    pair: its file and that of the result.
    status: RESTORED, LEFT_ALONE, PLANNED (a dry run), SKIPPED or FAILED.
    choice: its strength, unless it was skipped or couldn't be read.
    notes: sentences for the user.
    size: (H, W) of the result.
    seconds: that the network took.
    problem: the sentence that says why it failed.
  """

  pair: Pair
  status: str
  choice: jobs.Choice | None = None
  notes: tuple[str, ...] = ()
  size: tuple[int, ...] | None = None
  seconds: float | None = None
  problem: str | None = None


def run(
  job: jobs.Job,
  found: Sequence[Pair],
  *,
  threads: int,
  existing: overwrite.Existing = overwrite.REFUSE,
  dry_run: bool = False,
) -> Iterator[Outcome]:
  """Restores photographs one after the other.

  `threads` files are read ahead and as many may wait to be written, so memory
  is bounded by them. A failure is an outcome and stops nothing.

  Args:
    job: what to do.
    found: photographs and their results.
    threads: that read, and as many that write.
    existing: what becomes of a photograph whose result exists, though it may
      not have when `overwrite.check` looked.
    dry_run: whether to read and decide only.

  Yields:
    An outcome a photograph, in the order of `found`.
  """
  with contextlib.ExitStack() as stack:
    readers = stack.enter_context(_pool(threads))
    writers = stack.enter_context(_pool(threads))

    def load(pair: Pair) -> jobs.Loaded | Outcome:
      if pair.problem:
        return Outcome(pair, FAILED, problem=pair.problem)
      if existing.skip and os.path.lexists(pair.target):
        return Outcome(pair, SKIPPED)
      if taken := existing.blocking(pair.target):
        problem = f'{taken} was written by another program meanwhile.'
        return Outcome(pair, FAILED, problem=problem)
      return _guarded(pair, lambda: jobs.load(job, pair))

    def start(got: jobs.Loaded | Outcome) -> futures.Future[Outcome]:
      if isinstance(got, Outcome):
        return _done(got)
      if dry_run:
        return _done(_outcome(got, PLANNED))
      return _restore(job, got, writers)

    loaded = _in_order((readers.submit(load, p) for p in found), threads)
    yield from _in_order(map(start, loaded), threads, at_once=True)


def _restore(
  job: jobs.Job, loaded: jobs.Loaded, writers: futures.Executor
) -> futures.Future[Outcome]:
  """Runs the network, and lets a thread write the result."""
  began = time.monotonic()
  output = _guarded(loaded.pair, lambda: jobs.restore(job, loaded))
  seconds = time.monotonic() - began
  if isinstance(output, Outcome):
    return _done(output)

  def write(output: np.ndarray) -> Outcome:
    notes = _guarded(loaded.pair, lambda: jobs.store(job, loaded, output))
    if isinstance(notes, Outcome):
      return notes
    status = RESTORED if loaded.choice.share else LEFT_ALONE
    return _outcome(loaded, status, notes, seconds)

  return writers.submit(write, output)


def _outcome(
  loaded: jobs.Loaded,
  status: str,
  notes: tuple[str, ...] = (),
  seconds: float | None = None,
) -> Outcome:
  return Outcome(
    loaded.pair,
    status,
    loaded.choice,
    (*loaded.photo.notes, *notes),
    loaded.pixels.shape[:2],
    seconds,
  )


def _guarded(pair: Pair, act: Callable):
  """What `act` returns, or the outcome that says why it failed."""
  try:
    return act()
  except UserError as error:
    problem = ' '.join(error.problems)
  except MemoryError:
    problem = f'{pair.source} takes more memory than there is.'
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' not in str(error):
      raise
    problem = (
      f'{pair.source} takes more memory than the device has; give a smaller'
      ' --tile.'
    )
  return Outcome(pair, FAILED, problem=problem)


@contextlib.contextmanager
def _pool(threads: int) -> Iterator[futures.Executor]:
  """Threads; what has not begun when the block is left is dropped."""
  pool = futures.ThreadPoolExecutor(threads)
  try:
    yield pool
  finally:
    pool.shutdown(cancel_futures=True)


def _done(outcome: Outcome) -> futures.Future[Outcome]:
  future: futures.Future[Outcome] = futures.Future()
  future.set_result(outcome)
  return future


def _in_order(
  started: Iterator[futures.Future], most: int, *, at_once: bool = False
) -> Iterator[Any]:
  """Results in order, with up to `most` more under way.

  Args:
    started: futures; drawing one starts its work.
    most: how many are started before the first is waited for.
    at_once: whether what is done is yielded before more is started.
  """
  waiting: collections.deque[futures.Future] = collections.deque()
  for future in started:
    waiting.append(future)
    while len(waiting) > most or (at_once and waiting and waiting[0].done()):
      yield waiting.popleft().result()
  while waiting:
    yield waiting.popleft().result()

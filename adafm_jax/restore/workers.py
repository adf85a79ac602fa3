"""Many photographs: files are read and written beside the network."""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import numpy as np

from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError
from adafm_jax.restore import job as jobs
from adafm_jax.restore import overwrite, recipe
from adafm_jax.restore import result as results
from adafm_jax.restore import room as rooms
from adafm_jax.restore.pairs import Pair

RESTORED, LEFT_ALONE, PLANNED = 'restored', 'left alone', 'planned'
SKIPPED, FAILED = 'skipped', 'failed'
Act = Callable[[Pair], None]


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


# Lets a thread write (photograph, output, seconds of the network).
Submit = Callable[..., 'futures.Future[Outcome]']


def run(
  job: jobs.Job,
  found: Sequence[Pair],
  *,
  threads: int,
  batch: int = 1,
  existing: overwrite.Existing = overwrite.REFUSE,
  dry_run: bool = False,
  before: Act = lambda pair: None,
  after: Act = lambda pair: None,
) -> Iterator[Outcome]:
  """Restores photographs one after the other, or a batch in one pass.

  `threads` files, at least a batch, are read ahead and as many may wait to be
  written, but no more than half of the free memory holds. A failure is an
  outcome and stops nothing.

  Args:
    job: what to do.
    found: photographs and their results.
    threads: that read, and as many that write.
    batch: most photographs in one pass. Of as many neighbours in `found`, those
      of one size and strength go together.
    existing: what becomes of a photograph whose result exists, though it may
      not have when `overwrite.check` looked.
    dry_run: whether to read and decide only.
    before: called in a thread before a photograph is read; may raise UserError.
    after: called in a thread once a result is written; may raise UserError.

  Yields:
    An outcome a photograph, in the order of `found`.
  """
  room = rooms.Room(memories.of_machine())
  load = functools.partial(_load, job, existing, before, dry_run, room)
  write = functools.partial(_write, job, existing, after)
  most = max(threads, batch)
  with (
    _pool(threads) as readers,
    _pool(threads) as writers,
    contextlib.closing(room),
  ):
    submit = functools.partial(writers.submit, write)
    reading = (readers.submit(load, *item) for item in enumerate(found))
    loaded = _loaded(room, _in_order(reading, most))
    windows = iter(lambda: list(itertools.islice(loaded, batch)), [])
    started = (x for window in windows for x in _restore(job, window, submit))
    # What is written makes room for what waits to be read.
    ready = _in_order(started, most, lambda x: x.done() or room.crowded)
    for place, future in enumerate(ready):
      outcome = future.result()
      room.leave(place)
      yield outcome


def _load(
  job: jobs.Job,
  existing: overwrite.Existing,
  before: Act,
  dry_run: bool,
  room: rooms.Room,
  place: int,
  pair: Pair,
) -> jobs.Loaded | Outcome:
  """Reads a photograph; its outcome where there is nothing to restore."""
  if pair.problem:
    return Outcome(pair, FAILED, problem=pair.problem)
  if existing.skip and os.path.lexists(pair.target):
    return Outcome(pair, SKIPPED)

  def read() -> jobs.Loaded | Outcome:
    _check_places(job, existing, pair)
    before(pair)
    loaded = jobs.load(job, pair, functools.partial(room.enter, place))
    if not dry_run:
      return loaded
    notes = () if results.copied(job, loaded) else loaded.photo.notes
    return _outcome(loaded, PLANNED, notes)

  return _guarded(pair, read)


def _check_places(
  job: jobs.Job, existing: overwrite.Existing, pair: Pair
) -> None:
  places = recipe.places(pair.target, job.recipe)
  if taken := existing.blocking(*places):
    raise UserError(f'{taken} was written by another program meanwhile.')


def _write(
  job: jobs.Job,
  existing: overwrite.Existing,
  after: Act,
  loaded: jobs.Loaded,
  output: np.ndarray,
  seconds: float,
) -> Outcome:
  """Writes a result."""

  def store() -> Outcome:
    _check_places(job, existing, loaded.pair)  # the network may have taken long
    notes = results.store(job, loaded, output)
    after(loaded.pair)
    status = RESTORED if loaded.choice.share else LEFT_ALONE
    return _outcome(loaded, status, notes, seconds)

  return _guarded(loaded.pair, store)


def _restore(
  job: jobs.Job, window: Sequence[jobs.Loaded | Outcome], submit: Submit
) -> list[futures.Future[Outcome]]:
  """Starts to restore a window in as few passes as it takes; in its order."""
  passes: dict[Any, list[int]] = {}
  for index, got in enumerate(window):
    shared = None if isinstance(got, Outcome) else jobs.pass_of(got)
    passes.setdefault(shared or index, []).append(index)
  started: dict[int, futures.Future[Outcome]] = {}
  for indices in passes.values():
    group = [window[i] for i in indices]
    started |= zip(indices, _pass(job, group, submit), strict=True)
  return [started[index] for index in range(len(window))]


def _pass(
  job: jobs.Job, group: Sequence[Any], submit: Submit
) -> list[futures.Future[Outcome]]:
  """Runs the network, and lets threads write the results."""
  if isinstance(group[0], Outcome):
    return [_done(group[0])]
  began = time.monotonic()
  outputs = _guarded(group[0].pair, lambda: jobs.restore(job, group))
  if not isinstance(outputs, Outcome):
    seconds = (time.monotonic() - began) / len(group)
    return [submit(*x, seconds) for x in zip(group, outputs, strict=True)]
  if len(group) == 1:
    return [_done(outputs)]
  # Together they took too much memory; each may still fit.
  return [future for one in group for future in _pass(job, [one], submit)]


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
    notes,
    loaded.pixels.shape[:2],
    seconds,
  )


def _guarded(pair: Pair, act: Callable):
  """What `act` returns, or the outcome that says why it failed."""
  try:
    return act()
  except UserError as error:
    problem = ' '.join(error.problems)
    if not any(x.name in problem for x in (pair.source, pair.target)):
      problem = f'{pair.source}: {problem}'
  except MemoryError:
    problem = f'{pair.source} takes more memory than there is.'
  except jax.errors.JaxRuntimeError as error:
    if not memories.is_full(error):
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


def _loaded(
  room: rooms.Room, reading: Iterator[futures.Future]
) -> Iterator[jobs.Loaded | Outcome]:
  """What was read, waited for one after the other."""
  for place, future in enumerate(reading):
    room.want(place)
    yield future.result()


def _in_order(
  started: Iterator[futures.Future],
  most: int,
  soon: Callable[[futures.Future], bool] = lambda _: False,
) -> Iterator[futures.Future]:
  """Futures in order, with up to `most` more under way.

  Args:
    started: futures; drawing one starts its work.
    most: how many are started before the first is waited for.
    soon: whether the first is to be waited for before more are started.
  """
  waiting: collections.deque[futures.Future] = collections.deque()
  for future in started:
    waiting.append(future)
    while waiting and (len(waiting) > most or soon(waiting[0])):
      yield waiting.popleft()
  yield from waiting

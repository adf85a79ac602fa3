"""Training patches read from disk: for sets larger than the device's memory.

The batch of a step is a pure function of (seed, step). Its rows are positions
in an endless sequence of shuffled epochs, and each position has its own random
generator for crop and symmetry. So a run resumes from the step alone, any
number of worker processes gives the same batches, and processes that share a
batch read each record once per epoch.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

# Part of the seed: what the random numbers are for.
_ORDER, _PATCH = 0, 1
# Batches that each worker keeps ready.
_READY = 4


@functools.lru_cache(maxsize=4)
def _order(seed: tuple[int, ...], epoch: int, count: int) -> np.ndarray:
  """The records in the order of an epoch."""
  return np.random.default_rng([*seed, _ORDER, epoch]).permutation(count)


def record_at(seed: tuple[int, ...], position: int, count: int) -> int:
  """The record at a position in the sequence of epochs.

  Args:
    seed: of the stage.
    position: counted from 0, over all epochs; epoch e holds every record once,
      at positions e * count to (e + 1) * count - 1.
    count: number of records.

  Returns:
    The record's number, 0 to count - 1.
  """
  epoch, place = divmod(position, count)
  return int(_order(seed, epoch, count)[place])


def cut_patch(
  pixels: np.ndarray,
  seed: tuple[int, ...],
  position: int,
  side: int,
  grid: int = 1,
) -> np.ndarray:
  """Cuts the patch of a position, flipped or rotated one of the eight ways.

  Args:
    pixels: uint8 [H, W, C], no smaller than the patch.
    seed: of the stage.
    position: in the sequence of epochs.
    side: of the patch, pixels.
    grid: the patch begins at a multiple of it, pixels.

  Returns:
    uint8 [side, side, C]; a view.
  """
  draw = np.random.default_rng([*seed, _PATCH, position])
  height, width = pixels.shape[:2]
  top = grid * draw.integers((height - side) // grid + 1)
  left = grid * draw.integers((width - side) // grid + 1)
  patch = pixels[top : top + side, left : left + side]
  turned, upside_down, mirrored = draw.integers(2, size=3)
  if turned:
    patch = patch.transpose(1, 0, 2)
  if upside_down:
    patch = patch[::-1]
  return patch[:, ::-1] if mirrored else patch


class Batches:
  """The batches of a stage: item s is the batch of step s.

  Each is uint8 [rows, patch, patch, C], as `bank.sample` draws them.
  """

  def __init__(
    self,
    records: Sequence[np.ndarray] | Any,
    *,
    seed: tuple[int, ...],
    batch: int,
    patch: int,
    steps: int,
    rows: Sequence[int] | None = None,
    grid: int = 1,
  ):
    """Describes the batches; reads nothing yet.

    Args:
      records: images by number, uint8 [H, W, C].
      seed: of the stage.
      batch: patches of a step, over all processes.
      patch: side of a patch, pixels.
      steps: of the stage.
      rows: rows of the batch that this process needs; None is all.
      grid: see `cut_patch`.
    """
    self._records, self._seed = records, seed
    self._batch, self._patch, self._steps = batch, patch, steps
    self._grid = grid
    self._rows = range(batch) if rows is None else rows

  def __len__(self) -> int:
    return self._steps

  def __getitem__(self, step: int) -> np.ndarray:
    count = len(self._records)
    patches = []
    for row in self._rows:
      position = step * self._batch + row
      pixels = self._records[record_at(self._seed, position, count)]
      cut = (self._seed, position, self._patch, self._grid)
      patches.append(cut_patch(pixels, *cut))
    return np.stack(patches)


def default_workers() -> int:
  """Number of reading processes: half the cores, at most 8; 0 on two cores."""
  cores = os.cpu_count() or 1
  return min(8, cores // 2) if cores > 2 else 0


@contextlib.contextmanager
def read(
  batches: Batches, start: int, workers: int
) -> Iterator[Iterator[np.ndarray]]:
  """Reads batches ahead, in other processes.

  Args:
    batches: of the stage.
    start: first step wanted.
    workers: processes; 0 reads in threads of this one.

  Yields:
    The batches from `start` on, the same for any number of workers.

  Raises:
    UserError: a record is damaged.
  """
  import grain
  from absl import flags

  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()  # grain's workers read them
  rest = grain.MapDataset.source(batches)[start:].to_iter_dataset(
    grain.ReadOptions(num_threads=2, prefetch_buffer_size=_READY)
  )
  if workers:
    rest = rest.mp_prefetch(
      grain.MultiprocessingOptions(
        num_workers=workers, per_worker_buffer_size=_READY
      ),
      worker_init_fn=_obey_parent,
    )
  iterator = iter(rest)
  # Copied: a batch from a worker lies in memory shared with it.
  copies = (np.array(batch) for batch in iterator)
  try:
    yield copies
  finally:
    copies.close()  # releases the iterator, even if a caller keeps `copies`
    iterator.close()


def _obey_parent(index: int, count: int) -> None:
  """Makes a worker ignore Ctrl-C, and exit when the run is gone.

  Otherwise Ctrl-C would print its traceback, and a killed run would leave it
  behind, waiting.
  """
  del index, count
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  run = multiprocessing.parent_process()
  assert run is not None

  def watch():
    run.join()
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()

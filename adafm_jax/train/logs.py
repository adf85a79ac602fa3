"""What a run reports: lines on the console, events for TensorBoard."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping

import tensorboardX

from adafm_jax.train import mesh as meshes


def say(text: str) -> None:
  """Prints a line, in the main process only."""
  if meshes.is_main():
    print(text, flush=True)


def duration(seconds: float) -> str:
  """Seconds as 1:02:03 or 2:03."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}:{minutes:02d}:{rest:02d}'
  return f'{minutes}:{rest:02d}'


class Clock:
  """Measures steps per second."""

  def __init__(self, step: int):
    self._step, self._time = step, time.monotonic()

  def read(self, step: int) -> float:
    """Steps per second since the last call."""
    now = time.monotonic()
    rate = (step - self._step) / max(now - self._time, 1e-9)
    self._step, self._time = step, now
    return rate


class Events:
  """TensorBoard event files of one stage, written by the main process only."""

  def __init__(self, folder: pathlib.Path, step: int):
    self._writer = None
    if meshes.is_main():
      # Drop events after `step`: that part of the run is repeated.
      self._writer = tensorboardX.SummaryWriter(
        str(folder), purge_step=step or None
      )

  def __enter__(self) -> Events:
    return self

  def __exit__(self, *_: object) -> None:
    if self._writer:
      self._writer.close()

  def scalars(self, step: int, values: Mapping[str, float]) -> None:
    """Writes named values of one step."""
    for name, value in values.items():
      if self._writer:
        self._writer.add_scalar(name, value, step)

"""What a run reports: lines on the console, events for TensorBoard."""

from __future__ import annotations

import pathlib
import socket
import time
from collections.abc import Mapping

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from adafm_jax.train import mesh as meshes

_FLUSH_EVERY = 30  # seconds; flushing waits for the disk


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
  """TensorBoard event files of one stage, written by the main process only.

  tensorboardX's own writer does this in a thread, which a full disk ends with a
  traceback; a few numbers a minute need none.
  """

  def __init__(self, folder: pathlib.Path, step: int):
    self._writer = None
    self._flushed = time.monotonic()
    if meshes.is_main():
      folder.mkdir(parents=True, exist_ok=True)
      name = f'events.out.tfevents.{int(time.time())}.{socket.gethostname()}'
      self._writer = RecordWriter(str(folder / name))
      self._add(Event(file_version='brain.Event:2'))
      if step:  # drop events after it: that part of the run is repeated
        self._add(
          Event(step=step, session_log=SessionLog(status=SessionLog.START))
        )

  def __enter__(self) -> Events:
    return self

  def __exit__(self, *_: object) -> None:
    if self._writer:
      try:
        self._writer.flush()
      finally:
        self._writer.close()

  def scalars(self, step: int, values: Mapping[str, float]) -> None:
    """Writes named values of one step."""
    named = [Summary.Value(tag=k, simple_value=v) for k, v in values.items()]
    self._add(Event(step=step, summary=Summary(value=named)))

  def _add(self, event: Event) -> None:
    if not self._writer:
      return
    event.wall_time = time.time()
    self._writer.write(event.SerializeToString())
    if time.monotonic() - self._flushed > _FLUSH_EVERY:
      self._writer.flush()
      self._flushed = time.monotonic()

"""How far long work has come."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import tqdm

# Seconds between two states of a bar in a log file, where each is a new line.
_IN_A_LOG = 10.0


def bar(
  doing: str,
  unit: str,
  *,
  items: Iterable | None = None,
  total: int | None = None,
  quiet: bool = False,
) -> tqdm.tqdm:
  """A bar on stderr, drawn live in a terminal and every 10 seconds elsewhere.

  Args:
    doing: what is done, in a word or two.
    unit: one of what is counted.
    items: iterating over the bar iterates over these; None calls `update`.
    total: how many there are; None takes the length of `items`.
    quiet: draws nothing.
  """
  import tqdm  # not at start-up

  live = sys.stderr is not None and sys.stderr.isatty()
  return tqdm.tqdm(
    items,
    desc=doing,
    unit=unit,
    total=total,
    disable=quiet,
    mininterval=0.1 if live else _IN_A_LOG,
  )

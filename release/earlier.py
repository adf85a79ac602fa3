"""Rows of earlier results that need not be measured again.

The classical method and the peers know nothing of the model, and are slow.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from adafm_jax.errors import UserError

Row = dict[str, Any]
METHODS = ('classical', 'peer')
# Two runs that measured the same input agree so far. Other noise differs more.
_SAME_PSNR = 2e-4  # dB


def read(path: pathlib.Path) -> list[Row]:
  """Reads the rows of an earlier run.

  Raises:
    UserError: there is no such file, or it holds something else.
  """
  wanted = 'give a NAME.json that release.evaluate has written'
  try:
    found = json.loads(path.read_text('utf-8'))['scores']
    for row in found:
      row['method'], row['set'], row['protocol'], row['level'], row['images']
  except OSError as error:
    raise UserError(
      f'--before is {path}, which cannot be read ({error.strerror}); {wanted}.'
    ) from error
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(
      f'--before is {path}, which holds no results; {wanted}.'
    ) from error
  return found


def find(
  before: Sequence[Row], *, name: str, protocol: str, level: float, images: int
) -> dict[str, Row]:
  """What was measured before of a set at one level, and needn't be again.

  Args:
    before: rows of `measure.rows`.
    name: of the set.
    protocol: its label.
    level: in the task's unit.
    images: how many the set has.

  Returns:
    Rows by method: the input, and those of `METHODS`; {} if it is not there.
  """
  wanted = name, protocol, level, images
  found = {
    row['method']: row
    for row in before
    if (row['set'], row['protocol'], row['level'], row['images']) == wanted
    and row['method'] in ('input', *METHODS)
  }
  return found if 'input' in found else {}


def join(rows: Sequence[Row], known: Mapping[str, Row]) -> list[Row]:
  """Adds rows that were measured before, after the input's.

  Args:
    rows: of `measure.rows`; the first is the input's.
    known: see `find`.

  Raises:
    UserError: the input was another one.
  """
  first, *others = rows
  if known and abs(known['input']['psnr'] - first['psnr']) > _SAME_PSNR:
    raise UserError(
      'The earlier results are not of the same images: the input of'
      f' {first["set"]} at level {first["level"]:g} differs. Measure without'
      ' --before.'
    )
  return [first, *(known[x] for x in METHODS if x in known), *others]

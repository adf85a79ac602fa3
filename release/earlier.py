"""Rows of earlier results that need not be measured again.

The classical method and the peers know nothing of the model, and are slow.
"""

from __future__ import annotations

import json
import operator
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from adafm_jax.errors import UserError

METHODS = ('classical', 'peer')
# Two runs that measured the same input agree so far. Other noise differs more.
_SAME_PSNR = 2e-4  # dB


def read(path: pathlib.Path) -> dict[str, Any]:
  """Reads the results of an earlier run.

  Raises:
    UserError: there is no such file, or it holds something else.
  """
  wanted = 'give a NAME.json that release.evaluate has written'
  try:
    found = json.loads(path.read_text('utf-8'))
    rows = found['scores']
    methods(rows)
  except OSError as error:
    raise UserError(
      f'--before is {path}, which cannot be read ({error.strerror}); {wanted}.'
    ) from error
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(
      f'--before is {path}, which holds no results; {wanted}.'
    ) from error
  return found


def methods(before: Sequence[Mapping[str, Any]]) -> set[str]:
  """The methods that results have and that are not the model's."""
  return {row['method'] for row in before} & set(METHODS)


def with_rows(
  rows: Sequence[dict[str, Any]],
  before: Sequence[dict[str, Any]],
  wanted: set[str],
) -> list[dict[str, Any]]:
  """Adds the rows of some methods from earlier results, after the input's.

  Args:
    rows: JSON rows of `measure.measure`, without these methods.
    before: such rows, of the same images, see `check`.
    wanted: of `methods(before)`.

  Raises:
    UserError: an input was another one.
  """
  place = operator.itemgetter('set', 'noise', 'protocol', 'level', 'images')
  known = {(*place(row), row['method']): row for row in before}
  found = []
  for row in rows:
    found.append(row)
    if row['method'] != 'input':
      continue
    same = known[*place(row), 'input']
    if abs(same['psnr'] - row['psnr']) > _SAME_PSNR:
      raise UserError(
        'The earlier results are not of the same images: the input of'
        f' {row["set"]} at level {row["level"]:g} differs. Measure without'
        ' --before.'
      )
    found += [known[*place(row), x] for x in METHODS if x in wanted]
  return found


def check(
  before: Sequence[Mapping[str, Any]],
  wanted: set[str],
  sets: Mapping[str, int],
  levels: Sequence[float],
) -> None:
  """Checks that earlier results have all rows that are wanted of them.

  Args:
    before: rows of the earlier results.
    wanted: of `methods(before)`.
    sets: number of images of each set.
    levels: that are measured.

  Raises:
    UserError: a row is missing.
  """
  known: dict[tuple[str, int, float], list[str]] = {}
  for row in before:
    key = row['set'], row['images'], row['level']
    known.setdefault(key, []).append(row['method'])
  for name, count in sets.items():
    for level in levels:
      found = known.get((name, count, level), [])
      if missing := {'input', *wanted}.difference(found):
        raise UserError(
          f'The earlier results have no {min(missing)} of {name}, {count}'
          f' images, at level {level:g}. Measure without --before.'
        )

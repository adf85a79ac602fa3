"""Joins the parts of a manifest, and finds what is missing or done twice."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.restore import manifest
from adafm_jax.restore.shards import Shard

TABLE = 'manifest.parquet'  # in the manifest's folder
# Of a row of the Parquet file, in this order; see `manifest.row`.
COLUMNS = {
  'result': 'string',
  'input': 'string',
  'status': 'string',
  'level': 'float64',
  'estimated': 'bool',
  'strength': 'float64',
  'share': 'float64',
  'width': 'int64',
  'height': 'int64',
  'seconds': 'float64',
  'sha256': 'string',
  'error': 'string',
  'finished': 'string',
  'part': 'string',
}


class Merged(NamedTuple):
  """All parts together.

  Attributes:
    rows: of all results, each once.
    problems: sentences about what is missing, failed, or was done twice with
      different results.
  """

  rows: list[dict[str, Any]]
  problems: list[str]


def merge(folder: pathlib.Path) -> Merged:
  """Joins all parts, and writes DIR/manifest.parquet.

  Raises:
    UserError: there is no manifest, or a journal is damaged.
  """
  journals = manifest.read(folder)
  if not journals:
    raise UserError(f'{folder} holds no manifest (no part-I-of-N.jsonl).')
  by_result: dict[str, list[dict[str, Any]]] = {}
  for values in manifest.rows(journals):
    by_result.setdefault(values['result'], []).append(values)
  best = [
    max(found, key=lambda x: (x['status'] in manifest.DONE, x['finished']))
    for _, found in sorted(by_result.items())
  ]
  problems = _missing(journals, by_result)
  for result, found in sorted(by_result.items()):
    sums = {x['sha256'] for x in found if x['status'] in manifest.DONE}
    if len(sums) > 1:
      where = ' and '.join(x['part'] for x in found)
      problems.append(f'{result} was done twice, differently: {where}.')
  problems += [
    f'{x["result"]} failed: {x["error"]}'
    for x in best
    if x['status'] not in manifest.DONE
  ]
  problems += _gone(journals, best)
  _write(folder / TABLE, best)
  return Merged(best, problems)


def _missing(
  journals: Mapping[Shard, Sequence[dict[str, Any]]],
  known: Iterable[str],
) -> list[str]:
  """Sentences about parts that never ran or are not done."""
  problems = []
  for shard, lines in journals.items():
    calls = [x for x in lines if 'expected' in x]
    if not calls:
      continue
    begun = {*calls[-1].get('claims', ()), *calls[-1].get('left', ())}
    left = sorted(begun.difference(known))
    here = sum(map(shard.has, known))
    if count := max(len(left), calls[-1]['expected'] - here):
      names = f', such as {", ".join(left[:3])}' if left else ''
      problems.append(
        f'{shard.part}: {count} picture(s) are not done yet{names}.'
      )
  # A job that was shared out anew, among others, is whole if one sharing is.
  absent = {
    count: [i for i in range(count) if Shard(i, count) not in journals]
    for count in {shard.count for shard in journals}
  }
  count, first = min(absent.items(), key=lambda x: len(x[1]))
  return problems + [f'--shard {i}/{count} has not run.' for i in first]


def _gone(
  journals: Mapping[Shard, Sequence[dict[str, Any]]],
  found: Iterable[dict[str, Any]],
) -> list[str]:
  """Sentences about results that were done, and are not there any more.

  Object stores are not asked, and output folders that this machine does not
  have neither.
  """
  outputs = {
    x['output'] for lines in journals.values() for x in lines if 'output' in x
  }
  folders = [pathlib.Path(x) for x in outputs if os.path.isdir(x)]
  if not folders or len(folders) < len(outputs):
    return []
  return [
    f'{x["result"]} was done, and is not there any more.'
    for x in found
    if x['status'] in manifest.DONE
    and not any(os.path.lexists(folder / x['result']) for folder in folders)
  ]


def _write(path: pathlib.Path, found: Sequence[dict[str, Any]]) -> None:
  import pyarrow as pa
  from pyarrow import parquet

  schema = pa.schema(list(COLUMNS.items()))
  readable = [
    {name: _readable(value) for name, value in values.items()}
    for values in found
  ]
  table = pa.Table.from_pylist(readable, schema=schema)
  with files.atomic_path(path) as temporary:
    parquet.write_table(table, temporary)


def _readable(value: Any) -> Any:
  """File names in another encoding, with what is not UTF-8 escaped."""
  if isinstance(value, str):
    return value.encode('utf-8', 'backslashreplace').decode()
  return value

"""The list of released models, for people and as JSON: `adafm models`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from adafm_jax import zoo
from adafm_jax.degrade.level import LevelRange
from adafm_jax.model_file import file as model_file
from adafm_jax.models.architecture import Architecture
from adafm_jax.report import tables

_COLUMNS = ('name', 'levels', 'MB', 'GFLOP/MP', 'licence', 'quality')


def summarize() -> list[dict[str, Any]]:
  """The facts about each released model, as JSON values.

  Raises:
    UserError: a file is missing or damaged.
  """
  found = []
  for entry in zoo.entries().values():
    header = model_file.read_header(entry.path)
    found.append(
      {
        'name': entry.name,
        'task': header.levels.task,
        'start': float(header.levels.start),
        'end': float(header.levels.end),
        'channels': header.arch.channels,
        'gflop_per_megapixel': cost(header.arch),
        'bytes': entry.path.stat().st_size,
        'description': entry.description,
        'quality': entry.quality,
        'licence': entry.licence,
        'sha256': entry.sha256,
        'path': str(entry.path),
      }
    )
  return found


def cost(arch: Architecture) -> float:
  """What a megapixel costs: 10^9 floating-point operations, convs alone."""
  return 2 * arch.multiply_adds / 1e3


def describe() -> str:
  """The list as text, ending in a newline.

  Raises:
    UserError: a file is missing or damaged.
  """
  models = summarize()
  if not models:
    return 'No models come with this version; give a model file by its path.\n'
  rows = [
    (
      x['name'],
      str(LevelRange(x['task'], x['start'], x['end'])),
      x['bytes'] / 1e6,
      round(x['gflop_per_megapixel']),
      x['licence'],
      x['quality'],
    )
    for x in models
  ]
  table = tables.text_table(_COLUMNS, rows, decimals=1)
  about = ''.join(f'{x["name"]}: {x["description"]}\n' for x in models)
  return f'{table}\n{about}'


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> None:
  """Prints the list."""
  if options.json:
    print(json.dumps(summarize(), indent=2))
  else:
    print(describe(), end='')

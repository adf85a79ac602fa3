"""What is in a model file, for people and as JSON: `adafm info`.

Needs neither JAX nor the weights; only the checksum reads the whole file.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import textwrap
from collections.abc import Mapping
from typing import Any

from adafm_jax import files, zoo
from adafm_jax.degrade import level as levels
from adafm_jax.model_file import file as model_file
from adafm_jax.model_file.header import Header, count_parameters, to_json
from adafm_jax.report import tables


def summarize(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Everything about a model file that is known without running it, as JSON.

  Raises:
    UserError: it is not a model file, see `model_file.read_header`.
  """
  path = pathlib.Path(path)
  header = model_file.read_header(path)
  return {
    'file': path.name,
    'bytes': path.stat().st_size,
    'sha256': files.sha256(path),
    'parameters': count_parameters(model_file.read_shapes(path)),
    'strengths': [[x, header.strength(x)] for x in _some_levels(header)],
    **to_json(header),
  }


def describe(path: str | os.PathLike[str]) -> str:
  """The summary as text, ending in a newline.

  Raises:
    UserError: it is not a model file, see `model_file.read_header`.
  """
  header, facts = model_file.read_header(path), summarize(path)
  task = levels.TASKS[header.levels.task]
  rows = [
    ('file', f'{facts["file"]}, {facts["bytes"] / 1e6:.2f} MB'),
    ('sha256', facts['sha256']),
    ('task', f'{task.name}, {header.levels} ({task.unit})'),
    *([('noise', header.noise)] if header.noise else []),
    *_network_rows(header, facts['parameters']),
    ('strength', _curve_line(header)),
  ]
  parts = [''.join(f'{name:<10}{text}\n' for name, text in rows)]
  strengths = [(task.label(x), y) for x, y in facts['strengths']]
  parts.append(tables.text_table(('level', 'strength'), strengths, decimals=3))
  provenance = dict(header.provenance)
  if metrics := _metrics_table(provenance):
    del provenance['metrics']
    parts.append('metrics\n' + textwrap.indent(metrics, '  '))
  if provenance:
    text = json.dumps(provenance, indent=2, ensure_ascii=False)
    parts.append('provenance\n' + textwrap.indent(text, '  ') + '\n')
  return '\n'.join(parts)


def _network_rows(
  header: Header, counts: dict[str, int]
) -> list[tuple[str, str]]:
  """The architecture in words, and its size as the paper counts it."""
  arch = header.arch
  backbone = f'{counts["weights"]:,} weights, {counts["biases"]:,} biases'
  rows = [
    (
      'network',
      f'{arch.blocks} residual blocks, {arch.features} features,'
      f' {arch.channels} image channel(s)',
    ),
    ('backbone', backbone),
  ]
  if not arch.kernel:
    return [*rows, ('AdaFM', 'none: the basic model')]
  share = counts['adafm_weights'] / counts['weights']
  return [
    *rows,
    (
      'AdaFM',
      f'{arch.adafm_layers} layers {arch.kernel}x{arch.kernel}, placement'
      f' {arch.placement}, path {arch.path}'
      + (f' of {arch.bends} bends' if arch.bends else '')
      + f': {counts["adafm_weights"]:,} weights'
      f' ({share:.2%} of the backbone), {counts["adafm_biases"]:,} biases',
    ),
  ]


def _curve_line(header: Header) -> str:
  task = levels.TASKS[header.levels.task]
  if not header.arch.kernel:
    return f'none: restores {task.label(header.levels.start)} only'
  if header.curve is None:
    return 'linear between the ends (no curve was measured)'
  return header.curve.formula(task.prefix.strip())


def _some_levels(header: Header) -> list[float]:
  """Five levels from start to end; the start alone for a basic model."""
  span = header.levels
  if not header.arch.kernel:
    return [span.start]
  found = [span.level(i / 4) for i in range(5)]
  if levels.TASKS[span.task].whole:
    found = [round(x) for x in found]
  return list(dict.fromkeys(found))


def _metrics_table(provenance: Mapping[str, Any]) -> str:
  """The rows of provenance['metrics'] as a table; '' if they are not rows."""
  rows = provenance.get('metrics')
  if (
    not rows
    or not isinstance(rows, list)
    or not all(isinstance(row, dict) for row in rows)
  ):
    return ''
  columns = list(dict.fromkeys(name for row in rows for name in row))
  cells = [[_cell(row.get(name)) for name in columns] for row in rows]
  return tables.text_table(columns, cells)


def _cell(value: Any) -> str | None:
  """A table cell: four digits suit levels, dB and SSIM alike."""
  if isinstance(value, float):
    return f'{value:.4g}'
  return None if value is None else str(value)


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  parser.add_argument('file', help='model file, or name of a released one')
  parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> None:
  """Prints the summary."""
  path = zoo.locate(options.file)
  if options.json:
    print(json.dumps(summarize(path), indent=2))
  else:
    print(describe(path), end='')

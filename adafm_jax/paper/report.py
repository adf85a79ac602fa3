"""The report of a workdir: the paper's tables and figures, ours beside them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from adafm_jax import files
from adafm_jax.paper import (
  blocks,
  charts,
  claims,
  figure7,
  filters,
  results,
  tables,
)
from adafm_jax.paper.blocks import Block, Heading, Table, Text
from adafm_jax.paper.results import FinishedRuns
from adafm_jax.paper.systems import SYSTEMS
from adafm_jax.paper.variation import Variation
from adafm_jax.train import stages

_TITLE = "AdaFM: the paper's experiments, repeated"


def write(workdir: pathlib.Path, output: pathlib.Path) -> list[pathlib.Path]:
  """Writes report.md, its pictures, and the self-contained report.html.

  Args:
    workdir: of the lists.
    output: folder to write into; created if missing.

  Raises:
    UserError: the workdir holds no experiments of the paper.
  """
  found = results.load(workdir)
  pictures = output / 'report'
  made = [Heading(1, _TITLE), *_about(found), *_body(found, pictures)]
  text = blocks.to_markdown(made, output)
  page = blocks.to_html(made, _TITLE)
  files.write_text(output / 'report.md', text)
  files.write_text(output / 'report.html', page)
  return [output / 'report.md', output / 'report.html']


def _body(found: FinishedRuns, pictures: pathlib.Path) -> Iterator[Block]:
  yield from claims.table(found)
  yield from tables.table1(found)
  yield from tables.table2(found)
  yield from charts.figure5(found, pictures)
  yield from tables.table3(found)
  yield from tables.adapted(
    found, 'Table 4: range and direction, super-resolution', ['sr']
  )
  yield from tables.adapted(
    found,
    'Table 5: range and direction, DeJPEG and denoising',
    ['dejpeg', 'denoise'],
  )
  yield from figure7.figure7(found, pictures)
  yield from charts.systems(found, pictures)
  yield from filters.figure6(found, pictures)
  yield from tables.layers(found)
  yield from tables.position(found)
  yield from tables.scratch(found)
  yield from filters.observation1(found, pictures)
  yield from _runs(found)


def _about(found: FinishedRuns) -> Iterator[Block]:
  """What all cells share, and what is missing."""
  yield _settings(found)
  yield Text(
    'The paper trained 64 features and 16 blocks on DIV2K, the basic model for'
    ' 1M steps and AdaFM for 500k. A dash is a missing number: that run is'
    ' not done, or the paper has none. Numbers with ± are means and standard'
    ' deviations over the seeds. Where noisy images were measured clipped and'
    ' unclipped, all tables show clipped ones, as in the paper.'
  )
  if found.failed:
    yield Table(
      ['failed run', 'why'], [[a, b] for a, b in found.failed.items()]
    )


def _settings(found: FinishedRuns) -> Table:
  """Preset, data, protocol, steps, device, seeds."""
  config, runs = found.config, found.runs
  seeds = sorted({run.v.seed for run in runs})
  devices = sorted({run.about['device'] for run in runs})
  protocols = sorted({row['protocol'] for run in runs for row in run.rows})
  counts = {row['set']: len(row['images']) for run in runs for row in run.rows}
  model = config['model']

  def stage(name):
    s = config[name]
    return (
      f'{s["steps"]:,} steps of {s["batch"]} patches of {s["patch"]} x'
      f' {s["patch"]}, {s["optimizer"]} {s["learning_rate"]:g}'
    )

  images = sorted({run.about['training_images'] for run in runs})
  source = config['data']['train']
  if ':' not in source:
    source = pathlib.PurePath(source).name  # reports are passed on
  return Table(
    ['', ''],
    [
      ['preset', config['preset']],
      ['network', f'{model["features"]} features, {model["blocks"]} blocks'],
      ['basic model', stage('train')],
      ['adaptation', stage('adapt')],
      ['paths', stage('path')],
      [
        'training images',
        f'{source} ({", ".join(map(str, images)) or "none"})',
      ],
      [
        'evaluation',
        ', '.join(f'{tables.set_title(n)} ({c})' for n, c in counts.items()),
      ],
      ['protocol', '; '.join(protocols)],
      ['noise in training', config['noise']],
      ['seeds', ', '.join(map(str, seeds)) or 'none'],
      ['device', '; '.join(devices)],
      ['JAX', ', '.join(sorted({r.about['packages']['jax'] for r in runs}))],
    ],
  )


def _runs(found: FinishedRuns) -> Iterator[Block]:
  """Every run, with what it took."""
  yield Heading(2, 'All runs')
  yield Text(
    'Steps in all are those of a run and of what it starts from, the longer of'
    ' two. The seconds of a run that was stopped and resumed are those since.'
  )
  rows = []
  for run in found.runs:
    stage = run.about['stage']
    more = '> ' if run.about.get('resumed') else ''
    rows.append(
      [
        run.v.title,
        f'{stage["steps"]:,}' if stage else '0',
        f'{_steps(found.config, run.v):,}',
        f'{run.about["parameters"]:,}',
        f'{more}{run.about["seconds"]:,.0f}',
        run.about['device'],
      ]
    )
  yield Table(
    ['run', 'steps', 'in all', 'parameters', 'seconds', 'device'], rows
  )


def _steps(config: Mapping[str, Any], v: Variation) -> int:
  """Steps of a variation and of what it starts from."""
  system = SYSTEMS[v.system]
  before = max((_steps(config, x) for x in system.needs(v)), default=0)
  if not system.stage:
    return before
  return before + config[stages.FIELDS[system.stage]]['steps']

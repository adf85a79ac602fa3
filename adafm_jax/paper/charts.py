"""Figure 5, and systems side by side over the levels."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from adafm_jax.degrade import level as levels
from adafm_jax.paper import tables
from adafm_jax.paper.blocks import Block, Heading, Picture, Table, Text
from adafm_jax.paper.results import FinishedRun, FinishedRuns, Value
from adafm_jax.paper.variation import KERNEL, Variation
from adafm_jax.report import figures

# Systems with two levels, by the names that the figures give them.
SYSTEMS = {
  'adafm': 'AdaFM',
  'hats': 'AdaFM, sets at middle levels',
  'poly': 'AdaFM, polynomial path',
  'interpolate': 'all weights interpolated (DNI)',
  'blend': 'outputs of both ends blended',
  'batch_tuned': 'batch norm, fine-tuned',
  'sft': 'SFT layers',
  'condin': 'conditional instance norm',
  'adabn': 'AdaBN',
}
# Left out of the figure: the first two are so far below that they would make
# all else one line, and there are no more colours for the others.
_NOT_DRAWN = [SYSTEMS[x] for x in ('condin', 'adabn', 'batch_tuned', 'sft')]


def figure5(results: FinishedRuns, folder: pathlib.Path) -> Iterator[Block]:
  """PSNR of held-out images while AdaFM layers of each size learn."""
  yield Heading(2, 'Figure 5: learning the AdaFM layers, by filter size')
  yield Text('PSNR on held-out training images; the paper plots that on Set5.')
  for task, start, end in tables.RANGES:
    series = {}
    for kernel in tables.KERNELS:
      found = results.find(task=task, start=start, end=end, kernel=kernel)
      if found and found[0].learning:
        series[f'{kernel}x{kernel}'] = found[0].learning
    where = f'{tables.TASKS[task]}, {tables.arrow(task, start, end)}'
    if not series:
      yield Text(f'{where}: missing.')
      continue
    path = folder / f'figure5_{task}.png'
    figure, axes = figures.new_figure(
      where, 'steps of the adaptation', 'PSNR (dB), held-out images'
    )
    for i, (name, points) in enumerate(series.items()):
      axes.plot(
        *zip(*points, strict=True),
        marker='.',
        label=name,
        color=figures.COLORS[i],
      )
    figure.legend(loc='outside right upper', frameon=False)
    figures.save(figure, path)
    yield Picture(path, f'{where}: PSNR on held-out images over the steps.')
    if missing := [
      f'{k}x{k}' for k in tables.KERNELS if f'{k}x{k}' not in series
    ]:
      yield Text(f'{where}: {", ".join(missing)} missing.')


def systems(results: FinishedRuns, folder: pathlib.Path) -> Iterator[Block]:
  """Every system that goes from one level to another, level by level."""
  yield Heading(2, 'Beside AdaFM: PSNR over the levels')
  yield Text(
    'Each system at the strength that is best for the level on held-out images;'
    ' PSNR in dB, and in brackets the difference to AdaFM. The basic model of a'
    ' level is trained for it alone, as both ends of the blend are. All others'
    ' but AdaBN learn for the adaptation too, and sets at middle levels and'
    ' polynomial paths for the paths on top: see the steps of all runs, below.'
  )
  yield from tables.protocols(results, tables.TASKS)
  for task, start, end in tables.RANGES:
    for name in tables.sets(results, task):
      yield from _side_by_side(results, task, start, end, name, folder)


def _side_by_side(
  results: FinishedRuns,
  task: str,
  start: float,
  end: float,
  name: str,
  folder: pathlib.Path,
) -> Iterator[Block]:
  runs = [
    run
    for run in results.runs
    if (run.v.task, run.v.start, run.v.end) == (task, start, end)
    and run.v.system in SYSTEMS
    and run.v.identity == _usual(run.v).identity
  ]
  # Figure 7 has AdaFM at more levels: here are those of the others.
  beside = [run for run in runs if run.v.system != 'adafm'] or runs
  middle = {
    row['level'] for run in beside for row in run.rows if row['set'] == name
  }
  where = f'{tables.arrow(task, start, end)}, {tables.set_title(name)}'
  yield Heading(3, where)
  if len(middle) < 3:
    yield Text('Missing.')
    return
  at = sorted(middle, reverse=start > end)
  rows, series = _compare(results, runs, name, at)
  yield Table(['system', *(tables.label(task, x) for x in at)], rows)
  path = folder / f'systems_{task}_{name}.png'
  figures.plot_levels(
    path,
    at,
    series,
    xlabel=levels.TASKS[task].unit,
    title=where,
    ylabel='PSNR above AdaFM (dB)',
    points=('basic model',),
  )
  yield Picture(path, f'{where}: PSNR above AdaFM, by level.')


def _usual(v: Variation) -> Variation:
  """The same with the paper's filters and position; batch norm is 1x1."""
  kernel = 1 if v.system == 'batch_tuned' else KERNEL[v.task]
  return v.but(kernel=kernel, placement='block')


def _compare(
  results: FinishedRuns,
  runs: Sequence[FinishedRun],
  name: str,
  at: Sequence[float],
) -> tuple[list[list[str]], dict[str, list[float]]]:
  """Rows of the table, and differences to AdaFM for the figure."""
  task, start, end = runs[0].v.task, runs[0].v.start, runs[0].v.end
  first = Variation(task=task, start=start, end=end).identity
  del first['seed']
  ours = [results.psnr(name, x, **first) for x in at]
  basic = {k: x for k, x in first.items() if k not in ('system', 'start')}
  basic |= {'end': None, 'system': 'basic'}
  found = {'basic model': [results.psnr(name, x, start=x, **basic) for x in at]}
  for system, called in SYSTEMS.items():
    made = [run.v for run in runs if run.v.system == system]
    if not made:
      found[called] = [Value({})] * len(at)
    for v in sorted(made, key=lambda v: v.bends):
      title = called + (f' ({v.bends})' if v.bends else '')
      fields = dataclasses.asdict(v)
      del fields['seed'], fields['levels']
      found[title] = [results.psnr(name, x, **fields) for x in at]
  rows, series = [], {}
  for title, values in found.items():
    apart = [a.minus(b) for a, b in zip(values, ours, strict=True)]
    rows.append(
      [
        title,
        *(
          x.text()
          if title == 'AdaFM' or d.mean is None
          else f'{x.text()} ({d.text(sign="+")})'
          for x, d in zip(values, apart, strict=True)
        ),
      ]
    )
    if title not in _NOT_DRAWN:
      series[title] = [np.nan if d.mean is None else d.mean for d in apart]
  return rows, series

"""Figure 7: the best strength of each level, and the distance there."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.model_file import curve as curves
from adafm_jax.paper import numbers, tables
from adafm_jax.paper.blocks import Block, Heading, Picture, Table, Text
from adafm_jax.paper.results import FinishedRun, FinishedRuns, Value
from adafm_jax.report import figures

# {level: (best strength, distance)} of the paper.
Published = Mapping[float, tuple[float, float]]
_RANGES = (('dejpeg', 80, 10), ('dejpeg', 80, 40), ('denoise', 15, 75))


def figure7(results: FinishedRuns, folder: pathlib.Path) -> Iterator[Block]:
  """Curves of strength by level, and the distances, of every range."""
  yield Heading(2, 'Figure 7: strength by level, and the distance there')
  yield Text(
    'The best strength is found on held-out training images (the paper: on the'
    ' test set), and the curves are fitted to it. Ours are 0 and 1 at the ends'
    " and monotone; the paper's cubic need not be. The distance is the PSNR of"
    ' a basic model, trained for the level alone, minus that of AdaFM-Net at'
    ' its best strength, dB. Cells with three numbers: ours / paper /'
    ' difference.'
  )
  yield from tables.protocols(results, ('dejpeg', 'denoise'))
  for task, start, end in _RANGES:
    found = results.find(task=task, start=start, end=end)
    where = f'{tables.TASKS[task]}, {tables.arrow(task, start, end)}'
    paper = numbers.MODULATED.get((start, end), {}) if task == 'dejpeg' else {}
    yield Heading(3, where)
    if not found:
      yield Text('Missing.')
    else:
      yield from _curve(found[0], where, paper, folder)
    if (start, end) == (80, 10):
      yield Text(f"The paper's fit is {numbers.CUBIC}.")
    at = _levels(results, task, start, end, paper)
    for name in tables.sets(results, task):
      theirs = paper if name == 'live1' else {}
      yield Text(f'{tables.set_title(name)}:')
      yield from _distances(results, task, (start, end), name, at, theirs)
      yield from _bars(results, task, (start, end), name, at, theirs, folder)


def _levels(results, task, start, end, paper: Published) -> list[float]:
  """All levels of a range that were measured, or are in the paper."""
  found = results.find(task=task, start=start, end=end)
  middle = {row['level'] for run in found for row in run.rows}
  return sorted({start, end, *middle, *paper}, reverse=start > end)


def _distances(
  results, task, ends, name, at: Sequence[float], paper: Published
) -> Iterator[Block]:
  rows = []
  for level in at:
    found = results.rows(name, level, task=task, start=ends[0], end=ends[1])
    best = Value({s: row['strength'] for s, row in found.items()})
    alone, ours, apart = tables.adapted_values(results, task, name, ends, level)
    theirs = paper.get(level, (None, None))
    rows.append(
      [
        tables.label(task, level),
        tables.cell(best, theirs[0]),
        alone.text(),
        ours.text(),
        tables.cell(apart, theirs[1]),
      ]
    )
  yield Table(['level', 'best strength', 'baseline', 'AdaFM', 'distance'], rows)


def _bars(
  results, task, ends, name, at, paper: Published, folder: pathlib.Path
) -> Iterator[Block]:
  """The distances as bars, the paper's beside them."""
  ours = [
    tables.adapted_values(results, task, name, ends, level)[2] for level in at
  ]
  if all(x.mean is None for x in ours):
    return
  where = f'{tables.arrow(task, *ends)}, {tables.set_title(name)}'
  unit = levels.TASKS[task].unit
  figure, axes = figures.new_figure(where, unit, 'distance (dB)')
  places = np.arange(len(at))
  heights = [np.nan if x.mean is None else x.mean for x in ours]
  series = [('here', heights, [x.spread or 0.0 for x in ours])]
  if paper:
    theirs = [paper.get(level, (0, np.nan))[1] for level in at]
    series.append(('paper', theirs, [0.0] * len(at)))
  width = 0.8 / len(series)
  for i, (label, heights, errors) in enumerate(series):
    axes.bar(
      places + (i - (len(series) - 1) / 2) * width,
      heights,
      width,
      yerr=errors if any(errors) else None,
      color=figures.COLORS[i],
      label=label,
    )
  axes.set_xticks(places, [f'{level:g}' for level in at])
  figure.legend(loc='outside right upper', frameon=False)
  path = folder / f'figure7_{task}_{ends[0]}_{ends[1]}_{name}.png'
  figures.save(figure, path)
  yield Picture(path, f'{where}: distance to a network of each level.')


def _curve(
  run: FinishedRun, where: str, paper: Published, folder: pathlib.Path
) -> Iterator[Block]:
  """The fitted cubic and line over the best strengths."""
  v = run.v
  assert v.end is not None
  points = {row['level']: row['strength'] for row in run.rows}
  if not set(points) - {v.start, v.end}:
    yield Text('No middle level is measured yet.')
    return
  x, y = np.transpose(sorted(points.items()))
  made = []
  for order in (3, 1):
    try:
      made.append(curves.fit(x, y, v.start, v.end, order=order))
    except UserError:
      continue  # too few levels for a cubic
  path = folder / f'figure7_{v.task}_{v.start:g}_{v.end:g}.png'
  unit = levels.TASKS[v.task].unit
  theirs = {level: strength for level, (strength, _) in paper.items()}
  figures.plot_curve(path, made, unit_label=unit, title=where, published=theirs)
  apart = [np.abs(curve.strength(x) - y).max() for curve in made]
  fits = [
    f'{curve.formula()} (off by {most:.2f} at most)'
    for curve, most in zip(made, apart, strict=True)
  ]
  yield Picture(
    path, f'Best strength of each level and its fits: {"; ".join(fits)}.'
  )

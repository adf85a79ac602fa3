"""Figures 3 and 6: filters of two levels, and images at many strengths."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterator

import numpy as np
import safetensors.numpy

from adafm_jax.paper import charts, measure, numbers, observation, tables
from adafm_jax.paper.blocks import Block, Heading, Picture, Table, Text
from adafm_jax.paper.results import FinishedRun, FinishedRuns, Value
from adafm_jax.report import figures

_SHOWN = 16  # filters in the picture
_SAME = {'task': 'denoise', 'channels': 1}
_FITS = (1, 3, 5)
_SWEPT = ('adafm', 'adabn', 'condin')


def figure6(results: FinishedRuns, folder: pathlib.Path) -> Iterator[Block]:
  """One image at many strengths, by AdaFM and by normalisation."""
  yield Heading(2, 'Figure 6: one image at many strengths')
  drawn = [
    (run, path)
    for run in results.runs
    for path in sorted(run.path.glob(measure.PICTURES))
  ]
  there = {(run.v.task, run.v.system) for run, _ in drawn}
  if missing := [
    f'{tables.TASKS[task]} by {charts.SYSTEMS[system]}'
    for task, *_ in tables.RANGES
    for system in _SWEPT
    if (task, system) not in there
  ]:
    yield Text(f'Missing: {", ".join(missing)}.')
  for run, drawing in drawn:
    path = folder / f'figure6_{run.path.name}_{drawing.name}'
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(drawing, path)
    level = float(drawing.stem.partition('_')[2])
    label = tables.label(run.v.task, level)
    yield Picture(path, f'{run.v.title}, an image of {label}.', wide=True)


def observation1(
  results: FinishedRuns, folder: pathlib.Path
) -> Iterator[Block]:
  """Filters for sigma 15 and 50, and what lies between them."""
  yield Heading(2, 'Observation 1 and Figure 3: filters of two levels')
  start = results.find(system='arcnn', start=15, **_SAME)
  end = results.find(system='arcnn_further', start=15, end=50, **_SAME)
  fits = {
    k: results.find(system='arcnn_fit', start=15, end=50, kernel=k, **_SAME)
    for k in _FITS
  }
  yield Text(
    'ARCNN for sigma 15 on luma, and fine-tuned for sigma 50. The distance is'
    ' the mean of 1 - cosine over the filters of a layer.'
  )
  yield _distances(start, end)
  yield from _fits(results)
  by_seed = [{run.v.seed: run for run in x} for x in (start, end, fits[5])]
  if common := set.intersection(*map(set, by_seed)):
    path = folder / 'figure3.png'
    _draw(path, *(_weights(runs[min(common)]) for runs in by_seed))
    yield Picture(
      path,
      f'The first {_SHOWN} filters of the first layer for sigma 15 (top), the'
      ' 5x5 filters g (middle), and the filters for sigma 50 (bottom).',
    )


def _weights(run: FinishedRun) -> dict[str, np.ndarray]:
  return safetensors.numpy.load_file(run.path / 'weights.safetensors')


def _distances(start: list[FinishedRun], end: list[FinishedRun]) -> Table:
  """Cosine distances of every layer."""
  ends = {run.v.seed: _weights(run) for run in end}
  pairs = [(r.v.seed, _weights(r)) for r in start if r.v.seed in ends]
  rows = []
  for layer in range(1, 5):
    name = f'conv_{layer}/kernel'
    found = {
      seed: observation.cosine_distance(ours[name], ends[seed][name])
      for seed, ours in pairs
    }
    paper = numbers.COSINE if layer == 1 else None
    rows.append([f'layer {layer}', tables.cell(Value(found), paper)])
  return Table(['filters', 'ours / paper / difference'], rows)


def _fits(results: FinishedRuns) -> Iterator[Block]:
  yield Text(
    'PSNR at sigma 50 of the network for sigma 15 with a depthwise filter g'
    ' behind each convolution, fitted by least squares to the convolutions of'
    ' the network for sigma 50 (equation 1). Measured on luma.'
  )
  two = {'start': 15, 'end': 50, **_SAME}
  rows = []
  for name in tables.sets(results, 'denoise'):
    found = [results.psnr(name, 50, system='arcnn', start=15, **_SAME)]
    found += [
      results.psnr(name, 50, system='arcnn_fit', kernel=k, **two) for k in _FITS
    ]
    found.append(results.psnr(name, 50, system='arcnn_further', **two))
    rows.append([tables.set_title(name), *(x.text() for x in found)])
  yield Table(
    ['set', 'sigma 15', *(f'g of {k}x{k}' for k in _FITS), 'sigma 50'], rows
  )


def _draw(path: pathlib.Path, start, end, fitted) -> None:
  """The filters, each in the grey scale of its own largest weight."""
  g = fitted['adafm_1/kernel'][:, :, 0].copy()
  g[g.shape[0] // 2, g.shape[1] // 2] += 1  # it holds g - I
  first = 'conv_1/kernel'
  rows = (start[first].mean(2), g, end[first].mean(2))
  count = min(_SHOWN, g.shape[-1])
  figure, axes = figures.new_figure('Filters for sigma 15, g, sigma 50', '', '')
  axes.set_axis_off()
  for i, filters in enumerate(rows):
    for j in range(count):
      place = (j / count, (2 - i) / 3.2, 0.9 / count, 0.28)
      inset = axes.inset_axes(place)
      most = np.abs(filters[..., j]).max() or 1.0
      inset.imshow(filters[..., j], cmap='gray', vmin=-most, vmax=most)
      inset.set_axis_off()
  figures.save(figure, path)

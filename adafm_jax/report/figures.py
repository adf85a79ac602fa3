"""Figures of a report: lambda curves, PSNR against lambda, PSNR against level.

Each function draws with matplotlib's object interface (no display, no global
state), writes a PNG or SVG, whole or not at all, and returns the figure.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.model_file.curve import Curve, Values

# Okabe and Ito's colours, which colour-blind readers can distinguish; without
# yellow, which is too pale on white.
COLORS = (
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#56B4E9',
  '#E69F00',
  '#000000',
)
MARKERS = 'osD^vPX'
_INK = '0.2'  # colour of points that belong to several curves
DPI = 150
MAX_LABELLED = 12
_HALO = (patheffects.withStroke(linewidth=3, foreground='white'),)


def plot_curve(
  path: str | os.PathLike[str],
  curves: Sequence[Curve],
  *,
  unit_label: str,
  title: str,
  published: Mapping[float, float] | None = None,
) -> Figure:
  """Draws fitted curves over their measured points (paper Figure 7, top).

  Args:
    path: the file to write, .png or .svg.
    curves: at least one; the start of the first is at the left.
    unit_label: what the level is, e.g. 'JPEG quality q'.
    title: above the figure.
    published: the paper's strengths by level, drawn as crosses.

  Returns:
    The figure. For each curve its axes hold the line, the measured points and
    the fixed ends; if all curves share them, points and ends come once, last.

  Raises:
    UserError: the suffix is another, or the file can't be written.
  """
  figure, axes = new_figure(title, unit_label, 'strength λ')
  mean = [np.mean(c.strength(np.linspace(c.start, c.end))) for c in curves]
  written: set[tuple[float, float]] = set()
  measured = {(c.start, c.end, c.levels, c.strengths) for c in curves}
  shared = len(curves) > 1 and len(measured) == 1
  for i, curve in enumerate(curves):
    color = COLORS[i % len(COLORS)]
    _draw_line(axes, curve, color)
    if shared and i < len(curves) - 1:
      continue
    color = _INK if shared else color
    _draw_points(axes, curve, color, MARKERS[0 if shared else i % len(MARKERS)])
    # A rising curve leaves room above left and below right of each point.
    # Write the value of a point once, even if two curves share it.
    for point in zip(curve.levels, curve.strengths, strict=True):
      if point not in written:
        above = shared or mean[i] == max(mean)
        _write_strength(axes, point, above=above, color=color)
        written.add(point)
  _level_axis(axes, sorted({x for c in curves for x in (*c.levels, c.end)}))
  axes.set_ylim(-0.14, 1.14)
  axes.margins(x=0.08)
  if curves[0].start > curves[0].end:
    axes.invert_xaxis()
  if published:
    points = zip(*published.items(), strict=True)
    axes.plot(*points, 'x', color=COLORS[3], label='paper')
  # The legend fills column by column: one curve a column, or one row.
  columns = 3 if shared or len(curves) == 1 else len(curves)
  figure.legend(loc='outside lower center', ncols=columns, frameon=False)
  return save(figure, path)


def plot_psnr(
  path: str | os.PathLike[str],
  strengths: Values,
  series: Mapping[str, Values],
  *,
  title: str,
  written: files.Written | None = None,
) -> Figure:
  """Draws PSNR against strength, one line per level or image.

  The best point of each line has a ring. Up to 12 lines have names. If there
  are more, they are thin and grey, and only their mean has a name.

  Args:
    path: the file to write, .png or .svg.
    strengths: [N] the grid, in [0, 1].
    series: name to [N] PSNR in dB.
    title: above the figure.
    written: see `files.atomic_path`.

  Returns:
    The figure. For each series its axes hold the line and the best point.

  Raises:
    UserError: the suffix is another, or the file can't be written.
  """
  figure, axes = new_figure(title, 'strength λ', 'PSNR (dB)')
  if len(series) > MAX_LABELLED:
    for values in series.values():
      _line_with_best(axes, strengths, values, color='0.7', linewidth=0.8)
    mean = np.stack(list(series.values())).mean(axis=0)
    label = f'mean of {len(series)}'
    _line_with_best(
      axes, strengths, mean, color=COLORS[0], linewidth=2.5, label=label
    )
  else:
    # Levels have an order, so a scale from dark to light, short of yellow.
    shades = mpl.colormaps['viridis'](np.linspace(0, 0.85, len(series)))
    for i, (name, values) in enumerate(series.items()):
      marker = MARKERS[i % len(MARKERS)]
      _line_with_best(
        axes,
        strengths,
        values,
        color=shades[i],
        marker=marker,
        label=_plain(name),
      )
  axes.set_xlim(-0.03, 1.03)
  _legend_right(figure, 'ring: best λ')
  return save(figure, path, written)


def plot_levels(
  path: str | os.PathLike[str],
  levels: Values,
  series: Mapping[str, Values],
  *,
  xlabel: str,
  title: str,
  ylabel: str = 'PSNR (dB)',
  points: Collection[str] = (),
) -> Figure:
  """Draws PSNR against the level for several methods.

  Args:
    path: the file to write, .png or .svg.
    levels: [N] in the order start to end, drawn left to right.
    series: method to [N] PSNR in dB; NaN leaves a gap.
    xlabel: what the level is, e.g. 'noise sigma (of 255)'.
    title: above the figure.
    ylabel: of the vertical axis.
    points: methods drawn without a line: each level has its own network.

  Returns:
    The figure, with one line per method on its axes.

  Raises:
    UserError: the suffix is another, or the file can't be written.
  """
  figure, axes = new_figure(title, xlabel, ylabel)
  for i, (name, values) in enumerate(series.items()):
    dashes = ('-', '--', ':')[i % 3]  # equal lines show both colours
    axes.plot(
      levels,
      values,
      color=COLORS[i % len(COLORS)],
      marker=MARKERS[i % len(MARKERS)],
      linestyle='none' if name in points else dashes,
      markersize=5,
      label=name,
    )
  _level_axis(axes, sorted(set(levels)))
  if levels[0] > levels[-1]:
    axes.invert_xaxis()
  _legend_right(figure, None)
  return save(figure, path)


def new_figure(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
  """An empty figure in the style of this module."""
  figure = Figure(figsize=(7.2, 4.5), dpi=DPI, layout='constrained')
  FigureCanvasAgg(figure)
  axes = figure.add_subplot()
  axes.set_title(title)
  axes.set_xlabel(xlabel)
  axes.set_ylabel(ylabel)
  axes.grid(color='0.9')
  axes.set_axisbelow(True)
  axes.spines[['top', 'right']].set_visible(False)
  return figure, axes


def _draw_line(axes: Axes, curve: Curve, color: str) -> None:
  levels = np.linspace(curve.start, curve.end, 401)
  label = f'{curve.start:g} → {curve.end:g}, {_kind(curve)}'
  axes.plot(levels, curve.strength(levels), color=color, label=label)


def _draw_points(axes: Axes, curve: Curve, color: str, marker: str) -> None:
  points: dict[str, Any] = {'color': color, 'linestyle': 'none'}
  axes.plot(
    curve.levels, curve.strengths, marker=marker, label='measured', **points
  )
  axes.plot(
    [curve.start, curve.end],
    [0.0, 1.0],
    marker='s',
    markersize=11,
    fillstyle='none',
    label='fixed ends',
    **points,
  )


def _write_strength(
  axes: Axes, point: tuple[float, float], *, above: bool, color: str
) -> None:
  axes.annotate(
    f'{point[1]:.2f}',
    point,
    xytext=(-5, 7) if above else (6, -8),
    textcoords='offset points',
    ha='right' if above else 'left',
    va='bottom' if above else 'top',
    color=color,
    path_effects=_HALO,
  )


def _plain(name: str) -> str:
  """A file name as a label, safe from matplotlib's '$' and leading '_'."""
  name = name.replace('$', r'\$')
  return f' {name}' if name.startswith('_') else name


def _line_with_best(axes: Axes, strengths, values, *, color, **style) -> None:
  axes.plot(strengths, values, color=color, markersize=4, **style)
  best = int(np.argmax(values))
  axes.plot(
    [strengths[best]],
    [values[best]],
    linestyle='none',
    marker='o',
    markersize=10,
    fillstyle='none',
    color=color,
  )


def _level_axis(axes: Axes, levels: Sequence[float]) -> None:
  """Puts a tick at every level, if there are few levels."""
  if len(levels) <= MAX_LABELLED:
    axes.set_xticks(levels, [f'{level:g}' for level in levels])


def _legend_right(figure: Figure, title: str | None) -> None:
  figure.legend(loc='outside right upper', frameon=False, title=title)


def _kind(curve: Curve) -> str:
  names = {1: 'straight line', 2: 'quadratic', 3: 'cubic'}
  if curve.order is None:
    return 'piecewise linear'
  return names.get(curve.order, f'polynomial of order {curve.order}')


def save(
  figure: Figure,
  path: str | os.PathLike[str],
  written: files.Written | None = None,
) -> Figure:
  """Writes a figure, .png or .svg, see `files.atomic_path`."""
  suffix = pathlib.Path(path).suffix.lower()
  if suffix not in ('.png', '.svg'):
    raise UserError(f'A figure must be a .png or .svg file, got {path}.')
  # No date and fixed identifiers: the same figure is the same file.
  metadata = {'Date': None} if suffix == '.svg' else None
  with (
    mpl.rc_context({'svg.hashsalt': 'adafm_jax'}),
    files.atomic_path(path, written) as temporary,
  ):
    figure.savefig(temporary, dpi=DPI, metadata=metadata)
  return figure

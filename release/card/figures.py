"""The figures of a card: PSNR over the levels, and gains over one method."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from adafm_jax.degrade import level as levels
from adafm_jax.report import figures
from release.card import results as card_results
from release.card.results import Results


def names(name: str, results: Results) -> dict[str, str]:
  """The file of each figure, with a caption."""
  found = {f'{name}_levels.png': 'PSNR of every method over the levels'}
  if len(close := _close(results)) > 1:
    found[f'{name}_gains.png'] = _gain(results, close[0])
  return found


def write(name: str, results: Results, folder: pathlib.Path) -> list[Figure]:
  """Writes the figures of the set and protocol of `Results.main`.

  Args:
    name: of the model.
    results: of the model.
    folder: to write to, under the names of `names`.

  Returns:
    The figures, with one line per method each.
  """
  set_name, _, by_level = results.main()
  titles = results.titles
  options = {
    'xlabel': levels.TASKS[results.task].unit,
    'title': card_results.part_title(results, set_name, by_level),
  }
  here = [
    m for m in card_results.ORDER if any(m in row for row in by_level.values())
  ]
  series = {titles[m]: _values(by_level, m) for m in here}
  points = (titles['dedicated'],)
  wanted = list(by_level)
  made = [
    figures.plot_levels(
      folder / f'{name}_levels.png', wanted, series, points=points, **options
    )
  ]
  if len(close := _close(results)) > 1:
    base = _values(by_level, close[0])
    gains = {
      titles[m]: [
        y - y0 for y, y0 in zip(_values(by_level, m), base, strict=True)
      ]
      for m in close
    }
    made.append(
      figures.plot_levels(
        folder / f'{name}_gains.png',
        wanted,
        gains,
        points=points,
        ylabel=f'{_gain(results, close[0])} (dB)',
        **options,
      )
    )
  return made


def _gain(results: Results, method: str) -> str:
  titles = results.titles | {'line': 'the straight path'}
  return f'Gain over {titles[method]}'


def _close(results: Results) -> list[str]:
  """Methods so close to the first that only a difference shows them."""
  by_level = results.main()[2]
  return [
    m
    for m in ('line', 'peer', 'bent', 'dedicated')
    if any(m in row for row in by_level.values())
  ]


def _values(by_level: Mapping[float, Mapping[str, Any]], method: str):
  """PSNR at each level; NaN where there is none."""
  missing = {'psnr': float('nan')}
  return [row.get(method, missing)['psnr'] for row in by_level.values()]

"""The results of a run: tables, JSON, curves and contact sheets."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from adafm_jax import files
from adafm_jax.calibrate import measure
from adafm_jax.degrade import level as levels
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case, Protocol
from adafm_jax.evaluate.scores import Score
from adafm_jax.images import eight_bit as images
from adafm_jax.report import figures, sheet, tables

_HEADER = (
  'set',
  'level',
  'input',
  'strength 0',
  'strength 1',
  'curve',
  'its strength',
  'SSIM input',
  'SSIM curve',
)
_DECIMALS = (0, 0, 2, 2, 2, 2, 3, 4, 4)


def score_tables(
  scores: Sequence[Score], task: str
) -> list[tuple[str, list[list[Any]]]]:
  """Scores as (protocol, rows) with the columns of `_HEADER`."""
  label = levels.TASKS[task].label
  grouped: dict[str, dict[tuple[str, float], dict[str, Score]]] = {}
  for score in scores:
    rows = grouped.setdefault(score.protocol, {})
    rows.setdefault((score.set, score.level), {})[score.method] = score
  return [
    (
      protocol,
      [
        [
          name,
          label(level),
          *(by[m].psnr for m in ('input', 'start', 'end', 'curve')),
          by['curve'].strength,
          by['input'].ssim,
          by['curve'].ssim,
        ]
        for (name, level), by in rows.items()
      ],
    )
    for protocol, rows in grouped.items()
  ]


def text(scores: Sequence[Score], task: str, *, markdown: bool) -> str:
  """The results for the screen, or as Markdown."""
  make = tables.markdown_table if markdown else tables.text_table
  parts = []
  for protocol, rows in score_tables(scores, task):
    table = make(_HEADER, rows, decimals=_DECIMALS)
    title = f'PSNR (dB) and SSIM; {protocol}; mean over the images.'
    parts.append(f'{title}\n\n{table}')
  return '\n\n'.join(parts) + '\n'


def to_json(
  scores: Sequence[Score], measurements: Sequence[measure.Measurement]
) -> dict[str, Any]:
  """All numbers, also those of each image, as JSON values."""
  return {
    'scores': [dataclasses.asdict(score) for score in scores],
    'calibration': [
      {
        'level': m.level,
        'best_strength': m.best,
        'strengths': m.strengths.tolist(),
        'psnr': m.psnr.tolist(),
      }
      for m in measurements
    ],
  }


def write_curve(
  path: pathlib.Path, calibration: measure.Calibration, task: str
) -> None:
  """Plots lambda curves over the measured points, as the paper's Figure 7."""
  curves = [calibration.polynomial, calibration.line, calibration.piecewise]
  if calibration.polynomial == calibration.line:
    del curves[0]
  figures.plot_curve(
    path,
    curves,
    unit_label=levels.TASKS[task].unit,
    title='Best strength of each level',
  )


def write_levels(
  path: pathlib.Path, scores: Sequence[Score], task: str, name: str
) -> None:
  """Plots PSNR over the levels of one set: input, both ends, and the curve."""
  protocol = scores[0].protocol
  chosen = [s for s in scores if s.set == name and s.protocol == protocol]
  titles = {
    'input': 'input',
    'start': 'strength 0',
    'end': 'strength 1',
    'curve': 'strength by the curve',
  }
  figures.plot_levels(
    path,
    list(dict.fromkeys(s.level for s in chosen)),
    {
      title: [s.psnr for s in chosen if s.method == method]
      for method, title in titles.items()
    },
    xlabel=levels.TASKS[task].unit,
    title=f'{name}: {protocol}',
  )


def write_sweep(
  path: pathlib.Path,
  cases: Sequence[Case],
  outputs: Sequence[np.ndarray],
  strengths: Sequence[float],
  *,
  title: str,
  protocol: Protocol,
  level: float,
  detail: int = 160,
) -> None:
  """Writes a contact sheet, unscaled: input, every strength, original.

  Args:
    path: of the PNG.
    cases: one row each.
    outputs: uint8 [L, H, W, C] of each case.
    strengths: [L].
    title: at the top.
    protocol: channels and border of the PSNR under each picture.
    level: of the cases.
    detail: side of the window that is shown, pixels.
  """
  rows = []
  for case, restored in zip(cases, outputs, strict=True):
    window = sheet.crop_detail(case.clean, detail)

    def cell(picture, clean=case.clean, window=window):
      psnr = metrics.psnr(
        clean,
        picture,
        border=protocol.border(level),
        channels=protocol.channels,
      )
      return sheet.Cell(picture[window], f'{psnr:.2f} dB')

    rows.append(
      [
        cell(images.to_uint8(case.degraded)),
        *(cell(picture) for picture in restored),
        sheet.Cell(case.clean[window], case.name),
      ]
    )
  columns = ['input', *(f'strength {s:g}' for s in strengths), 'original']
  picture = sheet.contact_sheet(rows, title=title, column_captions=columns)
  images.write_png(path, np.asarray(picture))


def write_tables(
  folder: pathlib.Path,
  scores: Sequence[Score],
  measurements: Sequence[measure.Measurement],
  task: str,
) -> None:
  """Writes metrics.json and metrics.md."""
  files.write_json(folder / 'metrics.json', to_json(scores, measurements))
  files.write_text(folder / 'metrics.md', text(scores, task, markdown=True))

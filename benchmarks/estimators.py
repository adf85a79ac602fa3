"""Measures how well noise sigma and JPEG quality are estimated.

  python benchmarks/estimators.py CBSD68 Set14 --json estimators.json

Each image of the folders is degraded at known levels (noise clipped and rounded
to 8 bits; JPEG 4:2:0, decoded, so that its tables are lost), and the level is
estimated. Images are split into a flat and a textured half by the mean gradient
of their luma.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax import files
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.degrade.jpeg import jpeg
from adafm_jax.errors import entry_point
from adafm_jax.estimate import level as estimate
from adafm_jax.images import eight_bit as images
from adafm_jax.images import folder as folders
from adafm_jax.images.photo import Photo

# (first quality, second quality, pixels cropped in between)
_TWICE = ((20, 80, 0), (20, 80, 3), (30, 95, 0), (30, 95, 5), (70, 90, 4))


class Trial(NamedTuple):
  """One image at one level: the estimates of ours and of the baseline."""

  folder: str
  name: str
  texture: float
  task: str
  level: str
  truth: float
  estimated: float
  baseline: float | None
  seconds: float


def texture(image: np.ndarray) -> float:
  """Mean absolute gradient of luma, in 0..255 units."""
  luma = image.astype(np.float64).mean(axis=-1)
  across, down = np.diff(luma, axis=1), np.diff(luma, axis=0)
  return float((np.abs(across).mean() + np.abs(down).mean()) / 2)


def haar_mad(pixels: np.ndarray) -> float:
  """The usual baseline: median of diagonal Haar details (Donoho, 1994)."""
  height, width = (n // 2 * 2 for n in pixels.shape[:2])
  even = pixels[:height, :width] * 255.0
  detail = even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]
  return float(np.median(np.abs(detail / 2)) / 0.6745)


def measure(
  path: pathlib.Path, sigmas: Sequence[float], qualities: Sequence[float]
) -> list[Trial]:
  """Estimates every level of one image."""
  image, cases = images.read(path), []
  about = (path.parent.name, path.name, texture(image))

  def add(task, label, truth, run, baseline=None):
    begin = time.perf_counter()
    value = run()
    seconds = time.perf_counter() - begin
    cases.append(Trial(*about, task, label, truth, value, baseline, seconds))

  noise = Degradation('denoise')
  for sigma in sigmas:
    noisy = noise.apply(image, sigma, name=path.name)
    run = functools.partial(estimate.estimate_sigma, noisy)
    add('sigma', f'{sigma:g}', sigma, run, haar_mad(noisy))

  def quality_of(pixels):
    pixels = (pixels / 255).astype(np.float32)
    return lambda: estimate.estimate_quality(Photo(pixels)).value

  for quality in qualities:
    run = quality_of(jpeg(image, quality))
    add('quality', f'{quality:g}', quality, run)
  for first, second, crop in _TWICE if qualities else ():
    twice = jpeg(jpeg(image, first)[crop:, crop:], second)
    label = f'{first} then {second}, shifted by {crop}'
    add('twice', label, first, quality_of(twice))
  return cases


def summary(cases: Sequence[Trial]) -> list[dict]:
  """A row for each folder, task, level and half of the images."""
  rows = []
  for folder in dict.fromkeys(case.folder for case in cases):
    inside = [case for case in cases if case.folder == folder]
    middle = np.median([case.texture for case in inside])
    for task, label in dict.fromkeys((c.task, c.level) for c in inside):
      level = [c for c in inside if (c.task, c.level) == (task, label)]
      flat = [c for c in level if c.texture <= middle]
      textured = [c for c in level if c.texture > middle]
      for half, chosen in (('all', level), ('flat', flat), ('tex', textured)):
        if chosen:
          row = {'folder': folder, 'task': task, 'level': label, 'half': half}
          rows.append(row | _errors(chosen))
  return rows


def _errors(cases: Sequence[Trial]) -> dict[str, float | None]:
  errors = np.array([case.estimated - case.truth for case in cases])
  baseline = [c.baseline - c.truth for c in cases if c.baseline is not None]
  return {
    'images': len(cases),
    'bias': float(errors.mean()),
    'rms': float(np.sqrt(np.mean(errors**2))),
    'largest': float(np.abs(errors).max()),
    'within_1': float(np.mean(np.abs(errors) <= 1)),
    'baseline_rms': float(np.sqrt(np.mean(np.square(baseline))))
    if baseline
    else None,
    'seconds': float(np.mean([case.seconds for case in cases])),
  }


def table(rows: Sequence[dict], folder: str, task: str) -> str:
  """A Markdown table, one row per level."""
  chosen = [r for r in rows if (r['folder'], r['task']) == (folder, task)]
  halves = {(row['level'], row['half']): row for row in chosen}
  sigma = task == 'sigma'
  names = [task, 'bias', 'RMS', 'flat', 'textured', 'largest']
  names += ['Haar MAD, RMS' if sigma else 'within 1']
  lines = ['| ' + ' | '.join(names) + ' |', '| ---: ' * len(names) + '|']
  for label in dict.fromkeys(row['level'] for row in chosen):
    whole = halves[label, 'all']
    cells = [label, f'{whole["bias"]:+.2f}', f'{whole["rms"]:.2f}']
    for half in ('flat', 'tex'):
      row = halves.get((label, half))
      cells.append(f'{row["rms"]:.2f}' if row else '')
    cells.append(f'{whole["largest"]:.1f}')
    cells.append(
      f'{whole["baseline_rms"]:.2f}' if sigma else f'{whole["within_1"]:.0%}'
    )
    lines.append('| ' + ' | '.join(cells) + ' |')
  seconds = np.mean([halves[label, 'all']['seconds'] for label, _ in halves])
  lines.append(f'\n{whole["images"]} images, {seconds:.2f} s each.')
  return '\n'.join(lines)


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """Prints a table for each folder and task."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('folders', nargs='+', type=pathlib.Path)
  parser.add_argument('--sigmas', default='5:80:5', help="'' for none")
  parser.add_argument('--qualities', default='5:95:10', help="'' for none")
  parser.add_argument('--json', type=pathlib.Path, help='also write the rows')
  parser.add_argument('--jobs', type=int, default=1, help='processes')
  options = parser.parse_args(argv)
  sigmas, qualities = (
    levels.parse_values(text) if text else []
    for text in (options.sigmas, options.qualities)
  )
  paths = [
    path for folder in options.folders for path in folders.find_images(folder)
  ]
  cases: list[Trial] = []
  with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
    jobs = [pool.submit(measure, path, sigmas, qualities) for path in paths]
    for i, job in enumerate(jobs):
      cases += job.result()
      print(f'\r{i + 1} of {len(jobs)} images', end='', file=sys.stderr)
  print(file=sys.stderr)
  rows = summary(cases)
  for folder, task in dict.fromkeys((r['folder'], r['task']) for r in rows):
    print(f'\n{folder}, {task}\n\n{table(rows, folder, task)}')
  if options.json:
    files.write_json(options.json, rows)


if __name__ == '__main__':
  sys.exit(main())

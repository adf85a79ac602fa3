"""Plots time against image size, number of strengths and tile size.

  python -m benchmarks.scaling --plot docs/scaling.png

--output also writes the times as JSON.
"""

from __future__ import annotations

import argparse
import functools
import pathlib

import matplotlib as mpl
import numpy as np

from adafm_jax import files
from adafm_jax.engine import tiles as tiling
from adafm_jax.engine.run import Network
from adafm_jax.models.architecture import Architecture
from benchmarks import speed, timing

SIZES = (128, 256, 384, 512, 768, 1024)
COUNTS = (1, 2, 4, 8, 11)
SIDES = (64, 128, 256, 512)
TILED = 1024  # side of the image for which tile sizes are compared


def by_size(arch, params, repeats):
  """Seconds of one strength, whole image and 256-pixel tiles."""
  rows = {'whole': {}, 'tiles of 256': {}}
  network = Network(arch, params, memory=2**40)
  for size in SIZES:
    image = speed.make_image(size)
    functions = {
      'whole': functools.partial(network.restore, image, 0.5),
      'tiles of 256': speed.tiled(arch, params, size),
    }
    for name, seconds in timing.interleaved(functions, repeats).items():
      rows[name][size] = seconds
  return rows


def by_count(arch, params, repeats):
  """Seconds of a sweep of a 256 x 256 image, by its number of strengths."""
  image = speed.make_image(256)
  network = Network(arch, params, memory=2**31)

  def sweep(count):
    return list(network.sweep(image, np.linspace(0, 1, count)))

  functions = {str(n): functools.partial(sweep, n) for n in COUNTS}
  found = timing.interleaved(functions, repeats)
  return {'sweep': {int(n): seconds for n, seconds in found.items()}}


def by_tile(arch, params, repeats):
  """Seconds of one large image, by the side of its tiles."""
  image = speed.make_image(TILED)
  functions = {}
  for side in SIDES:
    tiles, out = tiling.make_tiler(arch, side), np.empty_like(image)
    functions[str(side)] = functools.partial(
      tiling.restore, tiles, params, image, 0.5, out
    )
  found = timing.interleaved(functions, repeats)
  return {'tiles': {int(n): seconds for n, seconds in found.items()}}


def plot(path: pathlib.Path, parts, title: str) -> None:
  """Three panels: size, strengths, tile."""
  mpl.use('Agg')
  from matplotlib import pyplot as plt

  labels = {
    'size': 'side of the image, pixels',
    'strengths': 'strengths of a 256 x 256 image',
    'tile': f'side of the tiles of a {TILED} x {TILED} image',
  }
  figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout='constrained')
  for axis, (name, rows) in zip(axes, parts.items(), strict=True):
    for label, row in rows.items():
      axis.plot(list(row), list(row.values()), marker='o', label=label)
    axis.set(xlabel=labels[name], ylabel='seconds', ylim=(0, None))
    axis.set_xticks(list(row), [str(x) for x in row], rotation=45)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
  figure.suptitle(title)
  figure.savefig(path, dpi=100)


def main():
  """Measures, plots and writes the result."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--features', type=int, default=64)
  add('--blocks', type=int, default=16)
  add('--repeats', type=int, default=3)
  add('--plot', type=pathlib.Path, required=True)
  add('--output', type=pathlib.Path, help='JSON file for the result')
  options = parser.parse_args()
  arch = Architecture(options.features, options.blocks, 3, 1)
  params = speed.make_weights(arch)
  parts = {}
  for name, measure in (
    ('size', by_size),
    ('strengths', by_count),
    ('tile', by_tile),
  ):
    parts[name] = measure(arch, params, options.repeats)
    print(name, parts[name], flush=True)
  about = timing.machine()
  title = f'{arch.features} features x {arch.blocks} blocks, {about["device"]}'
  plot(options.plot, parts, f'{title}, {about["cores"]} cores')
  if options.output:
    files.write_json(options.output, {**about, 'seconds': parts})


if __name__ == '__main__':
  main()

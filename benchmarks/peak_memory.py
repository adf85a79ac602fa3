"""Measures the peak memory of one photograph, above the idle process.

  python -m benchmarks.peak_memory --megapixels 1 12 100

Each size runs in its own process, on a 3:2 image in uint8, in the tiles that
are chosen for it. The idle process has done its imports and holds the weights
and images.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np

from adafm_jax import files
from adafm_jax.report import tables
from benchmarks import timing

HEADER = ('megapixels', 'kernel', 'tiles', 'planned MB', 'peak MB', 'seconds')


def measure(megapixels: float, kernel: int, features: int, blocks: int) -> dict:
  """Restores one image in this process."""
  from adafm_jax.engine import plan
  from adafm_jax.engine import tiles as tiling
  from adafm_jax.models.architecture import Architecture
  from benchmarks import speed

  arch = Architecture(features, blocks, 3, kernel)
  params = speed.make_weights(arch)
  height = round((megapixels * 1e6 / 1.5) ** 0.5)
  shape = (1, height, round(1.5 * height), 3)
  image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
  out = np.ones_like(image)
  planned = plan.make_plan(arch, shape[1:3], 1, 2**40)
  side = planned.side or 256
  idle = _peak()
  begun = time.perf_counter()
  tiling.restore(tiling.make_tiler(arch, side), params, image, 0.5, out)
  return {
    'megapixels': megapixels,
    'kernel': kernel,
    'side': side,
    'planned': plan.tile_bytes(arch, side, shape[2]) / 1e6,
    'peak': (_peak() - idle) / 1e6,
    'seconds': time.perf_counter() - begun,
  }


def _peak() -> float:
  """The most memory that this process has ever used, in bytes."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
  """Starts a process for each size and prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--megapixels', type=float, nargs='+', default=[1.0, 12.0])
  add('--kernels', type=int, nargs='+', default=[1, 5])
  add('--features', type=int, default=64)
  add('--blocks', type=int, default=16)
  add('--output', type=pathlib.Path, help='JSON file for the result')
  add('--one', nargs=2, help=argparse.SUPPRESS)
  options = parser.parse_args()
  size = ['--features', str(options.features), '--blocks', str(options.blocks)]
  if options.one:
    megapixels, kernel = float(options.one[0]), int(options.one[1])
    found = measure(megapixels, kernel, options.features, options.blocks)
    print(json.dumps(found))
    return
  rows = []
  for kernel in options.kernels:
    for megapixels in options.megapixels:
      command = [sys.executable, '-m', 'benchmarks.peak_memory', *size]
      command += ['--one', str(megapixels), str(kernel)]
      done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
      rows.append(json.loads(done.stdout))
      print(rows[-1], flush=True)
  table = [list(row.values()) for row in rows]
  print(tables.markdown_table(HEADER, table, decimals=(0, 0, 0, 0, 0, 1)))
  if options.output:
    files.write_json(options.output, {**timing.machine(), 'rows': rows})


if __name__ == '__main__':
  main()

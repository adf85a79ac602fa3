"""Core-seconds that a photograph takes: reading, the network, writing.

  python -m benchmarks.photograph --output /tmp/photograph.json

Seconds are those of the cores (`time.process_time`), which other work on the
machine changes little. The clock shows half of the network's on two idle cores.
A part takes so much a picture and so much a megapixel, by least squares. The
largest picture is left out of the fit, and predicted from the others.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from PIL import Image
from scipy import optimize

from adafm_jax import files, zoo
from adafm_jax.data import sources
from adafm_jax.engine.run import Network
from adafm_jax.model import Model
from adafm_jax.restore import job as jobs
from adafm_jax.restore import result as results
from adafm_jax.restore.pairs import Pair
from benchmarks import timing

SIZES = ((512, 768), (1024, 1024), (1200, 1800), (1536, 2048))  # rows, columns
LEVEL = 20.0  # sigma of the noise; where it isn't estimated
PARTS = ('read', 'estimate', 'network', 'write')


def mosaic(height: int, width: int, sigma: float = LEVEL) -> np.ndarray:
  """Photographs side by side, with noise: uint8 [height, width, 3]."""
  tiles = sources.load('photos:train', field='train', channels=3)
  side = min(min(x.pixels.shape[:2]) for x in tiles)
  parts = [x.pixels[:side, :side] for x in tiles]
  down, across = -(-height // side), -(-width // side)
  rows = [
    np.concatenate(
      [parts[(i * across + j) % len(parts)] for j in range(across)], axis=1
    )
    for i in range(down)
  ]
  clean = np.concatenate(rows)[:height, :width].astype(np.float64)
  noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
  return np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


def take(job: jobs.Job, pair: Pair) -> list[float]:
  """Core-seconds of each part for one photograph."""
  marks = [time.process_time()]
  jobs.load(dataclasses.replace(job, level=LEVEL), pair)
  marks.append(time.process_time())
  loaded = jobs.load(job, pair)
  marks.append(time.process_time())
  (output,) = jobs.restore(job, [loaded])
  marks.append(time.process_time())
  results.store(job, loaded, output)
  marks.append(time.process_time())
  read, both, *rest = (float(x) for x in np.diff(marks))
  return [read, both - read, *rest]


def fit(rows: Sequence[Mapping[str, float]], part: str) -> tuple[float, float]:
  """Core-seconds a picture and a megapixel, neither below zero."""
  sizes = np.array([row['megapixels'] for row in rows])
  table = np.stack([np.ones_like(sizes), sizes], axis=1)
  seconds = np.array([row[part] for row in rows])
  once, each = optimize.nnls(table, seconds)[0]
  return float(once), float(each)


def main() -> None:
  """Measures, prints and writes the result."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--model', default='denoise-small')
  add('--rounds', type=int, default=3)
  add('--output', type=pathlib.Path, help='JSON file for the result')
  options = parser.parse_args()
  model = Model.load(zoo.locate(options.model))
  network = Network(model.arch, jax.device_put(model.params))
  job = jobs.Job(header=model, network=network, name=options.model, sha256='')
  rows = []
  with tempfile.TemporaryDirectory() as name:
    for height, width in SIZES:
      source = pathlib.Path(name, f'{width}.jpg')
      Image.fromarray(mosaic(height, width)).save(source, quality=92)
      pair = Pair(source, source.with_name(f'{width}_restored.jpg'))
      take(job, pair)  # compiles
      taken = [take(job, pair) for _ in range(options.rounds)]
      medians = map(statistics.median, zip(*taken, strict=True))
      row = dict(zip(PARTS, medians, strict=True))
      rows.append({'megapixels': height * width / 1e6, **row})
      print(rows[-1], flush=True)
  fitted = {part: fit(rows[:-1], part) for part in PARTS}
  unseen, errors = rows[-1], {}
  for part, (once, each) in fitted.items():
    errors[part] = (once + each * unseen['megapixels']) / unseen[part] - 1
  result = {
    'model': options.model,
    'arch': dataclasses.asdict(model.arch),
    'rows': rows,
    'a_picture_and_a_megapixel': fitted,
    'error_on_the_largest': errors,
  }
  print(result)
  if options.output:
    files.write_json(options.output, {**timing.machine(), **result})


if __name__ == '__main__':
  main()

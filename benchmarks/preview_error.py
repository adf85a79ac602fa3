"""Measures the error of a preview, by the number of results it blends.

  python -m benchmarks.preview_error --model MODEL --images FOLDER

The number of nodes is chosen by this, so do not use images of an evaluation
set. Errors are in units of 255.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

import numpy as np

from adafm_jax import files, zoo
from adafm_jax.data import sources
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine import preview
from adafm_jax.engine.run import Network
from adafm_jax.images import eight_bit as images
from adafm_jax.model import Model
from adafm_jax.report import tables

HEADER = ('nodes', 'RMS', 'worst strength', '99.9 %', 'worst value')
STRENGTHS = np.linspace(0, 1, 101)
SIDE = 128  # of the window of each image, pixels


def errors(outputs: np.ndarray, exact: np.ndarray) -> list[float]:
  """RMS, RMS at the worst strength, 99.9 % quantile, and maximum.

  Args:
    outputs: [nodes, ...], the results at the nodes.
    exact: [101, ...], the results at `STRENGTHS`.
  """
  made = preview.make(outputs)
  off = np.stack([np.asarray(preview.at(made, s)) for s in STRENGTHS]) - exact
  each = np.sqrt((off**2).mean(axis=tuple(range(1, off.ndim))))
  size = np.abs(off)
  return [
    float(np.sqrt((off**2).mean())),
    float(each.max()),
    float(np.quantile(size, 0.999)),
    float(size.max()),
  ]


def measure(
  model: Model, photographs: Sequence[NamedImage]
) -> dict[int, list[list[float]]]:
  """`errors` of every image at five levels, by the number of nodes."""
  degrade = Degradation(model.levels.task, model.noise or 'clipped')
  network = Network(model.arch, model.params)

  def restored(pixels, strengths):
    parts = network.sweep(pixels, strengths)
    return 255 * np.clip(np.concatenate(list(parts)), 0, 1)

  found: dict[int, list[list[float]]] = {n: [] for n in range(5, 10)}
  for image in photographs:
    for position in (0, 0.25, 0.5, 0.75, 1):
      level = model.levels.level(position)
      window = images.to_channels(image.pixels, model.arch.channels)
      noisy = degrade.apply(window[:SIDE, :SIDE], level, name=image.name)[None]
      exact = restored(noisy, STRENGTHS)
      for count, row in found.items():
        row.append(errors(restored(noisy, preview.nodes(count)), exact))
  return found


def main():
  """Measures and prints."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--model', required=True)
  add('--images', required=True)
  add('--most', type=int, default=8, help='number of images, the last by name')
  add('--output', type=pathlib.Path)
  options = parser.parse_args()
  model = Model.load(zoo.locate(options.model))
  loaded = sources.load(
    options.images,
    field='--images',
    option='--images ',
    channels=model.arch.channels,
  )
  table = [
    [
      count,
      float(np.sqrt(np.mean(np.square([e[0] for e in row])))),
      *(max(e[i] for e in row) for i in (1, 2, 3)),
    ]
    for count, row in measure(model, loaded[-options.most :]).items()
  ]
  print(tables.markdown_table(HEADER, table))
  if options.output:
    files.write_json(options.output, {'rows': table})


if __name__ == '__main__':
  main()

"""Measures two choices of `adafm restore`, in dB on held-out images.

  python benchmarks/restore_choices.py MODEL FOLDER --images 31

For a denoiser: the geometric self-ensemble (x8) against one pass. For a luma
DeJPEG model: the chroma of colour JPEGs (4:2:0, Pillow) as it was decoded,
against the luma network on Cb and Cr.

Takes the last `--images` images of the folder, which `--config.data.holdout`
keeps from training. Never use a test set.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

import adafm_jax
from adafm_jax.data import sources
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import colour
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.errors import UserError, entry_point
from adafm_jax.evaluate import metrics
from adafm_jax.images.eight_bit import to_uint8
from adafm_jax.report import tables

Restore = Callable[[np.ndarray, float], np.ndarray]


def denoising(model: adafm_jax.Model) -> dict[str, Restore]:
  """The ways to denoise."""
  return {
    'one pass': lambda x, level: model.restore(x, level=level),
    'self-ensemble': lambda x, level: model.restore(
      x, level=level, self_ensemble=True
    ),
  }


def dejpeg(model: adafm_jax.Model) -> dict[str, Restore]:
  """The ways to treat chroma, and the unrestored JPEG."""

  def with_chroma(image: np.ndarray, level: float) -> np.ndarray:
    planes = colour.rgb_to_ycbcr(image * 255) / 255
    stack = np.moveaxis(planes, -1, 0)[..., None].astype(np.float32)
    restored = np.moveaxis(model.restore(stack, level=level)[..., 0], 0, -1)
    rgb = colour.ycbcr_to_rgb(restored.astype(np.float64) * 255) / 255
    return np.clip(rgb, 0, 1)

  return {
    'JPEG': lambda x, level: x,
    'Y alone': lambda x, level: model.restore(x, level=level),
    'Y, Cb and Cr': with_chroma,
  }


WAYS = {'denoise': denoising, 'dejpeg': dejpeg}


def measure(
  ways: dict[str, Restore],
  images: Sequence[NamedImage],
  degradation: Degradation,
  wanted: Sequence[float],
) -> Iterator[tuple[float, list[float]]]:
  """Yields each level and the mean RGB PSNR of each way."""
  for level in wanted:
    rows = []
    for image in tqdm.tqdm(images, desc=f'level {level:g}', leave=False):
      degraded = degradation.apply(image.pixels, level, name=image.name)
      outputs = [to_uint8(way(degraded, level)) for way in ways.values()]
      rows.append([metrics.psnr(image.pixels, x) for x in outputs])
    yield level, np.mean(rows, axis=0).tolist()


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """Measures and prints a table."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('model', help='model file, or name of a released model')
  parser.add_argument('folder', help='images; the last were not trained on')
  parser.add_argument('--images', type=int, default=31, help='take the last N')
  parser.add_argument('--levels', help='as in 15,45,75')
  options = parser.parse_args(argv)
  model = adafm_jax.load_model(options.model)
  task = model.levels.task
  if task not in WAYS:
    raise UserError(f'Nothing is compared for task {task}.')
  found = sources.load(options.folder, field='folder', channels=3)
  ways = WAYS[task](model)
  ends = f'{model.levels.start:g},{model.levels.end:g}'
  wanted = levels.parse_values(options.levels or ends)
  degradation = Degradation(task, model.noise or 'clipped')
  label = levels.TASKS[task].label
  rows = [
    [label(level), *values]
    for level, values in measure(
      ways, found[-options.images :], degradation, wanted
    )
  ]
  print(tables.text_table(['RGB PSNR, dB', *ways], rows), end='')


if __name__ == '__main__':
  sys.exit(main())

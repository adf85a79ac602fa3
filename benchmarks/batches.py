"""Images of one size in one pass against a pass each: seconds, and bits.

python -m benchmarks.batches
"""

from __future__ import annotations

import argparse
import functools

import jax
import numpy as np

from adafm_jax import zoo
from adafm_jax.engine.run import Network
from adafm_jax.model import Model
from benchmarks import timing

SIZES = (48, 96, 128, 192, 256)
COUNT = 8
STRENGTH = np.float32(0.4)


def one_by_one(network: Network, images: np.ndarray) -> np.ndarray:
  """A pass for each image."""
  passes = [network.restore(image[None], STRENGTH) for image in images]
  return np.concatenate(passes)


def main() -> None:
  """Measures and prints."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument(
    '--models', nargs='*', default=['denoise-small', 'sr-small']
  )
  parser.add_argument('--repeats', type=int, default=7)
  options = parser.parse_args()
  for name in options.models:
    model = Model.load(zoo.locate(name))
    network = Network(model.arch, jax.device_put(model.params))
    for size in SIZES:
      shape = (COUNT, size, size, model.arch.channels)
      images = np.random.default_rng(0).random(shape, np.float32)
      alone = functools.partial(one_by_one, network, images)
      batch = functools.partial(network.restore, images, STRENGTH)
      seconds = timing.interleaved(
        {'alone': alone, 'batch': batch}, options.repeats
      )
      ratio = seconds['alone'] / seconds['batch']
      print(
        f'{name} {size} x {size}: alone {seconds["alone"]:.3f} s, {COUNT} at'
        f' once {seconds["batch"]:.3f} s, {ratio:.2f}'
        f' times as fast; equal bits: {np.array_equal(alone(), batch())}',
        flush=True,
      )


if __name__ == '__main__':
  main()

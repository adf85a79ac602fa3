"""JAX and OpenVINO on the released models: seconds, and what it costs in dB.

  python -m benchmarks.runtimes --images denoise=CBSD68 dejpeg=LIVE1 sr=Set14

Also a calibration, since machines differ by 4: a matrix product and a
convolution in float32. All functions of a row take turns.
"""

from __future__ import annotations

import argparse
import pathlib

import jax
import numpy as np

from adafm_jax import files, zoo
from adafm_jax.data import sources
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import metrics
from adafm_jax.export import openvino_runtime
from adafm_jax.images.eight_bit import to_uint8
from adafm_jax.model import Model
from adafm_jax.report import tables
from benchmarks import timing

SPEED = ('model', 'pixels', 'JAX', 'f32', 'ratio', 'bf16', 'ratio')
QUALITY = ('model', 'level', 'JAX', 'bf16', 'mean loss', 'worst loss')
CROP = 256  # pixels a side, of the images that are judged


def networks(model: Model) -> dict[str, Network]:
  """The same network in each runtime."""
  params = jax.device_put(model.params)
  found = {'JAX': Network(model.arch, params)}
  for precision in ('f32', 'bf16'):
    runtime = openvino_runtime.make_runtime(
      model, model.params, precision=precision
    )
    found[precision] = Network(model.arch, params, runtime=runtime)
  return found


def speed(name: str, found: dict[str, Network], side: int, repeats: int):
  """Seconds of one square image at strength 1/2, in each runtime."""
  channels = found['JAX'].arch.channels
  shape = (1, side, side, channels)
  image = np.random.default_rng(0).random(shape, np.float32)
  half = np.float32(0.5)

  def call(network):
    return lambda: network.restore(image, half)

  calls = {kind: call(network) for kind, network in found.items()}
  took = timing.interleaved(calls, repeats)
  print(name, side, took, flush=True)
  return took


def quality(model: Model, found: dict[str, Network], folder: str, most: int):
  """PSNR of each image in JAX and in bfloat16, at both ends and between."""
  channels = model.arch.channels
  images = sources.load(folder, field='images', channels=channels, most=most)
  span, rows = model.levels, []
  for position in (0, 0.5, 1):
    level = span.level(position)
    level = round(level) if span.task == 'dejpeg' else level
    strength = np.float32(model.strength(level))
    psnr: dict[str, list[float]] = {'JAX': [], 'bf16': []}
    for image in images:
      clean = image.pixels[:CROP, :CROP]
      given = Degradation(span.task).apply(clean, level, name=image.name)
      for kind, scores in psnr.items():
        restored = to_uint8(found[kind].restore(given[None], strength)[0])
        scores.append(metrics.psnr(clean, restored))
    loss = np.subtract(psnr['JAX'], psnr['bf16'])
    means = [float(np.mean(x)) for x in psnr.values()]
    rows.append([f'{level:g}', *means, float(loss.mean()), float(loss.max())])
    print(rows[-1], flush=True)
  return rows


def main():
  """Measures and prints."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--images', nargs='+', required=True, metavar='NAME=FOLDER')
  add('--most', type=int, default=12, help='images of each')
  add('--sizes', type=int, nargs='+', default=[256, 512, 1024])
  add('--repeats', type=int, default=9)
  add('--output', type=pathlib.Path, help='JSON file to keep the result in')
  options = parser.parse_args()
  kept = timing.machine()
  print(kept['gflops'], flush=True)
  seconds, scores = [], []
  for name, _, folder in (x.partition('=') for x in options.images):
    model = zoo.load(name)
    found = networks(model)
    for side in options.sizes:
      took = speed(name, found, side, options.repeats)
      cells = [took['JAX']]
      for kind in ('f32', 'bf16'):
        cells += [took[kind], took['JAX'] / took[kind]]
      seconds.append([name, f'{side} x {side}', *cells])
    rows = quality(model, found, folder, options.most)
    scores += [[name, *row] for row in rows]
  kept |= {'after': timing.calibration()}
  print(tables.markdown_table(SPEED, seconds, decimals=3))
  print(tables.markdown_table(QUALITY, scores, decimals=3))
  if options.output:
    kept |= {'seconds': seconds, 'psnr': scores}
    files.write_json(options.output, kept)


if __name__ == '__main__':
  main()

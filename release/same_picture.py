"""The same picture everywhere: every engine beside JAX, in steps of 255.

  python -m release.same_picture

Ten crops of scikit-image's photographs, degraded at the model's middle level,
at five strengths, from 8-bit RGB to 8-bit RGB. JAX over the whole image is the
measure. Engines whose packages are missing are left out, and so is the page's
without Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adafm_jax import zoo
from adafm_jax.data import sources
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine.run import Network
from adafm_jax.export import onnx_file, openvino_runtime
from adafm_jax.images.eight_bit import to_uint8
from adafm_jax.model import Model
from adafm_jax.report import tables
from adafm_jax.restore import pipeline

if TYPE_CHECKING:
  from release import browser

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
IMAGES = 10
HEADER = ('model', 'engine', 'values', 'one step', 'more', 'largest')

Engine = Callable[[np.ndarray, float], np.ndarray]  # uint8 [H, W, 3], strength


class Row(NamedTuple):
  """How an engine's 8-bit values differ from JAX's.

  Attributes:
    model: its name.
    engine: its name.
    values: how many were compared.
    one: how many are one step apart.
    more: how many more than one.
    largest: difference, in steps of 255.
  """

  model: str
  engine: str
  values: int
  one: int
  more: int
  largest: int


def photographs(model: Model, size: tuple[int, int]) -> list[np.ndarray]:
  """Degraded crops, uint8 [H, W, 3], of a size (H, W)."""
  height, width = size
  span = model.levels
  level = span.level(0.5)
  level = round(level) if span.task == 'dejpeg' else level
  crops = []
  for split in sources.PHOTOS:
    for image in sources.load(f'photos:{split}', field='images', channels=3):
      top, left = (n // 3 for n in image.pixels.shape[:2])
      crop = image.pixels[top : top + height, left : left + width]
      degraded = Degradation(span.task).apply(crop, level, name=image.name)
      crops.append(to_uint8(degraded))
  return crops[:IMAGES]


def engines(
  model: Model, side: int, page: browser.Engine | None = None
) -> dict[str, Engine]:
  """Every way to run a network on this machine, JAX over whole images first.

  Args:
    model: whose network it is.
    side: of the tiles, pixels.
    page: the page's engine, if there is a browser.
  """

  def through(**options) -> Engine:
    network = Network(model.arch, model.params, **options)
    return _whole(
      model, lambda x, s: network.restore(x[None], np.float32(s))[0]
    )

  found = {'JAX': through(), 'JAX, tiles': through(side=side)}
  if page:
    found['the page, WebGPU'] = _in_page(model, page)
  if importlib.util.find_spec('onnx') is None:
    return found
  if importlib.util.find_spec('onnxruntime') is not None:
    found['onnxruntime'] = _onnxruntime(model, 'float32')
    found['onnxruntime, float16'] = _onnxruntime(model, 'float16')
  if importlib.util.find_spec('openvino') is not None:
    for precision in ('f32', 'bf16'):
      runtime = openvino_runtime.make_runtime(
        model, model.params, precision=precision
      )
      found[f'OpenVINO, {precision}'] = through(runtime=runtime)
      if precision == 'f32':
        found['OpenVINO, tiles'] = through(runtime=runtime, side=side)
  return found


def _whole(model: Model, run: Callable) -> Engine:
  """A network run(pixels [H, W, C], strength) as one from RGB to RGB.

  A picture of three equal channels is grey, as when `adafm restore` reads it.
  """

  def restore(image, strength):
    grey = (image == image[..., :1]).all()
    given = image[..., :1] if grey else image
    pixels, finish = pipeline.to_network(given, model.arch.channels)
    return np.broadcast_to(finish(run(pixels, strength)), image.shape)

  return restore


def _in_page(model: Model, page: browser.Engine) -> Engine:
  from release.browser import Wish

  def restore(image, strength):
    height, width, _ = image.shape
    rgba = np.dstack([image, np.full((height, width), 255, np.uint8)])
    wishes = [Wish(0, 0, width, height, strength)]
    return page.restore(model, rgba, wishes)[0].pixels[..., :3]

  return restore


@contextlib.contextmanager
def page_engine() -> Iterator[browser.Engine | None]:
  """The page's engine, or None where it can't be run."""
  try:
    from release import browser
  except ImportError:  # the extra `demo` is not installed
    yield None
    return
  if browser.find() is None:
    yield None
    return
  with browser.engine() as found:
    yield found


def _onnxruntime(model: Model, dtype: str) -> Engine:
  import onnxruntime

  form = onnx_file.Form(dtype=dtype)
  graph = onnx_file.build(model, model.params, form)
  session = onnxruntime.InferenceSession(graph.SerializeToString())

  def run(image, strength):
    given = {
      'input': np.ascontiguousarray(image.transpose(2, 0, 1)[None]),
      'strength': np.array([strength], np.float32),
    }
    return session.run(['output'], given)[0][0].transpose(1, 2, 0)

  return _whole(model, run)


def compare(
  name: str,
  model: Model,
  images: Sequence[np.ndarray],
  side: int,
  page: browser.Engine | None = None,
) -> list[Row]:
  """A row for each engine but the first.

  Args:
    name: of the model.
    images: uint8 [H, W, 3].
    side: of the tiles, pixels.
    page: the page's engine, if there is a browser.
  """
  reference, *others = engines(model, side, page).items()
  expected = [
    reference[1](image, s).astype(int) for image in images for s in STRENGTHS
  ]
  rows = []
  for engine, run in others:
    counts = np.zeros(256, int)
    results = (run(image, s) for image in images for s in STRENGTHS)
    for wanted, found in zip(expected, results, strict=True):
      apart = np.abs(found.astype(int) - wanted)
      counts += np.bincount(apart.ravel(), minlength=256)
    one, more = int(counts[1]), int(counts[2:].sum())
    largest = int(np.flatnonzero(counts).max())
    rows.append(Row(name, engine, int(counts.sum()), one, more, largest))
  return rows


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--size', type=int, default=160, help='of the crops')
  parser.add_argument('--models', nargs='+', default=list(zoo.entries()))
  options = parser.parse_args()
  rows = []
  with page_engine() as page:
    for name in options.models:
      model = zoo.load(name)
      images = photographs(model, (options.size, options.size - 3))
      rows += compare(name, model, images, side=64, page=page)
  print(tables.markdown_table(HEADER, rows), end='')


if __name__ == '__main__':
  main()

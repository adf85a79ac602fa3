"""Timings of the slider page, and the pictures of it in README and docs.

python -m benchmarks.page --pictures docs/page

Needs the extras `demo` and `test`, and Chromium (apt install chromium); WebGPU
runs there in software, on the CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import math
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image
from playwright import sync_api
from skimage import data

from benchmarks import timing
from release import browser as browsers

Point = tuple[float, float]  # of the window, pixels

_DESKTOP = {'width': 1280, 'height': 800}
_PHONE = {'width': 390, 'height': 844}
_LIMIT_MS = 300_000
_DRAG_SECONDS = {'server': 4.0, 'webgpu': 20.0}
_COUNT_RESULTS = """() => {
  window.results = 0;
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...all) {
    window.results++;
    return put.apply(this, all);
  };
}"""


def main() -> None:
  """Measures, prints, and draws if asked to."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--pictures', type=pathlib.Path, metavar='DIR')
  parser.add_argument('--model', default='denoise-small', help='shown first')
  parser.add_argument('--engines', nargs='*', default=['server', 'webgpu'])
  options = parser.parse_args()
  print('GFLOP/s:', timing.calibration(), flush=True)
  with (
    _served(options.model) as address,
    browsers.launched(*browsers.WEBGPU) as browser,
  ):
    for engine in options.engines:
      _measure(browser, f'{address}?engine={engine}', engine)
    if options.pictures:
      options.pictures.mkdir(parents=True, exist_ok=True)
      _draw(browser, f'{address}?engine=server', options.pictures)
      _record(browser, f'{address}?engine=server', options.pictures)


@contextlib.contextmanager
def _served(model: str) -> Iterator[str]:
  command = [sys.executable, '-m', 'adafm_jax.cli', 'demo', '-m', model]
  process = subprocess.Popen(
    [*command, '--port', '0', '--no-browser'],
    stdout=subprocess.PIPE,
    text=True,
    env=os.environ,
  )
  assert process.stdout
  try:
    yield process.stdout.readline().strip()
  finally:
    process.terminate()
    process.wait()


def _done(page: sync_api.Page) -> int:
  return int(page.evaluate('document.body.dataset.done ?? 0'))


def _wait(page: sync_api.Page, before: int) -> None:
  while _done(page) <= before:
    page.wait_for_timeout(5)


def _timed(page: sync_api.Page, act) -> float:
  """Seconds until a whole picture has been restored after an action."""
  before, began = _done(page), time.monotonic()
  act()
  _wait(page, before)
  return time.monotonic() - began


def _measure(browser: sync_api.Browser, address: str, engine: str) -> None:
  """Prints one line: a picture of 512 x 512 and the first model."""
  file = io.BytesIO()
  Image.fromarray(data.astronaut()).save(file, 'PNG')
  picture = {'mimeType': 'image/png', 'buffer': file.getvalue()}
  page = browser.new_page(viewport=_DESKTOP)
  page.set_default_timeout(_LIMIT_MS)
  first = _timed(page, lambda: page.goto(address))
  page.wait_for_selector('#curve path')
  # The first of a size compiles; the second is what one waits for.
  opened = [
    _timed(
      page,
      lambda i=i: page.set_input_files(
        '#file', {**picture, 'name': f'{i}.png'}
      ),
    )
    for i in range(2)
  ]
  page.wait_for_timeout(1000 * _DRAG_SECONDS[engine])
  step = _timed(page, lambda: page.locator('#level').press('ArrowRight'))
  page.evaluate(_COUNT_RESULTS)
  box = page.locator('#level').bounding_box()
  assert box
  height = box['y'] + box['height'] / 2
  page.mouse.move(box['x'] + box['width'] / 2, height)
  page.mouse.down()
  began = time.monotonic()
  while (spent := time.monotonic() - began) < _DRAG_SECONDS[engine]:
    share = 0.5 + 0.3 * math.sin(3 * spent)
    page.mouse.move(box['x'] + box['width'] * share, height)
  results = page.evaluate('results')
  page.mouse.up()
  page.close()
  print(
    f'{engine}: first visit {first:.2f} s; 512 x 512 opened and restored in'
    f' {opened[-1]:.2f} s; another strength, exact, in {step:.2f} s;'
    f' {results / spent:.1f} results a second while dragging',
    flush=True,
  )


def _draw(
  browser: sync_api.Browser, address: str, folder: pathlib.Path
) -> None:
  """Screenshots at desktop and phone width, light and dark."""
  for size, viewport in (('desktop', _DESKTOP), ('phone', _PHONE)):
    for scheme in ('light', 'dark'):
      page = browser.new_page(viewport=viewport, color_scheme=scheme)
      page.set_default_timeout(_LIMIT_MS)
      _timed(page, lambda page=page: page.goto(address))
      page.wait_for_selector('#curve path')
      page.wait_for_timeout(300)
      image = Image.open(io.BytesIO(page.screenshot()))
      path = folder / f'{size}-{scheme}.webp'
      image.convert('RGB').save(path, quality=86, method=6)
      page.close()


def _there_and_back(box: dict[str, float]) -> Iterator[Point]:
  """From the middle of the level's slider over its range and back."""
  y = box['y'] + box['height'] / 2
  for a, b in itertools.pairwise([0.5, 0.0, 1.0, 0.5]):
    for i in range(12):
      share = a + (b - a) * (1 - math.cos(math.pi * i / 12)) / 2
      yield box['x'] + box['width'] * (0.015 + 0.97 * share), y


def _to_both_sides(box: dict[str, float]) -> Iterator[Point]:
  """From the grip of the line between before and after, once each way."""
  for i in range(24):
    away = 220 * math.sin(2 * math.pi * i / 24)
    yield box['x'] + 20 + away, box['y'] + 20


def _record(
  browser: sync_api.Browser, address: str, folder: pathlib.Path
) -> None:
  """The slider dragged over its range and back, and the line wiped."""
  page = browser.new_page(viewport={'width': 1100, 'height': 720})
  page.set_default_timeout(_LIMIT_MS)
  _timed(page, lambda: page.goto(address))
  page.wait_for_selector('#curve path')
  page.wait_for_timeout(5000)
  frames = []

  def shoot(count: int = 1) -> None:
    shot = Image.open(io.BytesIO(page.screenshot())).convert('RGB')
    frames.extend([shot.resize((825, 540), Image.Resampling.LANCZOS)] * count)

  def drag(name: str, way: Callable[[Any], Iterator[Point]]) -> None:
    for i, (x, y) in enumerate(way(page.locator(name).bounding_box())):
      page.mouse.move(x, y)
      if not i:
        page.mouse.down()
      page.wait_for_timeout(40)
      shoot()
    page.mouse.up()

  shoot(6)
  drag('#level', _there_and_back)
  shoot(4)
  drag('#wipe .grip', _to_both_sides)
  frames[0].save(
    folder / 'page.webp',
    save_all=True,
    append_images=frames[1:],
    duration=80,
    loop=0,
    quality=60,
    method=4,
  )
  page.close()


if __name__ == '__main__':
  main()

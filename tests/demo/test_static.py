"""The page as a folder of files, from a server that knows nothing of it."""

import contextlib
import gzip
import re
import socket
import subprocess
import sys
import time

import browsers
import jax
import numpy as np
import pytest
from browsers import DESKTOP
from PIL import Image

from adafm_jax.demo import site
from adafm_jax.models import restorer

# Keeps the last mask that was read and the last result that was drawn.
_WATCH = """() => {
  const {prototype} = CanvasRenderingContext2D;
  const {getImageData, putImageData} = prototype;
  window.drawn = 0;
  prototype.getImageData = function (...all) {
    const found = getImageData.apply(this, all);
    window.mask = Array.from(found.data);
    return found;
  };
  prototype.putImageData = function (image, ...all) {
    window.result = Array.from(image.data);
    window.drawn++;
    return putImageData.call(this, image, ...all);
  };
}"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """The page, written to files."""
  found = tmp_path_factory.mktemp('static') / 'site'
  site.build(found, site.pages(browsers.tiny_served(), server=False))
  return found


@pytest.fixture(scope='module')
def static(folder):
  """The address of Python's own file server."""
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = free.getsockname()[1]
  command = [sys.executable, '-m', 'http.server', str(port), '-d', str(folder)]
  process = subprocess.Popen(
    [*command, '-b', '127.0.0.1'],
    stderr=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
  )
  try:
    for _ in range(300):
      with (
        contextlib.suppress(OSError),
        socket.create_connection(('127.0.0.1', port), 1),
      ):
        break
      time.sleep(0.1)  # a refused connection does not wait
    yield f'http://127.0.0.1:{port}/'
  finally:
    process.terminate()
    process.wait()


def test_without_webgpu_it_says_what_to_do(visit, static):
  page = visit(static, viewport=DESKTOP).page
  page.add_init_script(
    "Object.defineProperty(Navigator.prototype, 'gpu', {value: undefined})"
  )
  page.goto(static)
  page.wait_for_selector('#sorry:not([hidden])')
  assert 'no WebGPU' in page.inner_text('#sorry')
  assert 'adafm demo' in page.inner_text('#sorry')


@pytest.mark.slow
def test_a_region_is_brushed_without_a_server_of_ours(visit, static, tmp_path):
  seen = visit(static, viewport=DESKTOP)
  page = seen.page
  seen.waits_for_result(lambda: page.goto(static))
  assert page.get_attribute('body', 'data-engine') == 'webgpu'
  path, pixels = browsers.small_picture(tmp_path)
  seen.waits_for_result(lambda: page.set_input_files('#file', path))
  # The page says how long that took.
  spent = page.inner_text('#speed')
  assert re.fullmatch(r'83 \D 61 in \d+\.\d+ m?s', spent), spent
  seen.waits_for_result(lambda: page.locator('#level').press('End'))
  strip = page.locator('#strip canvas').first
  seen.waits_for(lambda: int(strip.get_attribute('width')) > 1)
  page.evaluate(_WATCH)
  page.click('#brush')
  box = page.locator('#stage').bounding_box()

  def paint():
    page.mouse.move(box['x'] + 400, box['y'] + 200)
    page.mouse.down()
    page.mouse.move(box['x'] + 500, box['y'] + 230, steps=3)
    page.mouse.up()

  seen.waits_for_result(paint)
  mask = np.reshape(page.evaluate('mask'), (61, 83, 4))[..., 3] / 255
  assert 0.01 < mask.mean() < 0.3
  assert mask.max() == 1
  _equals_a_blend(page, pixels, mask, 0.0)
  # While its slider is dragged, a map of strengths goes through the network.
  slider = page.locator('#brush-level').bounding_box()
  before = page.evaluate('drawn')
  page.mouse.move(
    slider['x'] + 0.6 * slider['width'], slider['y'] + slider['height'] / 2
  )
  page.mouse.down()
  seen.waits_for(lambda: page.evaluate('drawn') > before)
  live = np.reshape(page.evaluate('result'), (61, 83, 4))[..., :3]
  share = float(page.input_value('#brush-level'))
  assert 0.4 < share < 0.8
  strength = _noise().strength(15 + 60 * share)
  strengths = 1 + mask * (strength - 1)
  np.testing.assert_allclose(live, _restored(pixels, strengths), atol=1)
  # Released, it is the blend of two results again.
  seen.waits_for_result(page.mouse.up)
  _equals_a_blend(page, pixels, mask, strength)


def _equals_a_blend(page, pixels, mask, strength):
  """What is saved is what `Model.restore(mask=...)` gives."""
  with page.expect_download() as download:
    page.click('#download')
  saved = np.asarray(Image.open(download.value.path()).convert('RGB'))
  around, inside = (_restored(pixels, s) for s in (1.0, strength))
  assert np.abs(inside - around).max() > 20
  expected = around + mask[..., None] * (inside - around)
  np.testing.assert_allclose(saved, expected, atol=1.01)


def _noise():
  return browsers.tiny_served()[0].model


def _restored(pixels, strength):
  """JAX, in steps of 255, clipped and not rounded; strength [H, W] or one."""
  model = _noise()
  apply = jax.jit(restorer.make_apply(model.arch))
  image = (pixels / np.float32(255)).astype(np.float32)[None]
  given = np.asarray(strength, np.float32)
  output = apply(model.params, image, given[None] if given.ndim else given)
  return np.clip(np.asarray(output)[0], 0, 1) * 255


def test_the_page_weighs_less_than_100_kilobytes(folder):
  sent = [
    path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file() and path.parent.name not in ('samples', 'models')
  ]
  assert len(sent) > 30
  assert sum(map(len, sent)) < 100_000
  # As the server sends them, and any host that compresses.
  assert sum(len(gzip.compress(text)) for text in sent) < 45_000

"""A real browser, and servers for it to visit."""

import contextlib
import dataclasses
import functools
import io
import threading

import jax
import numpy as np
import pytest
import tiny_models
import uvicorn
from PIL import Image

from adafm_jax.demo import api, serve, site
from release import browser as browsers

PHONE = {'width': 390, 'height': 844}
DESKTOP = {'width': 1280, 'height': 800}
LIMIT_MS = 60_000  # software WebGPU on a busy machine


@contextlib.contextmanager
def chromium(*flags):
  """A headless browser, or a skipped test."""
  if not browsers.find():
    pytest.skip('no chromium: apt install chromium, or set CHROMIUM')
  with browsers.launched(*flags) as launched:
    yield launched


class Visit:
  """A page, and what it complained of or asked other hosts for."""

  def __init__(self, browser, base, **options):
    self.base = base
    self.context = browser.new_context(**options)
    self.context.set_default_timeout(LIMIT_MS)
    self.page = self.context.new_page()
    self.complaints = []
    self.page.on('console', self._console)
    self.page.on('pageerror', lambda error: self.complaints.append(str(error)))
    self.page.on('request', self._request)

  def _console(self, message):
    if message.type in ('error', 'warning'):
      self.complaints.append(message.text)

  def _request(self, request):
    if not request.url.startswith((self.base, 'blob:', 'data:')):
      self.complaints.append(f'foreign request: {request.url}')

  def done(self):
    """How often a whole picture has been restored."""
    return int(self.page.evaluate('document.body.dataset.done ?? 0'))

  def waits_for_result(self, act):
    """Does something, and waits until the picture is restored after it."""
    before = self.done()
    act()
    self.waits_for(lambda: self.done() > before)

  def waits_for(self, holds):
    """Waits until something holds.

    Playwright's own way needs `eval`, which the page forbids.
    """
    for _ in range(LIMIT_MS // 25):
      if holds():
        return
      self.page.wait_for_timeout(25)
    raise TimeoutError('it did not come')


@contextlib.contextmanager
def blank_page(browser):
  """The engine on a page of no content."""
  found = browsers.engine_files()
  with browsers.files_served(found) as address:
    visit = Visit(browser, address)
    visit.page.goto(address)
    yield browsers.Engine(visit.page, found)
    visit.context.close()
    assert visit.complaints == []


@functools.cache
def tiny_served():
  """Two small models of random weights, as the page is offered them."""
  return (
    site.Served('noise', _strong(tiny_models.random_model(kernel=1))),
    site.Served('jpeg', tiny_models.random_model('dejpeg', channels=1)),
  )


def _strong(model):
  """The same model with AdaFM layers whose strength can be seen."""

  def scale(path, leaf):
    is_adafm = any('adafm' in str(entry) for entry in path)
    return leaf * np.float32(8) if is_adafm else leaf

  params = jax.tree_util.tree_map_with_path(scale, model.params)
  return dataclasses.replace(model, params=params)


@contextlib.contextmanager
def served():
  """The address of a server of two small models, in this process."""
  models = tiny_served()
  app = api.make_app(models, site.pages(models, server=True))
  listening = serve.listen('127.0.0.1', 0)
  server = uvicorn.Server(uvicorn.Config(app, log_level='error'))
  thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
  thread.start()
  try:
    yield f'http://127.0.0.1:{listening.getsockname()[1]}/'
  finally:
    server.should_exit = True
    thread.join()


def small_picture(tmp_path):
  """A noisy picture of an odd size, as a file."""
  rng = np.random.default_rng(0)
  pixels = rng.normal(128, 30, (61, 83, 3)).clip(0, 255).astype(np.uint8)
  path = tmp_path / 'small.png'
  Image.fromarray(pixels).save(path)
  return path, pixels


def shown(page):
  """What is on the stage, above its buttons: int [h, w, 3]."""
  image = Image.open(io.BytesIO(page.locator('#stage').screenshot()))
  return np.asarray(image.convert('RGB')).astype(int)[:-70]

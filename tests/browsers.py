"""A real browser, and servers for it to visit."""

import contextlib
import dataclasses
import functools
import http.server
import os
import shutil
import threading

import jax
import numpy as np
import pytest
import tiny_models

from adafm_jax.demo import site

WEBGPU = ('--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader')
CHROMIUM = os.environ.get('CHROMIUM') or shutil.which('chromium')
LIMIT_MS = 60_000  # software WebGPU on a busy machine


@contextlib.contextmanager
def chromium(*flags):
  """A headless browser, or a skipped test."""
  if not CHROMIUM:
    pytest.skip('no chromium: apt install chromium, or set CHROMIUM')
  sync_api = pytest.importorskip('playwright.sync_api')
  with sync_api.sync_playwright() as playwright:
    # As root, as in containers, Chromium runs without its sandbox only.
    options = [*flags, '--no-sandbox']
    launched = playwright.chromium.launch(
      executable_path=CHROMIUM, args=options
    )
    try:
      yield launched
    finally:
      launched.close()


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
    for _ in range(LIMIT_MS // 25):
      if self.done() > before:
        return
      self.page.wait_for_timeout(25)
    raise TimeoutError('nothing was restored')


@contextlib.contextmanager
def files_served(found):
  """The address of a server of files from memory."""

  class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
      name = self.path.partition('?')[0].lstrip('/') or 'index.html'
      if name not in found:
        self.send_error(404)
        return
      suffix = name[name.rfind('.') :]
      self.send_response(200)
      self.send_header(
        'Content-Type', site.TYPES.get(suffix, 'application/octet-stream')
      )
      self.send_header('Content-Length', str(len(found[name])))
      self.end_headers()
      self.wfile.write(found[name])

    def log_message(self, *args):
      pass

  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
  thread = threading.Thread(target=server.serve_forever, daemon=True)
  thread.start()
  try:
    yield f'http://127.0.0.1:{server.server_port}/'
  finally:
    server.shutdown()
    server.server_close()
    thread.join()


@contextlib.contextmanager
def blank_page(browser):
  """A page of no content that has the engine: (files served, its visit)."""
  found = {
    path.relative_to(site.WEB).as_posix(): path.read_bytes()
    for path in site.WEB.rglob('*.*')
  }
  found['index.html'] = b'<!doctype html><link rel="icon" href="data:,">'
  with files_served(found) as address:
    visit = Visit(browser, address)
    visit.page.goto(address)
    yield found, visit
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

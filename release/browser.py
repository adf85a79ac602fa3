"""The page's engine, WGSL on WebGPU, in a headless Chromium."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adafm_jax.demo import site, weights
from adafm_jax.model import Model

if TYPE_CHECKING:
  from playwright import sync_api

WEBGPU = ('--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader')
_MODEL = 'models/tested'
_LIMIT_MS = 600_000

# Restores rectangles of a picture, and counts what is sent to the device. The
# last network stays compiled.
_RUN = """async ([key, width, height, pixels, wishes]) => {
  const make = async () => {
    const {parse} = await import('/engine/model.js');
    const {GpuNetwork} = await import('/engine/gpu.js');
    const {loadShaders, openDevice} = await import('/engine/device.js');
    const {device} = await openDevice();
    device.addEventListener('uncapturederror', ({error}) => {
      console.error(error.message);
    });
    const file = await (await fetch('/models/tested')).arrayBuffer();
    const network = await GpuNetwork.create(
      device, await loadShaders(), parse(file));
    const made = {key, device, network, sent: 0};
    const write = device.queue.writeBuffer.bind(device.queue);
    device.queue.writeBuffer = (...all) => {
      made.sent += all[2].byteLength;
      write(...all);
    };
    return made;
  };
  if (globalThis.made?.key !== key) {
    globalThis.made?.device.destroy();
    globalThis.made = await make();
  }
  const {made} = globalThis;
  const {network} = made;
  const bytes = (text) => Uint8ClampedArray.from(
    atob(text), (c) => c.charCodeAt(0));
  const data = bytes(pixels);
  const grey = data.every((value, i) => i % 4 > 2 || value === data[i & ~3]);
  network.setPhoto({width, height, data, grey});
  const masks = new Map();
  const found = [];
  for (const [x, y, wide, high, strength, other, text] of wishes) {
    made.sent = 0;
    const rect = {x, y, width: wide, height: high};
    if (text && !masks.has(text)) {
      masks.set(text, {weights: new Uint8Array(bytes(text)), width});
    }
    const result = text
      ? await network.restoreMap(rect, strength,
        {strength: other, mask: masks.get(text)})
      : await network.restore(rect, strength);
    const parts = [];
    for (let i = 0; i < result.length; i += 8192) {
      parts.push(String.fromCharCode(...result.subarray(i, i + 8192)));
    }
    found.push([btoa(parts.join('')), made.sent, network.spent]);
  }
  return found;
}"""


class Wish(NamedTuple):
  """A rectangle of a picture at a strength, or at a map of strengths.

  Attributes:
    x: left edge, pixels.
    y: upper edge, pixels.
    width: pixels.
    height: pixels.
    strength: in [0, 1].
    other: where the mask is 255.
    mask: uint8 [H, W] of the whole picture, or None: one strength.
  """

  x: int
  y: int
  width: int
  height: int
  strength: float
  other: float = 0.0
  mask: np.ndarray | None = None


class Result(NamedTuple):
  """What the engine gave.

  Attributes:
    pixels: uint8 [height, width, 4], RGBA.
    sent: bytes that went to the device for it, but for masks.
    spent: `engine/stopwatch.js` has the fields.
  """

  pixels: np.ndarray
  sent: int
  spent: dict


class Engine:
  """The engine on a page of no content."""

  def __init__(self, page: sync_api.Page, files: dict[str, bytes]):
    """Takes a page at the address of files that may still change."""
    self.page = page
    self.files = files

  def restore(
    self, model: Model, rgba: np.ndarray, wishes: Sequence[Wish]
  ) -> list[Result]:
    """Restores parts of a picture, uint8 [H, W, 4] RGBA."""
    self.files[_MODEL] = weights.export(model, 'tested')
    height, width, _ = rgba.shape
    given = [
      [*wish[:6], _text(wish.mask) if wish.mask is not None else '']
      for wish in wishes
    ]
    key = hashlib.sha256(self.files[_MODEL]).hexdigest()
    answers = self.page.evaluate(_RUN, [key, width, height, _text(rgba), given])
    return [
      Result(
        np.frombuffer(base64.b64decode(text), np.uint8).reshape(
          wish.height, wish.width, 4
        ),
        sent,
        spent,
      )
      for (text, sent, spent), wish in zip(answers, wishes, strict=True)
    ]


def _text(array: np.ndarray) -> str:
  return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def find() -> str | None:
  """Where Chromium is; None without it, or without Playwright to drive it."""
  try:
    import playwright  # noqa: F401
  except ImportError:
    return None
  return os.environ.get('CHROMIUM') or shutil.which('chromium')


@contextlib.contextmanager
def launched(*flags: str) -> Iterator[sync_api.Browser]:
  """A headless Chromium with these options.

  Raises:
    FileNotFoundError: there is none, see `find`.
  """
  path = find()
  if path is None:
    raise FileNotFoundError('There is no chromium, or no playwright.')
  from playwright import sync_api

  with sync_api.sync_playwright() as playwright:
    # As root, as in containers, Chromium runs without its sandbox only.
    browser = playwright.chromium.launch(
      executable_path=path, args=[*flags, '--no-sandbox']
    )
    try:
      yield browser
    finally:
      browser.close()


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
  """The engine in a browser of its own, computing in software.

  Raises:
    FileNotFoundError: there is no browser, see `find`.
    RuntimeError: the browser complained.
  """
  files = engine_files()
  complaints: list[str] = []
  with launched(*WEBGPU) as browser, files_served(files) as address:
    page = browser.new_page()
    page.set_default_timeout(_LIMIT_MS)
    page.on('console', lambda message: complaints.append(message.text))
    page.goto(address)
    yield Engine(page, files)
  if complaints:
    raise RuntimeError(f'The browser said: {complaints[0]}')


def engine_files() -> dict[str, bytes]:
  """The page's code around a page of no content, by path."""
  found = {
    path.relative_to(site.WEB).as_posix(): path.read_bytes()
    for path in site.WEB.rglob('*.*')
  }
  found['index.html'] = b'<!doctype html><link rel="icon" href="data:,">'
  return found


@contextlib.contextmanager
def files_served(found: Mapping[str, bytes]) -> Iterator[str]:
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

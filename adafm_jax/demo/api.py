"""The JSON API, and the page in front of it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import fastapi
import numpy as np
from fastapi import responses
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from adafm_jax.demo import compute, guard, schema, site, weights
from adafm_jax.demo import queue as queues
from adafm_jax.demo import store as stores
from adafm_jax.errors import UserError
from adafm_jax.estimate import level as estimate
from adafm_jax.version import __version__

MAX_REGION = 1024 * 1024  # pixels of a sweep, at each of its strengths
_TEXTS = ('.html', '.css', '.js', '.svg', '.wgsl', '.json')


def _problems(*codes: int) -> dict[int | str, dict[str, Any]]:
  return {code: {'model': schema.Problem} for code in codes}


_BINARY = {
  'content': {
    'application/octet-stream': {
      'schema': {'type': 'string', 'format': 'binary'}
    }
  }
}


def make_app(
  models: Sequence[site.Served],
  pages: Mapping[str, bytes],
  *,
  hosts: Sequence[str] = ('*',),
  images: stores.ImageStore | None = None,
  queue: queues.Queue | None = None,
) -> fastapi.FastAPI:
  """The application.

  Args:
    models: that may be asked for.
    pages: files of the page, see `site.pages`; none for the API alone.
    hosts: names that the server answers to, so that no foreign page reaches it
      under a name of its own.
    images: where images are kept.
    queue: that runs the network.
  """
  kept = images or stores.ImageStore()
  work = queue or queues.Queue()
  computer = compute.Computer(models)

  @contextlib.asynccontextmanager
  async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[None]:
    del app
    yield
    work.close()

  app = fastapi.FastAPI(
    title='adafm demo',
    version=__version__,
    description='Restoration of photographs at any strength.',
    docs_url=None,  # both load their scripts from elsewhere
    redoc_url=None,
    openapi_url='/api/openapi.json',
    lifespan=lifespan,
    responses=_problems(400, 403, 503),
  )
  app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
  guard.answer_errors(app)
  app.add_middleware(guard.Guard)
  _add_models(app, kept, computer, models, work)
  _add_images(app, kept)
  _add_sweep(app, kept, computer, work)
  _add_restore(app, kept, computer, work)
  if pages:
    _add_pages(app, pages)
  return app


def _add_models(
  app: fastapi.FastAPI,
  kept: stores.ImageStore,
  computer: compute.Computer,
  models: Sequence[site.Served],
  work: queues.Queue,
) -> None:
  """The models, and the level of an image for one of them."""

  @app.get('/api/models')
  async def list_models() -> list[dict[str, Any]]:
    """The models: sizes, levels, and the curve from level to strength."""
    return [weights.describe(each.model, each.name) for each in models]

  @app.get(
    '/api/images/{image_id}/level', responses=_problems(404, 413, 415, 422)
  )
  async def read_level(
    request: fastapi.Request, image_id: schema.ImageId, model: str
  ) -> schema.Level:
    """The level of an image, estimated for a model."""
    stored = _find(kept, image_id)

    def job(check: compute.Check) -> schema.Level:
      check()
      opened, _ = computer.opened(stored, model, 1)
      header = next(each.model for each in models if each.name == model)
      found = estimate.estimate_level(opened.photo, header.levels)
      strength = None
      if header.levels.contains(found.level):
        strength = computer.strength(stored, model, found.level, 1)
      return schema.Level(
        level=found.level, strength=strength, sentence=found.sentence
      )

    return await work.run(job, request.is_disconnected)


def _add_images(app: fastapi.FastAPI, kept: stores.ImageStore) -> None:
  """Images come and go."""

  @app.post(
    '/api/images',
    status_code=201,
    responses=_problems(413, 415),
    openapi_extra={'requestBody': {**_BINARY, 'required': True}},
  )
  async def send(request: fastapi.Request) -> schema.Image:
    """Sends an image file, as the body; known by its content."""
    data = await _body(request, stores.MAX_BYTES)
    return _describe(kept.add(data))

  @app.get('/api/images/{image_id}', responses=_problems(404, 422))
  async def look(image_id: schema.ImageId) -> schema.Image:
    """An image that was sent."""
    return _describe(_find(kept, image_id))

  @app.delete(
    '/api/images/{image_id}', status_code=204, responses=_problems(404, 422)
  )
  async def forget(image_id: schema.ImageId) -> None:
    """Forgets an image."""
    if not kept.remove(image_id):
      raise HTTPException(404, 'There is no such image, or no longer.')


def _add_sweep(
  app: fastapi.FastAPI,
  kept: stores.ImageStore,
  computer: compute.Computer,
  work: queues.Queue,
) -> None:
  """A region at several strengths, for the slider."""

  @app.post(
    '/api/images/{image_id}/sweep',
    response_class=responses.Response,
    responses=_problems(404, 413, 415, 422)
    | {200: {**_BINARY, 'description': 'bytes [strength, row, column, RGB]'}},
  )
  async def sweep(
    request: fastapi.Request, image_id: schema.ImageId, wish: schema.Sweep
  ) -> responses.Response:
    """A part of the image at several strengths, exact, uncompressed."""
    stored = _find(kept, image_id)
    region = compute.Rectangle(**wish.region.model_dump())
    if region.width * region.height > MAX_REGION:
      raise stores.TooLargeError(
        f'The region has {region.width} x {region.height} pixels; up to'
        f' {MAX_REGION} are restored at once.'
      )

    def job(check: compute.Check) -> bytes:
      opened, network = computer.opened(stored, wish.model, wish.scale)
      found = compute.sweep(opened, network, wish.strengths, region, check)
      return np.ascontiguousarray(found).tobytes()

    data = await work.run(job, request.is_disconnected)
    return responses.Response(data, media_type='application/octet-stream')


def _add_restore(
  app: fastapi.FastAPI,
  kept: stores.ImageStore,
  computer: compute.Computer,
  work: queues.Queue,
) -> None:
  """The whole image at one strength, to keep."""

  @app.post(
    '/api/images/{image_id}/restore',
    response_class=responses.Response,
    responses=_problems(404, 413, 415, 422)
    | {200: {'content': {'image/png': {}}, 'description': 'the result'}},
  )
  async def restore(
    request: fastapi.Request, image_id: schema.ImageId, wish: schema.Restore
  ) -> responses.Response:
    """The whole result as PNG, with the photograph's metadata."""
    stored = _find(kept, image_id)
    if (wish.level is None) == (wish.strength is None):
      raise UserError('Give a level or a strength, and not both.')

    def job(check: compute.Check) -> bytes:
      opened, network = computer.opened(stored, wish.model, wish.scale)
      strength = wish.strength
      if wish.level is not None:
        strength = computer.strength(stored, wish.model, wish.level, wish.scale)
      assert strength is not None
      brush = None
      if wish.brush:
        mask = compute.read_mask(_decode(wish.brush.mask))
        brush = compute.Brush(wish.brush.strength, mask)
      return compute.restore(opened, network, strength, brush, check)

    data = await work.run(job, request.is_disconnected)
    return responses.Response(data, media_type='image/png')


def _add_pages(app: fastapi.FastAPI, pages: Mapping[str, bytes]) -> None:
  """The page's files, from memory: no path reaches the file system."""
  small = {
    name: gzip.compress(data)
    for name, data in pages.items()
    if name.endswith(_TEXTS)
  }

  @app.get('/{path:path}', include_in_schema=False)
  async def page(request: fastapi.Request, path: str) -> responses.Response:
    name = path or 'index.html'
    if name not in pages:
      raise HTTPException(404, 'There is no such page.')
    suffix = name[name.rfind('.') :] if '.' in name else ''
    kind = site.TYPES.get(suffix, 'application/octet-stream')
    headers = {'Cache-Control': 'no-cache', 'Vary': 'Accept-Encoding'}
    data = pages[name]
    if name in small and 'gzip' in request.headers.get('accept-encoding', ''):
      data = small[name]
      headers['Content-Encoding'] = 'gzip'
    return responses.Response(data, media_type=kind, headers=headers)


async def _body(request: fastapi.Request, most: int) -> bytes:
  """The body, read until it is too long.

  Raises:
    stores.TooLargeError: it is.
  """
  parts, size = [], 0
  async for part in request.stream():
    size += len(part)
    if size > most:
      raise stores.TooLargeError(
        f'The file is too large; up to {most // 10**6} MB are taken.'
      )
    parts.append(part)
  return b''.join(parts)


def _find(kept: stores.ImageStore, image_id: str) -> stores.Stored:
  if (stored := kept.get(image_id)) is None:
    raise HTTPException(404, 'There is no such image, or no longer.')
  return stored


def _describe(stored: stores.Stored) -> schema.Image:
  return schema.Image(
    id=stored.id,
    width=stored.width,
    height=stored.height,
    expires_in=stores.LIFETIME,
  )


def _decode(text: str) -> bytes:
  try:
    return base64.b64decode(text, validate=True)
  except (binascii.Error, ValueError) as error:
    raise UserError('The mask is not base64.') from error

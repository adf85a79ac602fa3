"""What holds for every request: bounds, headers, and errors as JSON."""

from __future__ import annotations

import fastapi
from fastapi import responses
from fastapi.exceptions import RequestValidationError
from starlette import routing
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adafm_jax.demo import queue as queues
from adafm_jax.demo import store as stores
from adafm_jax.errors import UserError

_MAX_JSON = 12_000_000  # bytes; a mask is the largest part
_HEADERS = {
  'Content-Security-Policy': (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
    " blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
  ),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
}


def answer_errors(app: fastapi.FastAPI) -> None:
  """Every error as JSON with one sentence."""

  @app.exception_handler(HTTPException)
  async def http(request: fastapi.Request, error: HTTPException):
    headers = dict(error.headers or {})
    if error.status_code == 405:  # of all routes on the path, not of the first
      methods = {
        method
        for route in app.routes
        if isinstance(route, routing.Route)
        and route.path_regex.match(request.url.path)
        for method in route.methods or ()
      }
      headers = {'Allow': ', '.join(sorted(methods))}
    return _problem(error.status_code, error.detail, **headers)

  @app.exception_handler(RequestValidationError)
  async def invalid(_: fastapi.Request, error: RequestValidationError):
    first = error.errors()[0]
    where = '.'.join(str(part) for part in first['loc'])
    return _problem(422, f'{where}: {first["msg"]}.')

  @app.exception_handler(stores.TooLargeError)
  async def large(_: fastapi.Request, error: stores.TooLargeError):
    return _problem(413, ' '.join(error.problems))

  @app.exception_handler(UserError)
  async def mistake(request: fastapi.Request, error: UserError):
    sending = request.url.path == '/api/images'
    return _problem(415 if sending else 422, ' '.join(error.problems))

  def always(kind: type[Exception], code: int, sentence: str, **headers: str):
    async def handler(*_: object):
      return _problem(code, sentence, **headers)

    app.add_exception_handler(kind, handler)

  full = 'Too much is waiting; try again.'
  always(queues.FullError, 503, full, **{'Retry-After': '2'})
  for gone in (queues.GoneError, ClientDisconnect):
    always(gone, 503, 'The request was given up.')
  always(MemoryError, 413, 'The picture takes more memory than there is.')


class Guard:
  """Bounds what is read, refuses other sites, and says what pages may do.

  A plain ASGI application around another: behind Starlette's own kind of
  middleware nobody learns that a visitor has gone.
  """

  def __init__(self, app: ASGIApp):
    """Takes the application to guard."""
    self._app = app

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Serves a request."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return

    async def with_headers(message: Message) -> None:
      if message['type'] == 'http.response.start':
        headers = MutableHeaders(scope=message)
        for name, value in _HEADERS.items():
          headers.setdefault(name, value)
        if scope['path'].startswith('/api/'):
          headers.setdefault('Cache-Control', 'no-store')
      await send(message)

    refused = _refuse(scope['path'], Headers(scope=scope))
    await (refused or self._app)(scope, receive, with_headers)


def _refuse(path: str, headers: Headers) -> responses.JSONResponse | None:
  """The answer to a request that is refused unread, or None."""
  length = headers.get('content-length', '')
  images = path == '/api/images'
  most = stores.MAX_BYTES if images else _MAX_JSON
  if headers.get('sec-fetch-site') == 'cross-site':
    return _problem(403, 'Another site may not use this server.')
  if length.isdecimal() and int(length) > most:
    return _problem(413, f'The request is too large; {most} bytes are taken.')
  coded = ','.join(headers.getlist('transfer-encoding')).lower()
  if 'chunked' in coded and not images:
    return _problem(413, 'Give the length of the request.')
  return None


def _problem(
  code: int, sentence: str, **headers: str
) -> responses.JSONResponse:
  return responses.JSONResponse(
    {'error': sentence}, status_code=code, headers=headers
  )

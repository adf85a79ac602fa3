"""What holds for every request: bounds, headers, and errors as JSON."""

from __future__ import annotations

from typing import Any

import fastapi
from fastapi import responses
from fastapi.exceptions import RequestValidationError
from starlette import routing
from starlette.exceptions import HTTPException

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

  def answer(
    code: int, sentence: str, **headers: str
  ) -> responses.JSONResponse:
    return responses.JSONResponse(
      {'error': sentence}, status_code=code, headers={**headers}
    )

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
    return answer(error.status_code, error.detail, **headers)

  @app.exception_handler(RequestValidationError)
  async def invalid(_: fastapi.Request, error: RequestValidationError):
    first = error.errors()[0]
    where = '.'.join(str(part) for part in first['loc'])
    return answer(422, f'{where}: {first["msg"]}.')

  @app.exception_handler(stores.TooLargeError)
  async def large(_: fastapi.Request, error: stores.TooLargeError):
    return answer(413, ' '.join(error.problems))

  @app.exception_handler(UserError)
  async def mistake(request: fastapi.Request, error: UserError):
    sending = request.url.path == '/api/images'
    return answer(415 if sending else 422, ' '.join(error.problems))

  @app.exception_handler(queues.FullError)
  async def busy(_: fastapi.Request, error: queues.FullError):
    del error
    return answer(
      503, 'Too much is waiting; try again.', **{'Retry-After': '2'}
    )

  @app.exception_handler(queues.GoneError)
  async def gone(_: fastapi.Request, error: queues.GoneError):
    del error
    return answer(503, 'The request was given up.')

  @app.exception_handler(MemoryError)
  async def memory(_: fastapi.Request, error: MemoryError):
    del error
    return answer(413, 'The picture takes more memory than there is.')


def bound(app: fastapi.FastAPI) -> None:
  """Bounds what is read, refuses other sites, and says what pages may do."""

  @app.middleware('http')
  async def guard(request: fastapi.Request, proceed):
    refused = None
    length = request.headers.get('content-length', '')
    most = _MAX_JSON
    if request.url.path == '/api/images':
      most = stores.MAX_BYTES
    if request.headers.get('sec-fetch-site') == 'cross-site':
      refused = (403, 'Another site may not use this server.')
    elif length.isdecimal() and int(length) > most:
      refused = (413, f'The request is too large; {most} bytes are taken.')
    elif 'chunked' in request.headers.get('transfer-encoding', '') and (
      most == _MAX_JSON
    ):
      refused = (413, 'Give the length of the request.')
    if refused:
      response: Any = responses.JSONResponse(
        {'error': refused[1]}, status_code=refused[0]
      )
    else:
      response = await proceed(request)
    for name, value in _HEADERS.items():
      response.headers.setdefault(name, value)
    if request.url.path.startswith('/api/'):
      response.headers.setdefault('Cache-Control', 'no-store')
    return response

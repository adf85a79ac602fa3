"""`adafm demo`: the page with the slider, served here or written to a folder.

adafm demo
adafm demo --build site/
"""

from __future__ import annotations

import argparse
import pathlib
import shlex
import threading
import webbrowser
from collections.abc import Mapping, Sequence

from adafm_jax.errors import UserError

_HOST = '127.0.0.1'
_PORT = 7860


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  add = parser.add_argument
  add('-m', '--model', help='shown first: a released model, or a model file')
  add(
    '--image',
    metavar='FILE',
    help='photograph to open the page with: JPEG, PNG, WebP, AVIF or BMP, up to'
    ' 24 million pixels and 60 MB',
  )
  add('--port', type=int, help=f'default: {_PORT}; 0: any')
  add('--build', metavar='DIR', help='write the page as static files instead')
  add(
    '--overwrite',
    action='store_true',
    help='replace files of --build, whatever they are; what an earlier --build'
    ' wrote is replaced without it',
  )
  add('--no-ui', action='store_true', help='serve the JSON API alone')
  add('--no-browser', action='store_true', help='do not open the browser')


def run(options: argparse.Namespace) -> None:
  """Serves until Ctrl-C, or builds.

  Raises:
    UserError: options that do not go together, a model or image that can't be
      read, a port that is taken, or the extra `demo` is not installed.
  """
  port = _check(options)
  try:
    from adafm_jax.demo import serve, site
  except ImportError as error:
    raise UserError(
      f'The demo needs {error.name}: pip install "adafm_jax[demo]".'
    ) from error
  models = site.choose_models(options.model)
  image = pathlib.Path(options.image) if options.image is not None else None
  if options.build is not None:
    pages = site.pages(models, server=False, image=image)
    _build(pathlib.Path(options.build), pages, replace=options.overwrite)
    return
  pages = {} if options.no_ui else site.pages(models, server=True, image=image)
  socket = serve.listen(_HOST, port)
  address = f'http://{_HOST}:{socket.getsockname()[1]}/'
  print(f'{address}{"api/openapi.json" if options.no_ui else ""}', flush=True)
  if not options.no_ui and not options.no_browser:
    threading.Thread(
      target=webbrowser.open, args=(address,), daemon=True
    ).start()
  serve.run(models, pages, socket, hosts=(_HOST, 'localhost'))


def _check(options: argparse.Namespace) -> int:
  """Checks what options say together; the port to listen on.

  Raises:
    UserError: they do not go together, or one is empty or out of range.
  """
  for name in ('model', 'image', 'build'):
    if getattr(options, name) == '':
      raise UserError(f'--{name} is empty; name one, or leave it out.')
  if options.build is None:
    if options.overwrite:
      raise UserError('--overwrite is of --build, which alone writes files.')
  elif options.no_ui:
    raise UserError('--build writes the page, and --no-ui leaves it out.')
  elif options.no_browser or options.port is not None:
    name = '--no-browser' if options.no_browser else '--port'
    raise UserError(f'--build writes files and serves none: leave {name} out.')
  if options.no_ui and options.image is not None:
    raise UserError('--image is for the page, and --no-ui leaves it out.')
  port: int = _PORT if options.port is None else options.port
  if not 0 <= port < 2**16:
    raise UserError(f'--port is {port}; it must be from 0 (any) to 65535.')
  return port


def _build(
  folder: pathlib.Path, pages: Mapping[str, bytes], *, replace: bool
) -> None:
  """Writes the page, and says what became of an earlier one."""
  from adafm_jax.demo import site

  left = site.build(folder, pages, replace=replace)
  if left.removed:
    print(f'removed {_names(left.removed)}, which an earlier --build wrote')
  if left.kept:
    print(
      f'left {_names(left.kept)}, whose origin is not known: remove it unless'
      ' it is to be published'
    )
  quoted = shlex.quote(str(folder))
  print(f'wrote {folder}: serve it with python -m http.server -d {quoted}')


def _names(paths: Sequence[pathlib.Path]) -> str:
  return ', '.join(map(str, paths))

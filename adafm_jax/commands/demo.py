"""`adafm demo`: the page with the slider, served here or written to a folder.

adafm demo
adafm demo --build site/
"""

from __future__ import annotations

import argparse
import pathlib
import threading
import webbrowser
from collections.abc import Sequence

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
  add('--port', type=int, default=_PORT, help=f'default: {_PORT}; 0: any')
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
  if options.build and options.no_ui:
    raise UserError('--build writes the page, and --no-ui leaves it out.')
  if options.overwrite and not options.build:
    raise UserError('--overwrite is of --build, which alone writes files.')
  if not 0 <= options.port < 2**16:
    raise UserError(
      f'--port is {options.port}; it must be from 0 (any) to 65535.'
    )
  try:
    from adafm_jax.demo import serve, site
  except ImportError as error:
    raise UserError(
      f'The demo needs {error.name}: pip install "adafm_jax[demo]".'
    ) from error
  models = site.choose_models(options.model)
  image = pathlib.Path(options.image) if options.image else None
  if options.build:
    folder = pathlib.Path(options.build)
    pages = site.pages(models, server=False, image=image)
    left = site.build(folder, pages, replace=options.overwrite)
    if left.removed:
      print(f'removed {_names(left.removed)}, which an earlier --build wrote')
    if left.kept:
      print(
        f'left {_names(left.kept)}, whose origin is not known: remove it unless'
        ' it is to be published'
      )
    print(f'wrote {folder}: serve it with python -m http.server -d {folder}')
    return
  pages = {} if options.no_ui else site.pages(models, server=True, image=image)
  socket = serve.listen(_HOST, options.port)
  address = f'http://{_HOST}:{socket.getsockname()[1]}/'
  print(f'{address}{"api/openapi.json" if options.no_ui else ""}', flush=True)
  if not options.no_ui and not options.no_browser:
    threading.Thread(
      target=webbrowser.open, args=(address,), daemon=True
    ).start()
  serve.run(models, pages, socket, hosts=(_HOST, 'localhost'))


def _names(paths: Sequence[pathlib.Path]) -> str:
  return ', '.join(map(str, paths))

"""The pictures that a bulk job's inputs name: lists, folders and stores."""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Iterator

from adafm_jax.errors import UserError
from adafm_jax.restore import manifest, objects
from adafm_jax.restore import pairs as pairing
from adafm_jax.restore.cluster import PictureTask

_LIST = '.txt'  # an input with this suffix lists pictures, a line each


def find(options: argparse.Namespace) -> list[PictureTask]:
  """The pictures of all inputs.

  Raises:
    UserError: there are none; or two results would have one name.
  """
  given = [x for text in options.input for x in _listed(text)]
  tasks: list[PictureTask] = []
  for uri in filter(objects.is_uri, given):
    tasks += _stored(uri, options)
  if local := [x for x in given if not objects.is_uri(x)]:
    output = pathlib.Path(options.output)
    pairs = pairing.find(
      local,
      options.output,
      suffix=options.suffix,
      ext=options.ext,
      recursive=options.recursive,
    )
    if pairs[0].target == output:
      raise UserError('-o names one picture; give a folder for the results.')
    tasks += [
      PictureTask(
        os.fspath(pair.source),
        manifest.result_name(pair.target, output),
        pair.problem,
      )
      for pair in pairs
    ]
  if not tasks:
    raise UserError(f'No pictures are listed in {", ".join(options.input)}.')
  manifest.check_names((task.result, task.source) for task in tasks)
  return list(dict.fromkeys(tasks))  # a picture may be named twice


def _listed(text: str) -> Iterator[str]:
  """The lines of a list of pictures; or the input itself."""
  path = pathlib.Path(text)
  if objects.is_uri(text) or path.suffix.lower() != _LIST:
    yield text
    return
  try:
    lines = path.read_text('utf-8-sig', 'surrogateescape').split('\n')
  except OSError as error:
    raise UserError(
      f'Cannot read the list {text}: {error.strerror}.'
    ) from error
  yield from filter(None, (line.strip(' \t\r') for line in lines))


def _stored(uri: str, options: argparse.Namespace) -> Iterator[PictureTask]:
  """Pictures of an object store: a file by its suffix, or a folder's.

  Raises:
    UserError: a folder holds none, or can't be read.
  """
  place, name = objects.split(uri.rstrip('/'))
  if pairing.is_image(pathlib.Path(name)):
    names = [name]
  else:
    place = uri.rstrip('/')
    names = [
      name
      for name in objects.open_store(place).names()
      if pairing.is_image(pathlib.Path(name))
      and (options.recursive or '/' not in name)
    ]
    if not names:
      raise UserError(f'{uri} holds no image (of a known suffix).')
  for name in names:
    result = pairing.result_path(
      pathlib.Path(name), suffix=options.suffix, ext=options.ext
    )
    yield PictureTask(f'{place}/{name}', result.as_posix())

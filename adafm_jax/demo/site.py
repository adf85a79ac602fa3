"""The page as files: what a server answers with, and what --build writes."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import re
import string
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import rcssmin
import rjsmin
from PIL import Image

from adafm_jax import files, zoo
from adafm_jax.demo import weights
from adafm_jax.engine import preview
from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.model import Model
from adafm_jax.restore import overwrite, own

WEB = pathlib.Path(__file__).parents[1] / 'web'
TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wgsl': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.safetensors': 'application/octet-stream',
}
# What browsers open, and the bounds of web/pictures.js.
KINDS = ('JPEG', 'PNG', 'WEBP', 'AVIF', 'BMP')
MAX_PIXELS = 24_000_000
MAX_BYTES = 60_000_000
_LIST, _OPENED = 'site.json', 'opened'
_TITLES = {'denoise': 'Noise', 'dejpeg': 'JPEG', 'sr': 'Enlarge'}
_THUMB = (160, 120)
# Photographs in scikit-image's wheel, free to use, with what is said of them.
_SAMPLES = (
  ('chelsea', 'A cat', 'Chelsea the cat, by Stefan van der Walt (CC0)'),
  (
    'coffee',
    'A cup of coffee',
    'Pikolo Espresso Bar, by Rachel Michetti (CC0)',
  ),
  ('astronaut', 'An astronaut', 'Eileen Collins, NASA (public domain)'),
)


@dataclasses.dataclass(frozen=True)
class Served:
  """A model that the page offers.

  Attributes:
    name: what the page and the API call it by.
    model: header and weights.
  """

  name: str
  model: Model


class Left(NamedTuple):
  """Files of an earlier build that a later one did not write again.

  Attributes:
    removed: known as ours, and gone.
    kept: not known as ours, and still there.
  """

  removed: list[pathlib.Path]
  kept: list[pathlib.Path]


def choose_models(first: str | None) -> list[Served]:
  """The released models, the small ones first; before all, the one asked for.

  Args:
    first: name of a released model or path of a model file; None for neither.

  Raises:
    UserError: the model is unknown or its file broken.
  """
  found = [Served(name, zoo.load(name)) for name in zoo.entries()]
  found.sort(key=lambda served: served.model.arch.features)
  if first is not None:
    # Addresses and JSON hold UTF-8 alone, and file names any bytes.
    name = os.fsencode(pathlib.Path(first).stem).decode(errors='replace')
    asked = Served(name, zoo.load(first))
    found = [asked, *(x for x in found if x.name != asked.name)]
  if not found:
    raise UserError(
      'No released models come with this version; give --model a model file.'
    )
  return found


def _read(path: pathlib.Path) -> bytes:
  """A file of the page, without indentation, and code without comments."""
  shrink = _SHRINK.get(path.suffix)
  return shrink(path.read_bytes()) if shrink else path.read_bytes()


def _unindent(text: bytes) -> bytes:
  lines = (line.strip() for line in text.split(b'\n'))
  return b'\n'.join(line for line in lines if line) + b'\n'


def _shrink_script(text: bytes) -> bytes:
  """Without comments; private names, which no other file sees, are short."""
  text = rjsmin.jsmin(text)
  names = sorted(set(re.findall(rb'\.#(\w+)', text)))
  letters = (letter.encode() for letter in string.ascii_letters)
  short = dict(zip(names, letters, strict=False))  # 52 are enough
  return re.sub(
    rb'(?<=#)\w+', lambda found: short.get(found[0], found[0]), text
  )


_SHRINK = {
  '.js': _shrink_script,
  '.css': rcssmin.cssmin,
  '.html': _unindent,
  '.wgsl': lambda text: _unindent(re.sub(rb'//[^\n]*', b'', text)),
}


def pages(
  models: Sequence[Served],
  *,
  server: bool,
  image: pathlib.Path | None = None,
) -> dict[str, bytes]:
  """All files of the page, by their path below its address.

  Args:
    models: that it offers, the first one shown.
    server: whether the API is beside it.
    image: a photograph to open it with.

  Returns:
    The files; 'site.json' says what there is to the page's code.

  Raises:
    UserError: the image can't be read, or the page would not open it.
  """
  opened = _read_opened(image) if image else None
  found = {
    path.relative_to(WEB).as_posix(): _read(path)
    for path in sorted(WEB.rglob('*'))
    if path.suffix in TYPES
  }
  released = zoo.entries()
  site: dict[str, Any] = {'server': server, 'models': [], 'samples': []}
  for served in models:
    file = _model_file(served.name)
    found[file] = weights.export(served.model, served.name)
    task = served.model.levels.task
    title = served.name
    if title in released:
      title = title.replace(task, _TITLES[task]).replace('-', ', ')
    url = urllib.parse.quote(file)
    site['models'].append({'name': served.name, 'title': title, 'file': url})
  for name, title, credit in _SAMPLES:
    picture, thumb = f'samples/{name}.png', f'samples/{name}-small.jpg'
    found[picture], found[thumb] = _sample(name)
    site['samples'].append(
      {'name': name, 'title': title, 'credit': credit, 'file': picture}
      | {'thumb': thumb}
    )
  if server:
    site['preview'] = {
      'nodes': preview.NODES,
      'coefficients': preview.coefficients().tolist(),
    }
  if opened is not None:
    found[_OPENED] = opened
    site['open'] = _OPENED
  found[_LIST] = json.dumps(site).encode()
  return found


def build(
  folder: pathlib.Path,
  found: Mapping[str, bytes],
  *,
  replace: bool = False,
) -> Left:
  """Writes the page as files that any web host serves.

  The photograph and the models of an earlier build are not left to be
  published: those that this one does not write are removed.

  Args:
    folder: where.
    found: the files, by their path below it.
    replace: whether files of these names may be replaced, whatever they are.

  Returns:
    What became of them.

  Raises:
    UserError: the folder can't be written to, or holds a file of another
      program of the name of one of them.
  """
  overwrite.refuse(
    (folder / name for name in found),
    replace=replace,
    earlier='--build',
    other='folder',
  )
  earlier = [folder / name for name in _earlier(folder) if name not in found]
  for name, data in found.items():
    files.write_bytes(folder / name, data, own.mark)
  left = Left([], [])
  for path in earlier:
    if own.is_own(path):
      with files.writing(path):
        path.unlink()
      left.removed.append(path)
    elif os.path.lexists(path):
      left.kept.append(path)
  return left


def _earlier(folder: pathlib.Path) -> list[str]:
  """Photograph and models that an earlier build may have written, by name.

  Other commands mark their files, too: models are those that its list names.
  """
  listed = folder / _LIST
  if not own.is_own(listed):
    return [_OPENED]
  models = json.loads(listed.read_bytes())['models']
  return [_OPENED, *(_model_file(each['name']) for each in models)]


def _model_file(name: str) -> str:
  return f'models/{name}.safetensors'


def _read_opened(path: pathlib.Path) -> bytes:
  """An image file that the page opens: what it would refuse is refused here."""
  photo = photos.read_photo(path)
  height, width, _ = photo.pixels.shape
  data = path.read_bytes()
  problem = ''
  if photo.format not in KINDS:
    problem = (
      f'it is a {photo.format} file; give a JPEG, PNG, WebP, AVIF or BMP file'
    )
  elif width * height > MAX_PIXELS:
    problem = (
      f'it has {width} x {height} pixels; give one of up to'
      f' {MAX_PIXELS // 10**6} million'
    )
  elif len(data) > MAX_BYTES:
    problem = (
      f'it has {len(data) / 1e6:.1f} MB; give one of up to'
      f' {MAX_BYTES // 10**6} MB'
    )
  if problem:
    raise UserError(f'The page cannot open --image {path}: {problem}.')
  return data


def _sample(name: str) -> tuple[bytes, bytes]:
  """A photograph as PNG, and its middle, small, as JPEG."""
  from skimage import data

  pixels: np.ndarray = getattr(data, name)()
  whole = Image.fromarray(pixels)
  small = whole.copy()
  small.thumbnail((2 * _THUMB[0], 2 * _THUMB[1]))
  left, top = ((a - b) // 2 for a, b in zip(small.size, _THUMB, strict=True))
  small = small.crop((left, top, left + _THUMB[0], top + _THUMB[1]))
  png, jpeg = io.BytesIO(), io.BytesIO()
  whole.save(png, 'PNG', optimize=True)
  small.save(jpeg, 'JPEG', quality=80)
  return png.getvalue(), jpeg.getvalue()

"""Adds a model to the released models.

  python -m release.register FILE --name my-denoiser \
    --description 'colour photographs' --licence Apache-2.0 --dtype float16

Copies the weights into adafm_jax/zoo under the model's name and enters it in
registry.json. An existing model is replaced only with --replace.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from adafm_jax import files, zoo
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError, entry_point
from adafm_jax.model import Model
from adafm_jax.model_file import header as headers

# A path from the root, not the end of a URL or of a relative path.
_ABSOLUTE = re.compile(r'(?<![\w.:/])/(?:[^/,=\s]+/)+([^/,=\s]+)')


def register(
  path: str,
  *,
  name: str,
  description: str,
  licence: str,
  quality: str | None = None,
  dtype: str = 'float32',
  replace: bool = False,
) -> zoo.Released:
  """Copies a model into the zoo and enters it in the registry.

  Args:
    path: of the model file.
    name: lower-case letters, digits and hyphens.
    description: what it is for, one line.
    licence: of the weights.
    quality: what was measured, one line; None takes it from the file's
      metrics.
    dtype: of the weights in the zoo, 'float32' or 'float16'.
    replace: whether an entry of this name may be replaced.

  Raises:
    UserError: the name is bad or taken, a text is empty or has several lines,
      or the model file is bad.
  """
  if not re.fullmatch(r'[a-z][a-z0-9-]*', name):
    raise UserError(
      f'{name!r} is not a name for a model; give lower-case letters, digits and'
      ' hyphens, as in sr-x2-x4.'
    )
  known = zoo.entries()
  if name in known and not replace:
    raise UserError(
      f'There already is a model {name!r}; --replace replaces it.'
    )
  model = Model.load(path)
  public = without_folders(model.provenance)
  model = dataclasses.replace(model, provenance=public)
  texts = {
    'description': description,
    'licence': licence,
    'quality': measured(model) if quality is None else quality,
  }
  for field, text in texts.items():
    if not text.strip() or '\n' in text:
      raise UserError(f'--{field} must be one line of text, not {text!r}.')
  file = f'{name}.safetensors'
  model.save(zoo.FOLDER / file, dtype=dtype)
  checksum = files.sha256(zoo.FOLDER / file)
  entry = zoo.Released(name=name, file=file, sha256=checksum, **texts)
  _enter(entry)
  return entry


def state(name: str, quality: str) -> None:
  """Enters what was measured of a released model.

  Args:
    name: of the model.
    quality: one line.
  """
  _enter(dataclasses.replace(zoo.entries()[name], quality=quality))


def _enter(entry: zoo.Released) -> None:
  listed = zoo.entries() | {entry.name: entry}
  entries = [dataclasses.asdict(x) for x in listed.values()]
  files.write_json(zoo.FOLDER / zoo.REGISTRY, entries)


def without_folders(value: Any) -> Any:
  """JSON values in which absolute paths are cut to their last name.

  A run's config says where its images were; a released model only says which.
  """
  if isinstance(value, str):
    return _ABSOLUTE.sub(r'\1', value)
  if isinstance(value, Mapping):
    return {key: without_folders(x) for key, x in value.items()}
  if isinstance(value, list | tuple):
    return [without_folders(x) for x in value]
  return value


def measured(model: headers.Header) -> str:
  """Metrics of a model file in one line; '' if it has none.

  All levels of the first set under its first protocol, for example
  'cbsd68 (RGB, noisy input unclipped): sigma 15 33.12, sigma 75 25.40 dB'.
  Held-out training images are used only if there is no other set.
  """
  rows = model.provenance.get('metrics') or []
  if not rows:
    return ''
  others = [row for row in rows if row['set'] != 'heldout']
  first = (others or rows)[0]
  label = levels.TASKS[model.levels.task].label
  same = [
    (label(row['level']), row['psnr'])
    for row in rows
    if all(row.get(key) == first.get(key) for key in ('set', 'protocol'))
  ]
  return line(first['set'], first.get('protocol'), same)


def line(
  name: str, protocol: str | None, scores: Sequence[tuple[str, float]]
) -> str:
  """What was measured, in one line.

  Args:
    name: of the set.
    protocol: how it was measured; none: unknown.
    scores: a level in words, and PSNR in dB.
  """
  told = f' ({protocol})' if protocol else ''
  values = ', '.join(f'{level} {psnr:.2f}' for level, psnr in scores)
  return f'{name}{told}: {values} dB'


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m release.register`."""
  parser = argparse.ArgumentParser(
    prog='python -m release.register',
    description='Adds a model to the released models, in this checkout.',
  )
  add = parser.add_argument
  add('file', help='model file (.safetensors)')
  add('--name', required=True, help='as in denoise')
  add('--description', required=True, help='what it is for, one line')
  add('--licence', required=True, help='of the weights, as in Apache-2.0')
  add('--quality', help='what was measured (default: from the file)')
  add('--dtype', default='float32', choices=list(headers.DTYPES.values()))
  add('--replace', action='store_true', help='replace an entry of this name')
  options = vars(parser.parse_args(argv))
  entry = register(options.pop('file'), **options)
  size = entry.path.stat().st_size / 1e6
  print(f'registered {entry.name}: {entry.path} ({size:.2f} MB)')
  print(f'quality: {entry.quality}')


if __name__ == '__main__':
  sys.exit(main())

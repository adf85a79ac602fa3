"""`adafm convert`: from the authors' PyTorch naming to a model file, and back.

Which way is what the first file says: a model file, or a released model's name,
is converted to the authors' naming, anything else from it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
from collections.abc import Sequence

from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.restore import overwrite, own


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  add = parser.add_argument
  add(
    'file',
    nargs='+',
    help="state dict in the authors' naming (.pth, .pt, or .safetensors, which"
    ' needs no PyTorch), or a basic one and an adapted one; or a model file, or'
    " a released model's name, to convert back",
  )
  add(
    *('-o', '--output'),
    required=True,
    help='model file (.safetensors); on the way back .pth, .pt or .safetensors',
  )
  add(
    '--overwrite',
    action='store_true',
    help='replace the output, whatever it is; what an earlier call wrote is'
    ' replaced without it',
  )
  there = parser.add_argument_group("from the authors' naming")
  there.add_argument(
    '--task',
    choices=list(levels.TASKS),
    help='what the model restores; with --start and --end, for files that do'
    ' not say it themselves',
  )
  there.add_argument('--start', type=float, help='level of strength 0')
  there.add_argument('--end', type=float, help='level of strength 1')
  back = parser.add_argument_group('to it')
  back.add_argument(
    '--path',
    choices=['line'],
    help='of a bent model the straight path, which is all the authors have',
  )
  back.add_argument(
    '--basic',
    action='store_true',
    help='the basic model alone, which is strength 0',
  )


def run(options: argparse.Namespace) -> None:
  """Converts the files.

  Raises:
    UserError: they are not state dicts of the authors' network or a model file,
      an option is missing or out of place, the levels are not legal, the output
      has no suffix of its format, or a file of another program would be
      overwritten.
  """
  output = os.path.realpath(options.output)
  if output in map(os.path.realpath, options.file):
    raise UserError(f'{options.output} is the file to convert; give another.')
  overwrite.refuse([pathlib.Path(options.output)], replace=options.overwrite)
  if _is_model(options.file):
    _to_authors(options)
  else:
    _from_authors(options)


def _is_model(paths: Sequence[str]) -> bool:
  """Whether to convert to the authors' naming, once all files are found."""
  from adafm_jax import zoo
  from adafm_jax.model_file import authors_file
  from adafm_jax.model_file import file as model_file

  first, *others = paths
  if released := first in zoo.entries():
    paths = others
  elif not os.path.exists(first):
    zoo.locate(first)  # says which names there are
  for path in paths:
    authors_file.check(path)
  if released:
    return True
  if authors_file.suffix(first) != authors_file.SAFETENSORS:
    return False
  return model_file.is_model(first)


def _from_authors(options: argparse.Namespace) -> None:
  span = _span(options)
  if options.path or options.basic:
    raise UserError('--path and --basic are for the way to the authors only.')
  if len(options.file) > 2:
    raise UserError('Give one file, or a basic and an adapted one, no more.')

  from adafm_jax.model import Model
  from adafm_jax.model_file import authors, authors_file

  if authors_file.suffix(options.output) != authors_file.SAFETENSORS:
    raise UserError(
      f'{options.output} must end in {authors_file.SAFETENSORS}, as model files'
      ' do.'
    )
  states, kept = [], None
  for path in options.file:
    state, header = authors_file.read(path)
    states.append(authors.without_parallel(state))
    kept = header or kept
  state = authors.join(*states) if len(states) > 1 else states[0]
  arch, params = authors.from_authors(state)
  if span:
    # The authors' noisy images are 8-bit files.
    noise = 'clipped' if span.task == 'denoise' else None
    model = Model(
      arch=arch,
      levels=span,
      params=params,
      noise=noise,
      provenance=authors_file.provenance(*options.file),
    )
  elif kept:
    fields = {x.name: getattr(kept, x.name) for x in dataclasses.fields(kept)}
    model = Model(params=params, **fields | {'arch': arch})
  else:
    raise UserError(
      f'{options.file[-1]} does not say its levels: give --task, --start and'
      ' --end.'
    )
  model.save(options.output, written=own.mark)
  print(f'wrote {options.output}: {model.arch}, {model.levels}')


def _to_authors(options: argparse.Namespace) -> None:
  if len(options.file) > 1:
    raise UserError("To the authors' naming one model is converted at a time.")
  if (options.task, options.start, options.end) != (None, None, None):
    raise UserError(
      'A model file says its levels: leave --task and others out.'
    )

  from adafm_jax import zoo
  from adafm_jax.model_file import authors, authors_file
  from adafm_jax.models import restorer

  model = given = zoo.load(options.file[0])
  if options.path:
    model = model.with_path(options.path)
  if options.basic:
    params = restorer.backbone(model.params)
    model = dataclasses.replace(model, arch=model.arch.basic, params=params)
  if model is not given:  # what was measured is the given model's
    made = dict(model.provenance)
    for name in ('metrics', 'paths'):
      made.pop(name, None)
    model = dataclasses.replace(model, provenance=made)
  state = authors.to_authors(model.params, model.arch)
  authors_file.write(options.output, state, model, own.mark)
  print(f'wrote {options.output}: {len(state)} tensors of {model.arch}')


def _span(options: argparse.Namespace) -> levels.LevelRange | None:
  given = (options.task, options.start, options.end)
  if given == (None, None, None):
    return None
  if None in given:
    raise UserError('Give --task, --start and --end together.')
  return levels.LevelRange(*given)

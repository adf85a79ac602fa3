"""`adafm export`: a model for other programs, as ONNX or StableHLO."""

from __future__ import annotations

import argparse
import pathlib
import re

from adafm_jax.errors import UserError
from adafm_jax.restore import overwrite, own

_SUFFIXES = ('.onnx', '.stablehlo')
MAX_SIDE = 16384  # of a fixed size, pixels


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  add = parser.add_argument
  add('output', help='file to write: NAME.onnx, or NAME.stablehlo for JAX')
  add(
    *('-m', '--model'),
    required=True,
    help='a released model by name (see `adafm models`), or a model file',
  )
  add(
    '--level',
    type=float,
    help="one level, fixed in the graph, in the model's unit: RGB in, RGB out"
    ' (without it, the strength is an input)',
  )
  add(
    '--map',
    action='store_true',
    help='the strength is an image, [N, 1, H, W] (StableHLO: [N, H, W]), not'
    ' one value an image',
  )
  add(
    '--static',
    metavar='N|HxW',
    help='one image of this size at a time, in pixels (default: any)',
  )
  add(
    '--float16',
    action='store_true',
    help='weights and what is computed with them in float16: half the file;'
    ' inputs and output stay float32',
  )
  add(
    '--path',
    help='line: straight between the two trained levels, as in the paper'
    " (default: the model's own path)",
  )
  add(
    '--overwrite',
    action='store_true',
    help='replace the file, whatever it is; what an earlier call wrote is'
    ' replaced without it',
  )


def run(options: argparse.Namespace) -> None:
  """Writes the file.

  Raises:
    UserError: an option is wrong, the model can't be read, the file can't be
      written, or another program's would be overwritten.
  """
  output = pathlib.Path(options.output)
  size = _size(options.static)
  _check(output, options)

  from adafm_jax import zoo

  model = zoo.load(options.model)
  if options.path:
    model = model.with_path(options.path)
  if output.suffix.lower() == '.stablehlo':
    from adafm_jax.export import stablehlo

    stablehlo.write(
      output, model, model.params, as_map=options.map, written=own.mark
    )
    print(f'wrote {output}: {stablehlo.about(model, as_map=options.map)}')
    return
  from adafm_jax.export import onnx_file

  form = onnx_file.Form(
    strength=onnx_file.MAP if options.map else onnx_file.IMAGE,
    level=options.level,
    size=size,
    dtype='float16' if options.float16 else 'float32',
  )
  onnx_file.write(output, model, model.params, form, own.mark)
  print(f'wrote {output}: {onnx_file.about(model, form)}')


def _check(output: pathlib.Path, options: argparse.Namespace) -> None:
  """Refuses options that contradict each other, all at once."""
  problems = []
  if output.suffix.lower() not in _SUFFIXES:
    problems.append(
      f'{output} has no suffix that says what to write: give one of'
      f' {", ".join(_SUFFIXES)} (for PyTorch see `adafm convert`).'
    )
  if options.map and options.level is not None:
    problems.append('Give --level, or --map for a strength as input, not both.')
  if output.suffix.lower() == '.stablehlo':
    for name in ('level', 'static', 'float16'):
      value = getattr(options, name)
      if value is not None and value is not False:  # a level of 0 is given
        problems.append(f'--{name} is for ONNX files only; leave it out.')
  if problems:
    raise UserError(problems)
  overwrite.refuse([output], replace=options.overwrite, other='file name')


def _size(text: str | None) -> tuple[int, int] | None:
  """(height, width) of '512' or '512x768'."""
  if text is None:
    return None
  match = re.fullmatch(r'(\d{1,6})(?:x(\d{1,6}))?', text)
  height, width = (
    (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
  )
  if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
    raise UserError(
      f'--static is {text!r}; it must be pixels, such as 512 or 512x768 (height'
      f' x width), up to {MAX_SIDE}.'
    )
  return height, width

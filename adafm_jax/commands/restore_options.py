"""The options of `adafm restore`."""

from __future__ import annotations

import argparse
import os

from adafm_jax.errors import UserError
from adafm_jax.restore import objects
from adafm_jax.restore import pairs as pairing


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  add = parser.add_argument
  add(
    *('-i', '--input'),
    required=True,
    nargs='+',
    metavar='PATH',
    help='pictures, folders of them, or patterns such as "scans/*.png"',
  )
  add(
    *('-o', '--output'),
    required=True,
    help='folder for the results, or for one picture the file',
  )
  add(
    *('-m', '--model'),
    required=True,
    help='a released model by name (see `adafm models`), or a model file',
  )
  _strength_arguments(parser.add_argument_group('how strong'))
  group = parser.add_argument_group('files')
  _result_arguments(group)
  _record_arguments(group)
  _running_arguments(parser.add_argument_group('running'))


def _strength_arguments(group: argparse._ArgumentGroup) -> None:
  add = group.add_argument
  add(
    '--level',
    type=float,
    help="how degraded the pictures are, in the model's unit: noise sigma (of"
    ' 255) or JPEG quality; to enlarge, the scale, which is required',
  )
  add(
    '--strength',
    type=float,
    help="instead of a level: 0 (the model's start level) to 1 (its end level);"
    ' 0 is its lightest setting, and not off',
  )
  add(
    '--auto',
    action='store_true',
    help='estimate the level of each picture (the default)',
  )
  add(
    '--from-recipe',
    metavar='FILE',
    help='restore as that picture was, which carries a recipe (see --recipe)',
  )
  add(
    '--mask',
    help='grey picture of the same proportions: the strength is multiplied by'
    ' it, white 1, black 0',
  )
  add(
    '--self-ensemble',
    action='store_true',
    help='average over the eight flips and turns: a little better, 8 times'
    ' slower',
  )


def _result_arguments(group: argparse._ArgumentGroup) -> None:
  """The results' names, their format, and those that exist already."""
  add = group.add_argument
  add(
    '--suffix',
    default='',
    help='goes behind the names of results, such as _restored (default: none)',
  )
  add(
    '--ext',
    default='auto',
    choices=list(pairing.EXTENSIONS),
    help='format of the results (auto: that of the picture)',
  )
  add(
    '--quality',
    type=int,
    help='of results with loss (JPEG, WebP, AVIF, JPEG XL), 1 to 100'
    ' (default 95, or what the recipe says)',
  )
  add(
    '--recursive', action='store_true', help='sub-folders too, kept as they are'
  )
  existing = group.add_mutually_exclusive_group()
  existing.add_argument(
    '--skip-existing',
    action='store_true',
    help='leave out pictures whose result exists: finishes a stopped call',
  )
  existing.add_argument(
    '--overwrite',
    action='store_true',
    help='replace whatever has the name of a result (never an input); results'
    ' of an earlier call are replaced without it',
  )


def _record_arguments(group: argparse._ArgumentGroup) -> None:
  """What is kept about the work: in the results and beside them."""
  add = group.add_argument
  add(
    '--recipe',
    action='store_true',
    help='keep in each result what it was made with (model, strength, ...)',
  )
  add(
    '--json',
    metavar='FILE',
    help='report a JSON line a picture as it is done; - is the standard output',
  )
  add(
    '--manifest',
    metavar='DIR',
    help='keep track in a folder, so that a call that is given again, or was'
    ' killed, does what is missing (see docs/bulk.md)',
  )
  add(
    '--shard',
    metavar='I/N',
    help='with --manifest: only this part of the work, I from 0 to N - 1',
  )


def _running_arguments(group: argparse._ArgumentGroup) -> None:
  add = group.add_argument
  add(
    '--tile',
    default='auto',
    metavar='auto|N',
    help='side of the tiles that large pictures are cut into, in pixels (auto,'
    ' the default: as memory allows)',
  )
  add(
    '--jobs',
    type=int,
    default=min(4, os.cpu_count() or 1),
    help='threads that read, and as many that write (default %(default)s)',
  )
  add(
    '--device',
    default='auto',
    help='cpu, gpu or tpu; gpu:1 is the second (default: a GPU or TPU if there'
    ' is one)',
  )
  add(
    '--runtime',
    choices=['jax', 'openvino'],
    help='what computes (default: jax, or what the recipe says); openvino is'
    ' faster on CPUs with bfloat16 units, and differs by a step of 255 here and'
    ' there (extra openvino)',
  )
  add('--dry-run', action='store_true', help='only say what would be done')


def check(options: argparse.Namespace) -> None:
  """Checks what options say together.

  Raises:
    UserError: they contradict each other, a number is out of range, or a name
      is empty.
  """
  for name in ('model', 'mask', 'from_recipe', 'manifest', 'shard'):
    if getattr(options, name) == '':
      option = name.replace('_', '-')
      raise UserError(f'--{option} is empty; name one, or leave it out.')
  check_runtime(options.runtime, options.device)
  if options.manifest and objects.is_uri(options.manifest):
    raise UserError(
      f'--manifest {options.manifest} is a URI; it must be a folder.'
    )
  given = [options.level is not None, options.strength is not None]
  if options.auto and any(given):
    raise UserError('Give --auto, or a --level or --strength, not both.')
  if options.from_recipe and (
    options.auto or options.self_ensemble or any(given)
  ):
    raise UserError(
      'A recipe says how: leave --level, --strength, --auto and --self-ensemble'
      ' out.'
    )
  if options.shard and not options.manifest:
    raise UserError(
      '--shard shares the work of --manifest DIR out; give that, too.'
    )
  if options.manifest and options.skip_existing:
    raise UserError(
      'The manifest says what is done: leave --skip-existing out.'
    )
  if options.jobs < 1:
    raise UserError(f'--jobs is {options.jobs}; it must be 1 or more.')
  if options.quality is not None and not 1 <= options.quality <= 100:
    raise UserError(f'--quality is {options.quality}; it must be 1 to 100.')


def check_local(*names: str) -> None:
  """Refuses object stores, which would be taken for folders here.

  Raises:
    UserError: a name is a URI.
  """
  for name in filter(objects.is_uri, names):
    raise UserError(
      f'{name} is in an object store; `python -m adafm_jax.restore.bulk`'
      ' restores from there and to there.'
    )


def check_runtime(runtime: str | None, device: str) -> None:
  """Checks that what computes can run there.

  Args:
    runtime: of the options, or of a recipe too.
    device: as in --device.

  Raises:
    UserError: it cannot.
  """
  if runtime == 'openvino' and device.partition(':')[0] not in ('auto', 'cpu'):
    raise UserError(
      'OpenVINO runs on the CPU: leave --device out, or give --runtime jax.'
    )

"""The `adafm` command: thin sub-commands over the package's functions.

A sub-command is one function that declares its arguments and its `run`. What
`run` needs is imported inside it, so that `adafm --help` comes at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from adafm_jax import errors
from adafm_jax.version import __version__

Commands = Any  # what add_subparsers returns; its class is private


@errors.entry_point
def main(argv: Sequence[str] | None = None) -> int | None:
  """Runs the command line.

  Args:
    argv: arguments; None: those of the process.

  Returns:
    Exit code: 0, or 2 after a user's mistake, told in a sentence on stderr.
  """
  parser = argparse.ArgumentParser(
    prog='adafm',
    description='Restore images; one strength goes from one level to another.',
  )
  parser.add_argument(
    '--version', action='version', version=f'adafm {__version__}'
  )
  commands = parser.add_subparsers(metavar='COMMAND')
  for add in COMMANDS:
    add(commands)
  args = parser.parse_args(argv)
  if not hasattr(args, 'run'):
    parser.print_help()
    return 0
  return args.run(args)


def _restore(commands: Commands) -> None:
  from adafm_jax.commands import restore_options as command_options

  text = 'restore photographs'
  parser = commands.add_parser('restore', help=text, description=text)
  command_options.arguments(parser)

  def run(args: argparse.Namespace) -> int:
    from adafm_jax.commands import restore as command

    return command.run(args)

  parser.set_defaults(run=run)


def _models(commands: Commands) -> None:
  text = 'list the released models'
  parser = commands.add_parser('models', help=text, description=text)
  parser.add_argument('--json', action='store_true', help='print JSON')

  def run(args: argparse.Namespace) -> None:
    import json

    from adafm_jax.commands import models as listing

    if args.json:
      print(json.dumps(listing.summarize(), indent=2))
    else:
      print(listing.describe(), end='')

  parser.set_defaults(run=run)


def _info(commands: Commands) -> None:
  text = 'print what a model file holds'
  parser = commands.add_parser('info', help=text, description=text)
  parser.add_argument('file', help='model file, or name of a released one')
  parser.add_argument('--json', action='store_true', help='print JSON')

  def run(args: argparse.Namespace) -> None:
    import json

    from adafm_jax import zoo
    from adafm_jax.commands import info as model_info

    path = zoo.locate(args.file)
    if args.json:
      print(json.dumps(model_info.summarize(path), indent=2))
    else:
      print(model_info.describe(path), end='')

  parser.set_defaults(run=run)


def _convert(commands: Commands) -> None:
  from adafm_jax.degrade import level as levels

  text = "convert weights of the authors' PyTorch code to a model file"
  parser = commands.add_parser('convert', help=text, description=text)
  parser.add_argument('file', help='state dict saved by PyTorch (.pth)')
  parser.add_argument(
    '-o', '--output', required=True, help='model file to write (.safetensors)'
  )
  parser.add_argument('--task', required=True, choices=list(levels.TASKS))
  for end, meaning in (('start', 'lambda 0'), ('end', 'lambda 1')):
    parser.add_argument(
      f'--{end}', type=float, required=True, help=f'level of {meaning}'
    )

  def run(args: argparse.Namespace) -> None:
    from adafm_jax.model import Model
    from adafm_jax.model_file import authors as convert

    span = levels.LevelRange(args.task, args.start, args.end)
    arch, params = convert.from_authors(convert.read_pth(args.file))
    model = Model(
      arch=arch,
      levels=span,
      params=params,
      # The authors' noisy images are 8-bit files.
      noise='clipped' if args.task == 'denoise' else None,
      provenance=convert.provenance(args.file),
    )
    model.save(args.output)
    print(f'wrote {args.output}: {arch}, {span}')

  parser.set_defaults(run=run)


COMMANDS = (_restore, _models, _info, _convert)

if __name__ == '__main__':
  sys.exit(main())

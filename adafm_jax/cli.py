"""The `adafm` command: one sub-command a file, imported when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from adafm_jax import errors
from adafm_jax.version import __version__

# Each module defines `arguments(parser)` and `run(options)`, except that of
# 'train', whose command line also sets fields of the config.
COMMANDS = {
  'restore': ('restore photographs', 'adafm_jax.commands.restore'),
  'merge': (
    'join the parts of a bulk job, and list what is missing',
    'adafm_jax.commands.merge',
  ),
  'sweep': ('restore images at many strengths', 'adafm_jax.commands.sweep'),
  'demo': ('drag the strength in the browser', 'adafm_jax.commands.demo'),
  'models': ('list the released models', 'adafm_jax.commands.models'),
  'info': ('print what a model file holds', 'adafm_jax.commands.info'),
  'train': ('train a model, or resume its training', 'adafm_jax.main'),
  'report': (
    "report the paper's experiments beside its numbers",
    'adafm_jax.commands.report',
  ),
  'prepare': ('prepare a data set', 'adafm_jax.prepare.prepare'),
  'export': ('write a model as ONNX or StableHLO', 'adafm_jax.commands.export'),
  'convert': (
    "convert weights from the authors' PyTorch naming, or to it",
    'adafm_jax.commands.convert',
  ),
}


@errors.entry_point
def main(argv: Sequence[str] | None = None) -> int | None:
  """Runs the command line.

  Args:
    argv: arguments; None takes those of the process.

  Returns:
    Exit code: 0; 1 if part of the work failed; 2 after a user's mistake, which
    is reported on stderr.
  """
  given = list(sys.argv[1:] if argv is None else argv)
  if given[:1] == ['train']:
    from adafm_jax import main as training

    return training.main(given[1:])
  parser = argparse.ArgumentParser(
    prog='adafm',
    description='Restore photographs with networks whose strength is a number:'
    ' from the noise, JPEG quality or scale a network starts at to the one it'
    ' ends at. Train, measure and export such networks.',
  )
  parser.add_argument(
    '--version', action='version', version=f'adafm {__version__}'
  )
  commands = parser.add_subparsers(metavar='COMMAND')
  for name, (text, module) in COMMANDS.items():
    about = f'{text[0].upper()}{text[1:]}.'
    command = commands.add_parser(name, help=text, description=about)
    if given[:1] == [name]:
      made = importlib.import_module(module)
      made.arguments(command)
      command.set_defaults(run=made.run)
  options = parser.parse_args(given)
  if not hasattr(options, 'run'):
    parser.print_help()
    return 0
  return options.run(options)


if __name__ == '__main__':
  sys.exit(main())

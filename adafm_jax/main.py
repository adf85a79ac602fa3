"""Trains: `python -m adafm_jax.main --config configs/quickstart.py`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from adafm_jax.config import command_line
from adafm_jax.config import parse as configs
from adafm_jax.errors import UserError, entry_point
from adafm_jax.train import mesh as meshes


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.main',
    description='Trains, adapts, calibrates and evaluates a model. --workdir\n'
    'alone resumes the run in it. See launch/ for several processes.',
    epilog='config fields and their defaults:\n\n'
    + configs.describe(configs.Config()),
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  add = parser.add_argument
  # `command_line` removes these two first; they are listed here for --help.
  add(
    '--config',
    metavar='FILE',
    help='the experiment, as in configs/; or lists of them, as configs/paper,'
    ' which also take --config.preset, .tasks and .seeds (docs/paper.md)',
  )
  add('--config.FIELD', metavar='VALUE', help='change one of the fields below')
  add('--workdir', metavar='DIR', help='folder of the run')
  add('--coordinator', metavar='HOST:PORT', help='address of process 0')
  add('--processes', type=int, metavar='N', help='number of processes')
  add('--process', type=int, metavar='I', help='number of this one, from 0')
  return parser


@entry_point
def main(argv: Sequence[str] | None = None) -> int | None:
  """Parses the command line and runs the experiment, or the paper's lists."""
  arguments = sys.argv[1:] if argv is None else argv
  parser = _parser()
  if {'-h', '--help'} & set(arguments):
    parser.parse_args(['--help'])
  path, overrides, others = command_line.separate(arguments)
  if path and command_line.holds_lists(path):
    options = parser.parse_args(others)
    if options.coordinator or options.processes or options.process:
      raise UserError(
        'Lists of experiments need no --coordinator: start as many processes as'
        ' you like on one --workdir.'
      )
    workdir = command_line.require_workdir(options.workdir, path)
    from adafm_jax.commands import paper

    return paper.run(path, overrides, workdir)
  parsed, others = command_line.take_config(arguments)
  options = parser.parse_args(others)
  workdir = command_line.require_workdir(options.workdir, parsed)
  meshes.join_processes(options.coordinator, options.processes, options.process)
  from adafm_jax.commands import train
  from adafm_jax.engine import compile_cache, heap

  compile_cache.enable()
  heap.keep()
  train.run(parsed, workdir)
  return None


if __name__ == '__main__':
  sys.exit(main())

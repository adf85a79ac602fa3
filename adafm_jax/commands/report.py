"""Writes the report of the paper's experiments: `adafm report WORKDIR`."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from adafm_jax.errors import entry_point


def arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the command's arguments."""
  parser.add_argument(
    'workdir', type=pathlib.Path, help='of the lists in configs/paper'
  )
  parser.add_argument(
    '-o',
    '--output',
    type=pathlib.Path,
    help='folder for report.md and report.html (default: the workdir)',
  )


def run(options: argparse.Namespace) -> int:
  """Writes the report and names its files."""
  from adafm_jax.paper import report

  output = options.output or options.workdir
  for path in report.write(options.workdir, output):
    print(f'written: {path}')
  return 0


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
  """The command `python -m adafm_jax.commands.report`."""
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.commands.report', description=__doc__
  )
  arguments(parser)
  return run(parser.parse_args(argv))


if __name__ == '__main__':
  sys.exit(main())

"""Writes the report of the paper's experiments: `adafm report WORKDIR`."""

from __future__ import annotations

import argparse
import pathlib


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  parser.add_argument(
    'workdir',
    type=pathlib.Path,
    help='folder in which the lists of configs/paper run, or ran',
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

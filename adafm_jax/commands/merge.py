"""`adafm merge`: what the parts of a bulk job did, and what is missing."""

from __future__ import annotations

import argparse
import collections
import pathlib

from adafm_jax import errors

EXIT_INCOMPLETE = 1


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  parser.add_argument(
    'manifest', metavar='DIR', help='what `adafm restore --manifest` was given'
  )


def run(options: argparse.Namespace) -> int:
  """Writes DIR/manifest.parquet, and says whether the job is whole.

  Returns:
    Exit code: 0, or 1 if pictures are missing, failed, or were done twice with
    different results.

  Raises:
    UserError: there is no manifest, or it is damaged.
  """
  from adafm_jax.restore import merge

  folder = pathlib.Path(options.manifest)
  merged = merge.merge(folder)
  counts = collections.Counter(row['status'] for row in merged.rows)
  kinds = ', '.join(f'{n} {status}' for status, n in sorted(counts.items()))
  print(f'{folder / merge.TABLE}: {kinds or "no pictures"}')
  errors.show(errors.first(merged.problems))
  return EXIT_INCOMPLETE if merged.problems else 0

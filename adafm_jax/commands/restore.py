"""`adafm restore`: photographs in, restored photographs out.

adafm restore -i holiday/ -o restored/ -m denoise
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from adafm_jax import errors, files, progress
from adafm_jax.commands import restore_job, restore_options
from adafm_jax.commands.restore_options import arguments as arguments
from adafm_jax.restore import overwrite, recipe
from adafm_jax.restore import pairs as pairing

if TYPE_CHECKING:
  from adafm_jax.restore.workers import Outcome


def run(options: argparse.Namespace) -> int:
  """Does what the command line says.

  Returns:
    Exit code: 0, or 1 if some pictures could not be restored.

  Raises:
    UserError: bad options, before anything is written.
  """
  with printing():
    return _run(options)


@contextlib.contextmanager
def printing() -> Iterator[None]:
  """Prints names in any encoding, and works on where nobody reads them."""
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors='backslashreplace')
  with errors.going_on_unread():
    yield


def _run(options: argparse.Namespace) -> int:
  from adafm_jax.restore import report

  restore_options.check_local(*options.input, options.output)
  pairs = pairing.find(
    options.input,
    options.output,
    suffix=options.suffix,
    ext=options.ext,
    recursive=options.recursive,
  )
  restore_options.check(options)
  if options.json is not None:
    report.check(options.json, pairs)
  if options.manifest:
    return _run_part(options, pairs)
  existing = check_results(options, pairs, [])
  return _restore_all(restore_job.make_job(options), pairs, options, existing)


def _run_part(
  options: argparse.Namespace, pairs: Sequence[pairing.Pair]
) -> int:
  """Restores what falls to one process, and is not done yet."""
  from adafm_jax.restore import manifest, shards

  shard = shards.parse(options.shard or '0/1')
  output, job = pathlib.Path(options.output), restore_job.make_job(options)
  named = [(manifest.result_name(p.target, output), p) for p in pairs]
  sources = [str(pair.source) for pair in pairs]
  manifest.check_names(zip((name for name, _ in named), sources, strict=True))
  mine = [(name, pair) for name, pair in named if shard.has(name)]
  with manifest.opened(
    pathlib.Path(options.manifest),
    shard,
    restore_job.identity(job, options),
    dry_run=options.dry_run,
  ) as journal:
    journal.check_sources((name, str(pair.source)) for name, pair in mine)
    left = {
      name: pair
      for name, pair in mine
      if name not in journal.done or not os.path.lexists(pair.target)
    }
    _print(
      f'part {shard.index} of {shard.count}: {len(mine)} picture(s),'
      f' {len(mine) - len(left)} done before',
      options,
    )
    places = {
      name: recipe.places(pair.target, job.recipe)
      for name, pair in left.items()
    }
    claimed = frozenset(
      path for x in places.keys() & journal.claimed for path in places[x]
    )
    existing = check_results(options, list(left.values()), sources, claimed)
    if options.dry_run:
      return _restore_all(job, list(left.values()), options, existing)
    if journal.begun:
      files.remove_leftovers(path for x in places.values() for path in x)
    new = [x for x in places if not any(map(os.path.lexists, places[x]))]
    alone = any(pair.target == output for pair in pairs)
    folder = output.parent if alone else output
    journal.begin(len(mine), left, new, str(folder))
    return _restore_all(job, list(left.values()), options, existing, journal)


def check_results(
  options: argparse.Namespace,
  pairs: Sequence[pairing.Pair],
  sources: Iterable[str],
  claimed: frozenset[pathlib.Path] = frozenset(),
) -> overwrite.Existing:
  """Refuses to overwrite files, unless an earlier call `claimed` them.

  Args:
    options: of the call.
    pairs: to be restored.
    sources: pictures of the job that `pairs` lack, done or of other parts.
    claimed: see `overwrite.Existing`.
  """
  existing = overwrite.Existing(
    options.skip_existing, options.overwrite, claimed
  )
  overwrite.check(
    pairs,
    existing=existing,
    sidecar=recipe.SIDECAR if options.recipe else '',
    keep=[
      x
      for x in (
        *(options.model, options.mask, options.from_recipe),
        *options.input,
        *sources,
      )
      if x
    ],
  )
  return existing


def _restore_all(
  job,
  pairs: Sequence[pairing.Pair],
  options: argparse.Namespace,
  existing: overwrite.Existing,
  journal=None,
) -> int:
  """Restores pictures, and keeps account of them to the end or a stop."""
  from adafm_jax.restore import manifest, report

  if pairs and not options.dry_run:
    files.make_folder(pairs[0].target.parent)
  began, output = time.monotonic(), pathlib.Path(options.output)
  # What an earlier call left may have another level, so it can't be skipped.
  fresh = not any(os.path.exists(pair.target) for pair in pairs)
  outcomes: list[Outcome] = []
  with report.opened(options.json) as lines:
    try:
      for outcome in _restored(job, pairs, options, existing):
        outcomes.append(outcome)
        if journal:
          journal.add(manifest.row(outcome, output))
        lines.add(report.picture(outcome))
    finally:
      seconds = time.monotonic() - began
      lines.add(report.call(job, outcomes, len(pairs), seconds))
      _print(
        report.summary(outcomes, len(pairs), seconds, options.output), options
      )
      if len(outcomes) < len(pairs):
        skips = fresh and not (options.manifest or options.overwrite)
        more = ' with --skip-existing' if skips else ''
        _print(f'To finish, give the same command{more}.', options)
  said = [*(outcome.problem for outcome in outcomes), lines.problem]
  problems = list(filter(None, said))
  errors.show(problems)
  return errors.EXIT_SOME_FAILED if problems else 0


def _restored(
  job,
  pairs: Sequence[pairing.Pair],
  options: argparse.Namespace,
  existing: overwrite.Existing,
) -> Iterator[Outcome]:
  """Restores pictures beside a bar; prints a line for each once it is used."""
  from adafm_jax.restore import report, workers

  with progress.bar('restoring', 'picture', total=len(pairs)) as bar:
    for outcome in workers.run(
      job,
      pairs,
      threads=options.jobs,
      existing=existing,
      dry_run=options.dry_run,
    ):
      yield outcome
      _print(report.line(outcome), options, bar.write)
      bar.update()


def _print(
  text: str,
  options: argparse.Namespace,
  write: Callable[..., None] = print,
) -> None:
  """Prints a line beside the report."""
  stream = sys.stderr if options.json == '-' else sys.stdout
  write(text, file=stream)
  stream.flush()

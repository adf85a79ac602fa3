"""`python -m adafm_jax.restore.bulk`: `adafm restore` on a Ray cluster."""

from __future__ import annotations

import argparse
import collections
import copy
import functools
import os
import pathlib
import time
from collections.abc import Sequence, Set

from adafm_jax import errors, files, progress, zoo
from adafm_jax.commands import bulk_tasks, restore, restore_job, restore_options
from adafm_jax.errors import UserError, entry_point
from adafm_jax.restore import cluster, manifest, objects, recipe, shards
from adafm_jax.restore import pairs as pairing
from adafm_jax.restore.cluster import PictureTask

_NOT_HERE = ('json', 'skip_existing', 'dry_run')
_HELP = dict.fromkeys(_NOT_HERE, argparse.SUPPRESS) | {
  'input': 'pictures, folders of them, patterns such as "scans/*.png", lists'
  ' (.txt, a path or URI a line), or URIs (s3://bucket/folder)',
  'output': 'folder for the results, or its URI',
}


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
  """The command."""
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.restore.bulk',
    description='Restores photographs on the machines of a Ray cluster, or on'
    ' this one; they may lie in an object store (s3://bucket/folder). It needs'
    ' --manifest; --json, --skip-existing and --dry-run are of `adafm restore`'
    ' alone. See docs/bulk.md.',
  )
  restore_options.arguments(parser)
  for action in parser._actions:
    action.help = _HELP.get(action.dest, action.help)
  add = parser.add_argument_group('Ray').add_argument
  add(
    '--address',
    metavar='HOST:PORT',
    help='of a Ray cluster ("auto": the one that this machine belongs to); by'
    ' default one is started on this machine',
  )
  add(
    '--actors',
    type=int,
    help='processes that restore (default: one a GPU, or one a machine)',
  )
  add(
    '--batch',
    type=int,
    help='most pictures of one size and strength in one pass of the network'
    ' (default: 8, but 1 with --device cpu, where more is no faster)',
  )
  return run(parser.parse_args(argv))


def run(options: argparse.Namespace) -> int:
  """Does what the command line says.

  Returns:
    Exit code: 0, or 1 if some pictures could not be restored.

  Raises:
    UserError: bad options, before anything is written.
  """
  _check(options)
  zoo.locate(options.model)  # before a cluster is started
  tasks = bulk_tasks.find(options)
  with restore.printing(), cluster.joined(options.address):
    return _run_part(options, tasks)


def _run_part(options: argparse.Namespace, tasks: Sequence[PictureTask]) -> int:
  """Restores what falls to this call, and is not done yet."""
  shard = shards.parse(options.shard or '0/1')
  here = copy.copy(options)
  here.device = 'cpu'  # the GPU is the actors'
  identity = restore_job.identity(restore_job.make_job(here), options)
  mine = [task for task in tasks if shard.has(task.result)]
  with manifest.opened(
    pathlib.Path(options.manifest), shard, identity
  ) as journal:
    journal.check_sources((task.result, task.source) for task in mine)
    there = _existing(options, mine)
    left = [
      task
      for task in mine
      if task.result not in journal.done or task.result not in there
    ]
    print(
      f'part {shard.index} of {shard.count}: {len(mine)} picture(s),'
      f' {len(mine) - len(left)} done before',
      flush=True,
    )
    sources = {task.source for task in tasks}
    _check_results(options, left, sources, there, journal)
    new = [x.result for x in left if there.isdisjoint(_written(x, options))]
    names = [x.result for x in left]
    journal.begin(len(mine), names, new, options.output)
    return _restore_all(options, left, journal) if left else 0


def _check(options: argparse.Namespace) -> None:
  restore_options.check(options)
  for name in _NOT_HERE:
    if getattr(options, name):
      raise UserError(
        f'--{name.replace("_", "-")} is of `adafm restore` only; the manifest'
        ' says what is done.'
      )
  if not options.manifest:
    raise UserError('Give --manifest DIR, a folder for what is done.')
  if objects.is_uri(options.output):
    objects.open_store(options.output)
  if options.batch is None:
    options.batch = 1 if options.device == 'cpu' else 8
  for name in ('batch', 'actors'):
    value = getattr(options, name)
    if value is not None and value < 1:
      raise UserError(f'--{name} is {value}; it must be 1 or more.')


def _existing(
  options: argparse.Namespace, tasks: Sequence[PictureTask]
) -> set[str]:
  """Which of the results and their recipes are there."""
  if objects.is_uri(options.output):
    return set(objects.open_store(options.output).names())
  return {
    name
    for task in tasks
    for name in _written(task, options)
    if os.path.lexists(pathlib.Path(options.output, name))
  }


def _check_results(
  options: argparse.Namespace,
  tasks: Sequence[PictureTask],
  sources: Set[str],
  there: set[str],
  journal: manifest.Journal,
) -> None:
  """Refuses to overwrite what others wrote, or `sources`, those of any part."""
  if objects.is_uri(options.output):
    _check_stored(options, tasks, sources, there, journal.claimed)
    return
  pairs = [
    pairing.Pair(
      pathlib.Path(task.source),
      pathlib.Path(options.output, task.result),
      task.problem,
    )
    for task in tasks
  ]
  output = pathlib.Path(options.output)
  written = {x.result: _written(x, options) for x in tasks}
  claimed = frozenset(
    output / name
    for result in written.keys() & journal.claimed
    for name in written[result]
  )
  restore.check_results(options, pairs, sources, claimed)
  files.make_folder(options.output)
  if journal.begun:
    files.remove_leftovers(
      output / name for names in written.values() for name in names
    )


def _check_stored(
  options: argparse.Namespace,
  tasks: Sequence[PictureTask],
  sources: Set[str],
  there: set[str],
  claimed: Set[str],
) -> None:
  """The same in an object store, where no file carries a mark of ours."""
  place = options.output.rstrip('/')
  problems = []
  for task in tasks:
    uri = f'{place}/{task.result}'
    if uri in sources:
      problems.append(f'The result of {task.source} would overwrite {uri}.')
    elif not options.overwrite and task.result not in claimed:
      problems += [
        f'{place}/{name} exists; give --overwrite or another -o.'
        for name in _written(task, options)
        if name in there
      ]
  errors.raise_all(problems, limit=5)


def _written(task: PictureTask, options: argparse.Namespace) -> list[str]:
  """What a picture's restoration may write, below the output folder."""
  sidecars = [task.result + recipe.SIDECAR] if options.recipe else []
  return [task.result, *sidecars]


def _restore_all(
  options: argparse.Namespace,
  tasks: Sequence[PictureTask],
  journal: manifest.Journal,
) -> int:
  began, counts = time.monotonic(), collections.Counter[str]()
  problems = []
  output = options.output
  if not objects.is_uri(output):
    output = os.path.abspath(output)
  rows = cluster.run(
    functools.partial(restore_job.make_job, options),
    tasks,
    cluster.Work(
      output, options.jobs, options.batch, os.getcwd(), options.overwrite
    ),
    options.actors,
  )
  with progress.bar('restoring', 'picture', total=len(tasks)) as bar:
    for row in rows:
      bar.write(row.pop('line'))
      journal.add(row)
      counts[row['status']] += 1
      problems += [row['error']] if row['error'] else []
      bar.update()
  if not objects.is_uri(options.output):  # of actors that were killed
    files.remove_leftovers(
      pathlib.Path(options.output, name)
      for task in tasks
      for name in _written(task, options)
    )
  kinds = ', '.join(f'{n} {status}' for status, n in sorted(counts.items()))
  seconds = time.monotonic() - began
  print(f'{len(tasks)} picture(s): {kinds}; {seconds:.1f} s; {options.output}')
  errors.show(errors.first(problems))
  return errors.EXIT_SOME_FAILED if problems else 0

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
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from adafm_jax import errors, files
from adafm_jax.commands import restore_options
from adafm_jax.commands.restore_options import arguments as arguments
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.restore import overwrite, recipe
from adafm_jax.restore import pairs as pairing

EXIT_SOME_FAILED = 1


def run(options: argparse.Namespace) -> int:
  """Does what the command line says.

  Returns:
    Exit code: 0, or 1 if some pictures could not be restored.

  Raises:
    UserError: bad options, before anything is written.
  """
  with telling():
    return _run(options)


@contextlib.contextmanager
def telling() -> Iterator[None]:
  """Prints names in any encoding, and works on where nobody reads them."""
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors='backslashreplace')
  with errors.going_on_unread():
    yield


def _run(options: argparse.Namespace) -> int:
  from adafm_jax.restore import report

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
  existing = check_results(options, pairs)
  return _restore_all(make_job(options), pairs, options, existing)


def _run_part(
  options: argparse.Namespace, pairs: Sequence[pairing.Pair]
) -> int:
  """Restores what falls to one process, and is not done yet."""
  from adafm_jax.restore import manifest

  shard = manifest.parse_shard(options.shard or '0/1')
  output, job = pathlib.Path(options.output), make_job(options)
  named = [(manifest.result_name(p.target, output), p) for p in pairs]
  mine = [(name, pair) for name, pair in named if shard.has(name)]
  with manifest.opened(
    pathlib.Path(options.manifest),
    shard,
    identity(job, options),
    dry_run=options.dry_run,
  ) as journal:
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
    existing = check_results(options, list(left.values()), claimed)
    if options.dry_run:
      return _restore_all(job, list(left.values()), options, existing)
    if journal.begun:
      files.remove_leftovers(path for x in places.values() for path in x)
    new = [x for x in places if not any(map(os.path.lexists, places[x]))]
    journal.begin(len(mine), new)
    return _restore_all(job, list(left.values()), options, existing, journal)


def identity(job, options: argparse.Namespace) -> dict[str, Any]:
  """What fixes the results of a bulk job, beside the pictures."""
  return {
    'model_sha256': job.sha256,
    'level': job.level,
    'strength': job.strength,
    'self_ensemble': job.network.self_ensemble,
    'mask_sha256': job.mask_sha256,
    'quality': job.quality,
    'recipe': job.recipe,
    'suffix': options.suffix,
    'ext': options.ext,
    'runtime': options.runtime,
  }


def check_results(
  options: argparse.Namespace,
  pairs: Sequence[pairing.Pair],
  claimed: frozenset[pathlib.Path] = frozenset(),
) -> overwrite.Existing:
  """Refuses to overwrite files, unless an earlier call `claimed` them."""
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
      )
      if x
    ],
  )
  return existing


def make_job(options: argparse.Namespace):
  """Loads what all pictures share.

  Raises:
    UserError: there is no such model, mask, recipe or device; or the strength
      is out of the model's range.
  """
  _choose_platform(options.device)
  import jax

  from adafm_jax import zoo
  from adafm_jax.engine import run as engine
  from adafm_jax.export import openvino_runtime
  from adafm_jax.model import Model
  from adafm_jax.restore import job as jobs
  from adafm_jax.restore import mask as masks

  device = find_device(options.device)
  path = zoo.locate(options.model)
  model, checksum = Model.load(path), files.sha256(path)
  mask = masks.read(options.mask) if options.mask else None
  mask_checksum = files.sha256(options.mask) if options.mask else None
  asked: argparse.Namespace | recipe.Recipe = options
  if options.from_recipe:
    asked = recipe.follow(options.from_recipe, checksum, mask_checksum)
  by_level = asked.level is not None and model.levels.task != 'sr'
  job = jobs.Job(
    header=model,
    network=engine.Network(
      model.arch,
      jax.device_put(model.params, device),
      side=engine.parse_tile(options.tile),
      self_ensemble=asked.self_ensemble,
      # What is to be repeated bit for bit gets sizes of its own.
      shares_sizes=not (
        options.manifest or options.recipe or options.from_recipe
      ),
      runtime=openvino_runtime.choose(options.runtime, model, model.params),
    ),
    name=pathlib.Path(options.model).name,
    sha256=checksum,
    level=asked.level,
    strength=None if options.from_recipe and by_level else asked.strength,
    estimated=by_level and bool(getattr(asked, 'estimated', False)),
    mask=mask,
    mask_sha256=mask_checksum,
    quality=options.quality,
    recipe=options.recipe,
    gentler=_gentler(model.levels),
  )
  _check_range(job)
  return job


def _gentler(levels: LevelRange) -> dict[str, LevelRange]:
  """Released models of the same task that begin below these levels."""
  from adafm_jax import zoo
  from adafm_jax.model_file import file as model_file

  found = {
    entry.name: model_file.read_header(entry.path).levels
    for entry in zoo.entries().values()
  }
  return {
    name: x
    for name, x in found.items()
    if x.task == levels.task and levels.position(x.start) < 0
  }


def _check_range(job) -> None:
  """Refuses a strength that no picture could be restored at."""
  from adafm_jax.restore import setting

  scaling = job.header.levels.task == 'sr'
  if scaling or (job.level, job.strength) != (None, None):
    setting.choose(job.header, job.level, job.strength, channels=3)


def _choose_platform(name: str) -> None:
  """Keeps JAX off a GPU that isn't wanted, which it would fill at once."""
  if name.partition(':')[0] == 'cpu':
    import jax

    jax.config.update('jax_platforms', 'cpu')


def find_device(name: str):
  """The JAX device of a name: 'auto', 'cpu', 'gpu:1'.

  Raises:
    UserError: there is no such device.
  """
  import jax

  platform, colon, index = name.partition(':')
  try:
    devices = jax.devices(None if name == 'auto' else platform)
    return devices[int(index) if colon else 0]
  except (RuntimeError, ValueError, IndexError) as error:
    found = ', '.join(f'{d.platform}:{d.id}' for d in jax.devices())
    raise UserError(
      f'There is no device {name!r}; this machine has {found}.'
    ) from error


def make_folder(folder: str | pathlib.Path) -> None:
  """Makes the folder of results, so that a wrong -o fails at once."""
  try:
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(
      f'Cannot make the folder {folder}: {error.strerror}.'
    ) from error
  if not os.access(folder, os.W_OK):
    raise UserError(f'The folder {folder} cannot be written to.')


def _restore_all(
  job,
  pairs: Sequence[pairing.Pair],
  options: argparse.Namespace,
  existing: overwrite.Existing,
  journal=None,
) -> int:
  import tqdm

  from adafm_jax.restore import manifest, report, workers

  if not options.dry_run:
    make_folder(pairs[0].target.parent if pairs else options.output)
  began, output = time.monotonic(), pathlib.Path(options.output)
  outcomes: list[workers.Outcome] = []
  with report.opened(options.json) as lines:
    try:
      with tqdm.tqdm(total=len(pairs), desc='restoring', unit='picture') as bar:
        for outcome in workers.run(
          job,
          pairs,
          threads=options.jobs,
          existing=existing,
          dry_run=options.dry_run,
        ):
          outcomes.append(outcome)
          if journal:
            journal.add(manifest.row(outcome, output))
          lines.add(report.picture(outcome))
          _print(report.line(outcome), options, bar.write)
          bar.update()
    finally:
      seconds = time.monotonic() - began
      lines.add(report.call(job, outcomes, len(pairs), seconds))
      _print(
        report.summary(outcomes, len(pairs), seconds, options.output), options
      )
      if len(outcomes) < len(pairs):
        more = '' if options.manifest else ' with --skip-existing'
        _print(f'To finish, give the same command{more}.', options)
  said = [*(outcome.problem for outcome in outcomes), lines.problem]
  problems = list(filter(None, said))
  errors.show(problems)
  return EXIT_SOME_FAILED if problems else 0


def _print(
  text: str,
  options: argparse.Namespace,
  write: Callable[..., None] = print,
) -> None:
  """Prints a line beside the report."""
  stream = sys.stderr if options.json == '-' else sys.stdout
  write(text, file=stream)
  stream.flush()

"""`adafm restore`: photographs in, restored photographs out.

adafm restore -i holiday/ -o restored/ -m denoise
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Sequence

from adafm_jax import files
from adafm_jax.commands.restore_options import arguments as arguments
from adafm_jax.errors import UserError
from adafm_jax.restore import pairs as pairing
from adafm_jax.restore import recipe

EXIT_SOME_FAILED = 1


def run(options: argparse.Namespace) -> int:
  """Does what the command line says.

  Returns:
    Exit code: 0, or 1 if some pictures could not be restored.

  Raises:
    UserError: bad options, before anything is written.
  """
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):  # names in another encoding
      stream.reconfigure(errors='backslashreplace')
  existing = pairing.SKIP if options.skip_existing else pairing.REFUSE
  if options.overwrite:
    existing = pairing.REPLACE
  pairs = pairing.plan(
    options.input,
    options.output,
    suffix=options.suffix,
    ext=options.ext,
    recursive=options.recursive,
    existing=existing,
    sidecar=recipe.SIDECAR if options.recipe else '',
    keep=[x for x in (options.mask, options.from_recipe) if x],
  )
  _check_numbers(options)
  if options.runtime == 'openvino' and options.device not in ('auto', 'cpu'):
    raise UserError('--runtime openvino runs on the CPU: leave --device out.')
  if options.json is not None:
    _check_report(options, pairs)
  job = make_job(options)
  if not options.dry_run:
    _make_folder(pairs[0].target.parent if pairs else options.output)
  return _restore_all(job, pairs, options)


def _check_numbers(options: argparse.Namespace) -> None:
  given = [options.level is not None, options.strength is not None]
  if options.auto and any(given):
    raise UserError('Give --auto, or a --level or --strength, not both.')
  if options.from_recipe and (options.auto or any(given)):
    raise UserError(
      'A recipe says the strength: leave --level, --strength and --auto out.'
    )
  if options.jobs < 1:
    raise UserError(f'--jobs is {options.jobs}; it must be 1 or more.')
  if not 1 <= options.quality <= 100:
    raise UserError(f'--quality is {options.quality}; it must be 1 to 100.')


def _check_report(
  options: argparse.Namespace, pairs: Sequence[pairing.Pair]
) -> None:
  """Refuses a report that can't be written or would overwrite a file."""
  report = pathlib.Path(options.json)
  pictures = {
    os.path.realpath(path)
    for pair in pairs
    for path in (pair.source, pair.target)
  }
  if os.path.realpath(report) in pictures:
    raise UserError(f'--json {report} would overwrite a picture.')
  if not options.json or report.is_dir():
    raise UserError(f'--json {options.json!r} is no file name.')
  if os.path.lexists(report) and not _is_report(report):
    raise UserError(
      f'--json {report} would overwrite a file that is no report; give another'
      ' name.'
    )
  folder = report.parent
  while not folder.exists() and folder != folder.parent:
    folder = folder.parent  # what is missing is made
  if not folder.is_dir() or not os.access(folder, os.W_OK):
    raise UserError(f'--json {report}: {folder} cannot be written to.')


def _is_report(path: pathlib.Path) -> bool:
  """Whether an earlier call wrote a file."""
  try:
    report = json.loads(path.read_text('utf-8'))
  except (OSError, ValueError, RecursionError):
    return False
  return isinstance(report, dict) and {'adafm_jax', 'files'} <= report.keys()


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

  device = find_device(options.device)
  path = zoo.locate(options.model)
  model = Model.load(path)
  mask = options.mask
  job = jobs.Job(
    header=model,
    network=engine.Network(
      model.arch,
      jax.device_put(model.params, device),
      side=engine.parse_tile(options.tile),
      self_ensemble=options.self_ensemble,
      runtime=openvino_runtime.choose(options.runtime, model, model.params),
    ),
    name=pathlib.Path(options.model).name,
    sha256=files.sha256(path),
    level=options.level,
    strength=options.strength,
    mask=jobs.read_mask(mask) if mask else None,
    mask_sha256=files.sha256(mask) if mask else None,
    quality=options.quality,
    recipe=options.recipe,
  )
  if options.from_recipe:
    job = _follow(job, options.from_recipe)
  _check_range(job)
  return job


def _check_range(job) -> None:
  """Refuses a strength that no picture could be restored at."""
  from adafm_jax.restore import setting

  scaling = job.header.levels.task == 'sr'
  if scaling or (job.level, job.strength) != (None, None):
    level, span = job.level, job.header.levels
    if not scaling and level is not None and span.position(level) < 0:
      setting.share(job.header, level, channels=3)  # checks it
      level = span.start
    setting.choose(job.header, level, job.strength, channels=3)


def _follow(job, path: str):
  """The job with all that a recipe fixes.

  Raises:
    UserError: it is of another model or mask.
  """
  followed = recipe.read(path)
  if followed.model_sha256 != job.sha256:
    raise UserError(
      f'The recipe in {path} is of the model {followed.model} with SHA-256'
      f' {followed.model_sha256[:12]}...; {job.name} has {job.sha256[:12]}...'
    )
  if followed.mask_sha256 != job.mask_sha256:
    raise UserError(
      f'The recipe in {path} is of a result'
      f' {"with another" if followed.mask_sha256 else "without a"} mask than'
      ' --mask says.'
    )
  scaling = job.header.levels.task == 'sr'
  by_level = followed.level is not None and not scaling
  return dataclasses.replace(
    job,
    network=dataclasses.replace(
      job.network, self_ensemble=followed.self_ensemble
    ),
    level=followed.level,
    strength=None if by_level else followed.strength,
  )


def _choose_platform(name: str) -> None:
  """Keeps JAX off a GPU that isn't wanted, which it would fill at once."""
  if name.partition(':')[0] == 'cpu':
    import jax

    jax.config.update('jax_platforms', 'cpu')


def find_device(name: str):
  """The JAX device of a name: 'auto', 'cpu', 'gpu:1'.

  Raises:
    UserError: this machine has none such.
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


def _make_folder(folder: str | pathlib.Path) -> None:
  """Makes the folder of results, so that a wrong -o is told at once."""
  try:
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(
      f'Cannot make the folder {folder}: {error.strerror}.'
    ) from error
  if not os.access(folder, os.W_OK):
    raise UserError(f'The folder {folder} cannot be written to.')


def _restore_all(
  job, pairs: Sequence[pairing.Pair], options: argparse.Namespace
) -> int:
  import tqdm

  from adafm_jax.restore import report, workers

  began = time.monotonic()
  outcomes: list[workers.Outcome] = []
  try:
    with tqdm.tqdm(total=len(pairs), desc='restoring', unit='picture') as bar:
      for outcome in workers.run(
        job,
        pairs,
        threads=options.jobs,
        skip_existing=options.skip_existing,
        dry_run=options.dry_run,
      ):
        outcomes.append(outcome)
        _print(report.line(outcome), bar.write)
        bar.update()
  finally:
    seconds = time.monotonic() - began
    if options.json:
      values = report.to_json(job, outcomes, len(pairs), seconds)
      files.write_json(options.json, values)
    _print(report.summary(outcomes, len(pairs), seconds, options.output))
    if len(outcomes) < len(pairs):
      _print('To finish, give the same command with --skip-existing.')
  problems = [x.problem for x in outcomes if x.problem]
  for problem in problems:
    print(f'error: {problem}', file=sys.stderr)
  return EXIT_SOME_FAILED if problems else 0


def _print(text: str, write: Callable[..., None] = print) -> None:
  """Prints a line; the work goes on where nobody reads it, as behind `head`."""
  try:
    write(text, file=sys.stdout)
    sys.stdout.flush()
  except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

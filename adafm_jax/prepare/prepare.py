"""Prepares a data set once: `python -m adafm_jax.data.prepare --help`.

Images are read, checked against what the set is known to hold, cut, and
written as TFDS array_record. Nothing appears under the set's name before all
of it is written; a run that is interrupted is simply started again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import pathlib
import shutil
from collections.abc import Iterator, Sequence

from adafm_jax.data import known, prepared, tiles
from adafm_jax.degrade import level as levels
from adafm_jax.engine import memory
from adafm_jax.errors import UserError, entry_point
from adafm_jax.prepare import gather, scan, write
from adafm_jax.prepare import write as builders


@dataclasses.dataclass(frozen=True)
class Request:
  """What is to be prepared, from what.

  Attributes:
    dataset: a key of `known.SETS`.
    data_dir: where prepared sets are kept.
    source: folder or archive; None downloads.
    name: of the prepared set; '' is that of the data set.
    holdout: images of a training set that has no split of its own for it, kept
      to validate.
    side: of the sub-images that training images are cut into, pixels; 0 none.
    step: from one sub-image to the next, pixels.
    task: whose degraded partners are kept; '' for none, and for noise.
    levels: of the partners.
    channels: 1 or 3 where partners are kept; 0 keeps images as they are.
    unchecked: takes what is there, whatever the set should hold.
    overwrite: prepares again what is prepared.
  """

  dataset: str
  data_dir: pathlib.Path
  source: pathlib.Path | None = None
  name: str = ''
  holdout: int = 20
  side: int = tiles.SIDE
  step: int = tiles.STEP
  task: str = ''
  levels: tuple[float, ...] = ()
  channels: int = 0
  unchecked: bool = False
  overwrite: bool = False


def prepare(request: Request) -> pathlib.Path:
  """Prepares a set.

  Returns:
    Its folder.

  Raises:
    UserError: what is wrong with the request, the files or the disk; nothing
      that was prepared before is touched then.
  """
  plan = _plan(request)
  final = prepared.folder(plan.name, request.data_dir)
  if final.exists() and not request.overwrite:
    raise UserError(
      f'{plan.name} is prepared already in {final}; --overwrite prepares it'
      ' again.'
    )
  with _scratch(request.data_dir, plan.name) as scratch:
    plan = dataclasses.replace(plan, splits=_splits(request, scratch))
    made = builders.write(plan, scratch / 'made')
    write.write_index(plan, made)
    _publish(made, final, scratch)
  return final


def _plan(request: Request) -> builders.Plan:
  """The plan without its images; complains of what makes no sense."""
  known.get(request.dataset)
  problems = []
  if bool(request.task) != bool(request.levels):
    problems.append('Give --task and --levels together, or neither.')
  elif request.task:
    if request.task not in levels.TASKS or request.task == 'denoise':
      problems.append(
        f'--task is {request.task!r}; partners are kept for dejpeg and sr'
        ' (noise is drawn during training).'
      )
    else:
      for value in request.levels:
        problems += levels.TASKS[request.task].problems(value)
  if request.side and not 0 < request.step <= request.side:
    problems.append(
      f'--step is {request.step}; it must be 1 to --side ({request.side}).'
    )
  if request.side < 0 or request.holdout < 0:
    problems.append('--side and --holdout must be 0 or more.')
  if request.name and not request.name.replace('_', '').isalnum():
    problems.append(
      f'--name is {request.name!r}; use letters, digits and underscores.'
    )
  if problems:
    raise UserError(problems)
  default = {'dejpeg': 1, 'sr': 3}.get(request.task, 0)
  return builders.Plan(
    base=request.dataset,
    splits={},
    called=request.name,
    side=request.side,
    step=request.step,
    task=request.task,
    levels=request.levels,
    channels=request.channels or default,
  )


def _splits(
  request: Request, scratch: pathlib.Path
) -> dict[str, list[prepared.Entry]]:
  """Reads and checks the images."""
  name = request.dataset
  source = request.source
  if source is None:
    source = gather.download(name, request.data_dir / 'downloads')
  paths = gather.from_source(
    name, source, scratch / 'unpacked', checked=not request.unchecked
  )
  if '' in paths:
    entries = scan.scan(paths[''], name)
    found, notes = gather.divide(name, entries, request.holdout)
    for note in notes:
      print(note)
  else:
    found = {
      split: scan.scan(files, f'{name}/{split}')
      for split, files in paths.items()
    }
  if not request.unchecked:
    scan.check(name, found)
  scan.check_apart(found)
  return found


@contextlib.contextmanager
def _scratch(data_dir: pathlib.Path, name: str) -> Iterator[pathlib.Path]:
  """A working folder of one preparation at a time, emptied before and after.

  The lock goes with the process, however it ends; what a killed one left is
  removed by the next.

  Raises:
    UserError: the set is being prepared by another process, or the folder
      can't be written to.
  """
  scratch = data_dir / f'.preparing-{name}'
  try:
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = (data_dir / f'.preparing-{name}.lock').open('w')
  except OSError as error:
    raise UserError(f'Cannot write to {data_dir}: {error.strerror}.') from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise UserError(
        f'{name} is being prepared in {data_dir} by another process.'
      ) from error
    shutil.rmtree(scratch, ignore_errors=True)
    try:
      scratch.mkdir()
      yield scratch
    except OSError as error:
      reason = error.strerror or error
      raise UserError(f'Cannot prepare {name}: {reason}.') from error
    finally:
      shutil.rmtree(scratch, ignore_errors=True)


def _publish(
  made: pathlib.Path, final: pathlib.Path, scratch: pathlib.Path
) -> None:
  """Moves the finished set into its place."""
  final.parent.mkdir(parents=True, exist_ok=True)
  if final.exists():
    final.rename(scratch / 'replaced')
  made.rename(final)


def describe(where: pathlib.Path) -> str:
  """What was prepared, in a few lines."""
  name = where.parent.name
  data_dir = where.parent.parent
  index = prepared.find(name, data_dir)
  assert index is not None
  size = sum(file['bytes'] for file in index['files'].values())
  lines = [f'prepared {name} in {where} ({memory.show(size)}):']
  for split in index['splits']:
    part = prepared.Split(where, index, split)
    cut = f' as {len(part.sizes)} sub-images' if part.is_cut else ''
    lines.append(f'  {split}: {len(part.entries)} images{cut}')
  if 'train' in index['splits']:
    lines.append(
      f'train from it with --config.data.train=tfds:{name}/train'
      f' --config.data.data_dir={data_dir}'
    )
  elif name in known.evaluation_names():
    lines.append(
      f'evaluate on it with --config.evaluate.sets={name}'
      f' --config.data.data_dir={data_dir}'
    )
  return '\n'.join(lines)


def _parser() -> argparse.ArgumentParser:
  rows = '\n'.join(
    f'  {name:13} {rule.title}' for name, rule in known.SETS.items()
  )
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.data.prepare',
    description='Checks the images of a data set and writes them as TFDS'
    ' array_record,\nonce, for training and evaluation. No TensorFlow needed.',
    epilog=f'data sets:\n{rows}\n\nWithout --source, div2k and bsds are'
    ' downloaded from their official addresses.',
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  add = parser.add_argument
  add('--dataset', required=True, metavar='NAME', help='one of those below')
  add('--source', type=pathlib.Path, metavar='PATH', help='folder or archive')
  add(
    '--data_dir',
    type=pathlib.Path,
    metavar='DIR',
    default=pathlib.Path('~/tensorflow_datasets'),
    help='where prepared sets are kept (default: %(default)s)',
  )
  add('--name', default='', help='of the prepared set (default: --dataset)')
  add(
    '--holdout',
    type=int,
    default=20,
    metavar='N',
    help='bsds, image_folder: images, the last by name, that go to the split'
    ' "valid" and are not learnt from (default: %(default)s)',
  )
  add(
    '--side',
    type=int,
    default=tiles.SIDE,
    metavar='PIXELS',
    help='training images are cut into sub-images of this side (default:'
    ' %(default)s); 0 leaves them whole',
  )
  add(
    '--step',
    type=int,
    default=tiles.STEP,
    metavar='PIXELS',
    help='from one sub-image to the next (default: %(default)s)',
  )
  add(
    '--task',
    default='',
    help='dejpeg or sr: keep degraded partners of the images as well',
  )
  add('--levels', default='', help='of the partners, such as 80,10')
  add(
    '--channels',
    type=int,
    choices=(1, 3),
    default=0,
    help='with --task: 1 is luma (default for dejpeg), 3 is RGB',
  )
  add(
    '--unchecked',
    action='store_true',
    help='take what is there: no check of counts, sizes and archives',
  )
  add('--overwrite', action='store_true', help='prepare again what is there')
  add('--verify', action='store_true', help='only check a prepared set')
  return parser


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """Parses the command line and prepares, or verifies, a set."""
  options = _parser().parse_args(argv)
  data_dir = options.data_dir.expanduser()
  if options.verify:
    name = options.name or options.dataset
    count = prepared.verify(name, data_dir)
    print(f'{name}: {count} file(s) of records are as they were written')
    return
  where = prepare(
    Request(
      dataset=options.dataset,
      data_dir=data_dir,
      source=options.source.expanduser() if options.source else None,
      name=options.name,
      holdout=options.holdout,
      side=options.side,
      step=options.step,
      task=options.task,
      levels=tuple(levels.parse_values(options.levels))
      if options.levels
      else (),
      channels=options.channels,
      unchecked=options.unchecked,
      overwrite=options.overwrite,
    )
  )
  print(describe(where))

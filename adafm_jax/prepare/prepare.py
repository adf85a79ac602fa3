"""Prepares a data set once: `python -m adafm_jax.data.prepare --help`.

Images are read, checked against what the set should hold, cut, and written as
TFDS array_record. The set appears under its name only when it is complete;
after an interruption, start again.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adafm_jax import files
from adafm_jax.data import known, prepared
from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError, entry_point
from adafm_jax.prepare import gather, scan, write
from adafm_jax.prepare.request import Request, arguments, from_options

_REPLACED = 'replaced'  # a former set, while its successor takes its place


def prepare(request: Request) -> pathlib.Path:
  """Prepares a set.

  Returns:
    Its folder.

  Raises:
    UserError: the request, the files or the disk are at fault. A set that was
      prepared before is left as it is.
  """
  request.check()
  final = prepared.folder(request.name, request.data_dir)
  if final.exists() and not request.overwrite:
    raise UserError(
      f'{request.name} is already prepared in {final}; --overwrite replaces it.'
    )
  with _scratch(request, final) as scratch:
    splits = _splits(request, scratch)
    made = write.write(request, splits, scratch / 'made')
    write.write_index(request, splits, made)
    _publish(made, final, scratch)
  return final


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
def _scratch(request: Request, final: pathlib.Path) -> Iterator[pathlib.Path]:
  """A locked working folder, emptied before and after.

  If a process is killed, the next one removes what it left, and puts back the
  set that it was about to replace.

  Raises:
    UserError: another process is preparing the set, or the folder is not
      writable.
  """
  data_dir, name = request.data_dir, request.name
  scratch = data_dir / f'.preparing-{name}'
  busy = f'{name} is being prepared in {data_dir} by another process.'
  with files.locked(data_dir / f'.preparing-{name}.lock', busy):
    _empty(scratch, final)
    try:
      scratch.mkdir()
      yield scratch
    except OSError as error:
      reason = error.strerror or error
      raise UserError(f'Cannot prepare {name}: {reason}.') from error
    finally:
      _empty(scratch, final)


def _empty(scratch: pathlib.Path, final: pathlib.Path) -> None:
  """Removes a working folder, but for a set that nothing has replaced yet."""
  replaced = scratch / _REPLACED
  if replaced.exists() and not final.exists():
    replaced.rename(final)
  shutil.rmtree(scratch, ignore_errors=True)


def _publish(
  made: pathlib.Path, final: pathlib.Path, scratch: pathlib.Path
) -> None:
  """Moves the finished set into its place."""
  final.parent.mkdir(parents=True, exist_ok=True)
  if final.exists():
    final.rename(scratch / _REPLACED)
  made.rename(final)


def describe(where: pathlib.Path) -> str:
  """Describes a prepared set in a few lines."""
  name = where.parent.name
  data_dir = where.parent.parent
  index = prepared.find(name, data_dir)
  assert index is not None
  size = sum(file['bytes'] for file in index['files'].values())
  lines = [f'prepared {name} in {where} ({memories.show(size)}):']
  for split in index['splits']:
    part = prepared.Split(where, index, split)
    cut = f' as {len(part.sizes)} sub-images' if part.is_cut else ''
    lines.append(f'  {split}: {len(part.entries)} images{cut}')
  quoted = shlex.quote(str(data_dir))
  if 'train' in index['splits']:
    trained = _trained(name, index, data_dir)
    lines.append(
      f'train from it with --config.data.train=tfds:{trained}/train'
      f' --config.data.data_dir={quoted}'
    )
  elif name in known.evaluation_names():
    lines.append(
      f'evaluate on it with --config.evaluate.sets={name}'
      f' --config.data.data_dir={quoted}'
    )
  return '\n'.join(lines)


def _trained(
  name: str, index: Mapping[str, Any], data_dir: pathlib.Path
) -> str:
  """What training is given: the set without partners, if it is prepared too."""
  clean = prepared.clean_name(name, index)
  return clean if prepared.folder(clean, data_dir).exists() else name


def run(options: argparse.Namespace) -> None:
  """Prepares or verifies a set, as the options say."""
  wanted = from_options(options)
  if options.verify:
    name = wanted.name
    count = prepared.verify(name, wanted.data_dir)
    print(f'{name}: all {count} file(s) of records match their checksums')
  else:
    print(describe(prepare(wanted)))


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m adafm_jax.data.prepare`."""
  parser = argparse.ArgumentParser(
    prog='python -m adafm_jax.data.prepare', allow_abbrev=False
  )
  arguments(parser)
  run(parser.parse_args(argv))

"""Writes files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from adafm_jax.errors import UserError

# Is given a file that was written, while it still has its temporary name.
Written = Callable[[pathlib.Path], None]
_MIN_FREE = 4096  # bytes; a disk with less counts as full


class BusyError(UserError):
  """Another process holds a lock."""


@contextlib.contextmanager
def atomic_path(
  path: str | os.PathLike[str], written: Written | None = None
) -> Iterator[pathlib.Path]:
  """Yields a temporary path beside `path`, renamed to it on success.

  The temporary name keeps the suffix, since writers choose the format by it.
  On any error the temporary file is removed and `path` is left as it was.

  Args:
    path: the file to write; its folder is created if missing.
    written: is given the temporary file before it is renamed.

  Yields:
    The path to write to.

  Raises:
    UserError: the folder can't be made or written to.
  """
  path = pathlib.Path(path)
  name = f'{_prefix(path)}-{secrets.token_hex(8)}{path.suffix}'
  temporary = path.parent / name
  with writing(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    # The system applies the umask here. We could only read the umask by setting
    # it, which other threads would see.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    os.close(os.open(temporary, flags, 0o666))
  try:
    with writing(path):
      yield temporary
      if written:
        written(temporary)
      temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
  """Turns the errors of writing a file into a UserError that names it."""
  try:
    yield
  except OSError as error:
    reason = _reason(error, pathlib.Path(path).parent)
    raise UserError(f'Cannot write {path}: {reason}.') from error


def _reason(error: OSError, folder: pathlib.Path) -> str:
  """Why nothing can be written there; the system may only say what exists."""
  place = _there(folder)
  if not os.path.isdir(place):
    return f'{place} is not a folder'
  return error.strerror or str(error)  # Pillow's errors have no strerror


def _there(folder: pathlib.Path) -> pathlib.Path:
  """What is there of a folder's path: missing folders will be created."""
  while not os.path.lexists(folder) and folder != folder.parent:
    folder = folder.parent
  return folder


def _prefix(path: pathlib.Path) -> str:
  """How the names of a file's temporary files begin."""
  digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
  return f'.adafm-{digest[:16]}'


def remove_leftovers(paths: Iterable[pathlib.Path]) -> None:
  """Removes the temporary files of writers that were killed.

  Args:
    paths: files that no living process writes to.
  """
  names: dict[pathlib.Path, set[str]] = {}
  for path in paths:
    names.setdefault(path.parent, set()).add(_prefix(path))
  for folder, prefixes in names.items():
    for left in folder.glob('.adafm-*'):
      if left.name.rpartition('-')[0] in prefixes:
        left.unlink(missing_ok=True)


def check_place(path: str | os.PathLike[str]) -> None:
  """Checks beforehand that a file can be written.

  Raises:
    UserError: its folder is not writable, its name is too long, or the disk is
      full.
  """
  path = pathlib.Path(path)
  folder = _there(path.parent)
  if not os.path.isdir(folder):
    raise UserError(f'Cannot write {path}: {folder} is not a folder.')
  if not os.access(folder, os.W_OK | os.X_OK):
    raise UserError(f'Cannot write {path}: {folder} cannot be written to.')
  longest = os.pathconf(folder, 'PC_NAME_MAX')
  if len(os.fsencode(path.name)) > longest:
    raise UserError(
      f'Cannot write {path}: its name is longer than {longest} bytes.'
    )
  disk = shutil.disk_usage(folder)
  if disk.total and disk.free < _MIN_FREE:
    raise UserError(f'Cannot write {path}: there is no space left.')


def make_folder(folder: str | os.PathLike[str]) -> None:
  """Makes a folder for results, so that a wrong one fails before any work.

  Raises:
    UserError: it can't be made or written to.
  """
  folder = pathlib.Path(folder)
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(
      f'Cannot make the folder {folder}: {_reason(error, folder)}.'
    ) from error
  if not os.access(folder, os.W_OK):
    raise UserError(f'The folder {folder} cannot be written to.')


@contextlib.contextmanager
def locked(path: pathlib.Path, busy: str) -> Iterator[None]:
  """Holds a lock, which the system releases however the process ends.

  Args:
    path: the lock file; its folder is created if missing.
    busy: the error message if another process holds the lock.

  Raises:
    BusyError: another process holds the lock.
    UserError: the folder is not writable, or its disk has no locks.
  """
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open('w')
  except OSError as error:
    raise UserError(
      f'Cannot write to {path.parent}: {_reason(error, path.parent)}.'
    ) from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise BusyError(busy) from error
    except OSError as error:
      raise UserError(
        f'Cannot lock {path}: {error.strerror}; its disk needs locks.'
      ) from error
    yield


def write_bytes(
  path: str | os.PathLike[str], data: bytes, written: Written | None = None
) -> None:
  """Writes a file atomically; see `atomic_path`."""
  with atomic_path(path, written) as temporary:
    temporary.write_bytes(data)


def write_text(
  path: str | os.PathLike[str], text: str, written: Written | None = None
) -> None:
  """Writes UTF-8 text atomically; see `atomic_path`."""
  write_bytes(path, text.encode(), written)


def read_json(path: str | os.PathLike[str]) -> Any:
  """The value in a JSON file.

  Raises:
    UserError: the file can't be read, or is not JSON.
  """
  try:
    return json.loads(pathlib.Path(path).read_text('utf-8'))
  except (OSError, ValueError) as error:
    raise UserError(f'Cannot read {path}: {error}.') from error


def write_json(path: str | os.PathLike[str], value: Any) -> None:
  """Writes indented JSON atomically; NaN and Inf are refused."""
  write_text(path, json.dumps(value, indent=2, allow_nan=False) + '\n')


def sha256(path: str | os.PathLike[str]) -> str:
  """SHA-256 of a file as 64 hex digits, read in chunks.

  Raises:
    OSError: the file can't be read.
  """
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()

"""`--config FILE --config.FIELD=VALUE` and `--workdir` of the command line."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError

if TYPE_CHECKING:
  import ml_collections

_CONFIG = '--config'
# What a file of the paper's experiments defines, in place of `get_config`.
LISTS = 'get_variations'


def separate(
  arguments: Sequence[str],
) -> tuple[str | None, dict[str, str], list[str]]:
  """Separates `--config FILE` and `--config.FIELD=VALUE` from other arguments.

  Args:
    arguments: the command line without the program's name.

  Returns:
    (FILE or None, {FIELD: VALUE}, all other arguments).

  Raises:
    UserError: a field is given, but no config file.
  """
  path: str | None = None
  overrides: dict[str, str] = {}
  others = []
  rest = iter(arguments)
  for argument in rest:
    name, equals, value = argument.partition('=')
    if name != _CONFIG and not name.startswith(f'{_CONFIG}.'):
      others.append(argument)
      continue
    value = value if equals else next(rest, '')
    if name == _CONFIG:
      path = value
    else:
      overrides[name.removeprefix(f'{_CONFIG}.')] = value
  if path is None and overrides:
    raise UserError(
      f'{_CONFIG}.{next(iter(overrides))} changes a field of a config file, but'
      f' no {_CONFIG} is given; to go on with the run of a --workdir, give its'
      f' {_CONFIG} again, too.'
    )
  return path, overrides, others


def take_config(
  arguments: Sequence[str],
) -> tuple[Config | None, list[str]]:
  """Takes the config from a command line; see `separate`.

  Returns:
    The config (None without --config) and all other arguments.

  Raises:
    UserError: the config file is missing; or a sentence for each unknown field,
      bad value and contradiction.
  """
  path, overrides, others = separate(arguments)
  if path is None:
    return None, others
  return configs.parse(load_config(path).to_dict(), overrides), others


def holds_lists(path: str) -> bool:
  """Whether a --config is a list of experiments, or a folder of lists."""
  if os.path.isdir(path):
    return True
  try:
    return f'def {LISTS}('.encode() in pathlib.Path(path).read_bytes()
  except OSError:  # reported when it is loaded
    return False


def load_config(path: str) -> ml_collections.ConfigDict:
  """Runs a config file's `get_config()`.

  Raises:
    UserError: the file is missing, fails, or defines no `get_config`.
  """
  import ml_collections

  values = call(path, 'get_config')
  if not isinstance(values, ml_collections.ConfigDict):
    raise UserError(
      f'{path} is not a config file; it must define get_config(), which'
      ' changes and returns adafm_jax.config.default().'
    )
  return values


def call(path: str, function: str) -> Any:
  """Runs a function that a config file defines; None if it defines none.

  Raises:
    UserError: the file is missing or fails.
  """
  if not os.path.isfile(path):
    raise UserError(
      f'There is no config file {path!r}; see configs/ for those that come'
      ' with the project.'
    )
  spec = importlib.util.spec_from_file_location('experiment_config', path)
  if spec is None or spec.loader is None:
    raise UserError(f'{path} is not a config file; it must be a Python file.')
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
    make = getattr(module, function, None)
    return make() if callable(make) else None
  except UserError:
    raise
  except Exception as error:  # the user's code may raise anything
    raise UserError(
      f'The config file {path} fails{_near_line(path, error)}:'
      f' {type(error).__name__}: {error}.'
    ) from error


def _near_line(path: str, error: Exception) -> str:
  """Where a file failed, as far as it is a line of its own."""
  own = os.path.abspath(path)
  frames = traceback.extract_tb(error.__traceback__)
  lines = [frame.lineno for frame in frames if frame.filename == own]
  if isinstance(error, SyntaxError) and error.filename == own:
    lines.append(error.lineno)
  return f' near line {lines[-1]}' if lines else ''


def require_workdir(
  workdir: str | None, config: Config | str | None
) -> pathlib.Path:
  """The folder of the run. It has no default: users must know where it is.

  Raises:
    UserError: `workdir` is empty, or a URI.
  """
  if not workdir:
    missing = '' if config else ', and --config FILE to start one'
    raise UserError(
      f'Give --workdir DIR, the folder of the run{missing}; --workdir alone'
      ' resumes the run in it.'
    )
  if '://' in workdir:
    raise UserError(
      f'--workdir {workdir} is a URI; it must be a folder, such as one that a'
      ' store is mounted on.'
    )
  return pathlib.Path(workdir).expanduser()

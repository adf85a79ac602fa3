"""What `main` needs of the command line: overrides, and joining processes."""

from __future__ import annotations

import importlib.util
import pathlib
import traceback
from collections.abc import Sequence
from typing import Any

import ml_collections

from adafm_jax.config import parse as configs
from adafm_jax.errors import UserError

_CONFIG = '--config'


def take_config(
  arguments: Sequence[str],
) -> tuple[configs.Config | None, list[str]]:
  """Takes `--config FILE` and `--config.FIELD=VALUE` off a command line.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The config, None without --config; and all other arguments.

  Raises:
    UserError: no such config file; or, all at once, a sentence for each
      unknown field, bad value and contradiction.
  """
  path, overrides, others = None, [], []
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
      overrides.append((name.removeprefix(f'{_CONFIG}.'), value))
  if path is None and overrides:
    raise UserError(
      f'{_CONFIG}.{overrides[0][0]} changes a field of a config file, but no'
      f' {_CONFIG} is given.'
    )
  return (_configure(path, overrides) if path is not None else None), others


def _configure(
  path: str, overrides: Sequence[tuple[str, str]]
) -> configs.Config:
  values = load_config(path)
  found = [
    s for name, text in overrides if (s := _override(values, name, text))
  ]
  try:
    config = configs.parse(values)
  except UserError as error:
    found += error.problems
  if found:
    raise UserError(found)
  return config


def load_config(path: str) -> ml_collections.ConfigDict:
  """Runs a config file's `get_config`.

  Raises:
    UserError: no such file, it fails, or it has no `get_config`.
  """
  if not pathlib.Path(path).is_file():
    raise UserError(
      f'There is no config file {path!r}; see configs/ for those that come'
      ' with the project.'
    )
  spec = importlib.util.spec_from_file_location('experiment_config', path)
  if spec is None or spec.loader is None:
    raise UserError(f'{path} is no config file; it must be a Python file.')
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
    make = getattr(module, 'get_config', None)
    values = make() if callable(make) else None
  except UserError:
    raise
  except Exception as error:  # it is the user's code: anything may go wrong
    line = traceback.extract_tb(error.__traceback__)[-1].lineno
    line = getattr(error, 'lineno', None) or line
    raise UserError(
      f'The config file {path} fails near line {line}:'
      f' {type(error).__name__}: {error}.'
    ) from error
  if not isinstance(values, ml_collections.ConfigDict):
    raise UserError(
      f'{path} is no config file; it must define get_config(), which changes'
      ' and returns adafm_jax.config.default().'
    )
  return values


def _override(values: Any, name: str, text: str) -> str | None:
  """Applies one override; returns a sentence if it can't be."""
  *parents, leaf = name.split('.')
  node = values
  for parent in parents:
    node = node.get(parent) if hasattr(node, 'get') else None
  if not isinstance(node, ml_collections.ConfigDict) or leaf not in node:
    return configs.unknown_field(name)
  if isinstance(node[leaf], ml_collections.ConfigDict):
    return f'{name} is a group of fields; override one of them.'
  kind = type(node[leaf])
  try:
    node[leaf] = _convert(text, kind)
  except (ValueError, KeyError):
    return f'{name} is {text!r}; it must be {configs.KINDS[kind]}.'
  return None


def _convert(text: str, kind: type) -> Any:
  """Text in a field's type; 1e6 is a whole number, too."""
  if kind is bool:
    return {'true': True, '1': True, 'false': False, '0': False}[text.lower()]
  if kind is int and not text.lstrip('+-').isdecimal():
    number = float(text)
    if not number.is_integer():
      raise ValueError(text)
    return int(number)
  return kind(text)


def require_workdir(
  workdir: str | None, config: configs.Config | None
) -> pathlib.Path:
  """The folder of the run: never made up, since results must be found again.

  Raises:
    UserError: there is none.
  """
  if not workdir:
    missing = '' if config else ', and --config FILE to start one'
    raise UserError(
      f'Give --workdir DIR, where the run is kept{missing}; --workdir alone'
      ' resumes the run it holds.'
    )
  return pathlib.Path(workdir).expanduser()

"""What `main` needs of the command line: checks, and joining processes."""

from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import ml_collections
from absl import flags

from adafm_jax import config as configs
from adafm_jax.errors import UserError

_PREFIX = '--config'


def check_config_overrides(argv: Sequence[str]) -> None:
  """Looks for every mistake in `--config...` arguments, before absl does.

  absl stops at the first one with a traceback; this tells all of them, those
  of the config's own fields too, in a sentence each.

  Args:
    argv: the whole command line.

  Raises:
    UserError: no such config file, unknown fields, values of a wrong type or
      range, contradictions.
  """
  path, overrides = None, []
  for name, value in _arguments(argv):
    if name == _PREFIX:
      path = value
    elif name.startswith(_PREFIX + '.'):
      overrides.append((name[len(_PREFIX) + 1 :], value))
  if path is None:
    if overrides:
      raise UserError(
        f'--config.{overrides[0][0]} changes a field of a config file, but no'
        ' --config is given.'
      )
    return
  values = load_config(path)
  known = [name for name, _ in configs.fields_of(configs.Config())]
  found = [
    sentence
    for name, text in overrides
    if (sentence := _override(values, name, text, known))
  ]
  try:
    configs.parse(values)
  except UserError as error:
    found += error.problems
  if found:
    raise UserError(found)


def _arguments(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
  """Each `--config...` argument as (name, value), '=' or a space between."""
  rest = iter(argv[1:])
  for argument in rest:
    if argument == '--':
      return
    name, equals, value = argument.partition('=')
    name = '--' + name.lstrip('-')
    if name == _PREFIX or name.startswith(_PREFIX + '.'):
      yield name, value if equals else next(rest, '')


def load_config(path: str) -> ml_collections.ConfigDict:
  """Runs a config file's `get_config`; `FILE:ARGUMENT` hands it a string.

  Raises:
    UserError: no such file, or it has no `get_config`.
  """
  name, colon, argument = path.partition(':')
  if not pathlib.Path(name).is_file():
    raise UserError(
      f'There is no config file {name!r}; see configs/ for those that come'
      ' with the project.'
    )
  spec = importlib.util.spec_from_file_location('experiment_config', name)
  if spec is None or spec.loader is None:
    raise UserError(f'{name} is no config file; it must be a Python file.')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  if not hasattr(module, 'get_config'):
    raise UserError(f'{name} is no config file; it must define get_config().')
  return module.get_config(*([argument] if colon else []))


def _override(
  values: Any, name: str, text: str, known: Sequence[str]
) -> str | None:
  """Applies one override; returns a sentence if it can't be."""
  *parents, leaf = name.split('.')
  node = values
  for parent in parents:
    node = node.get(parent) if hasattr(node, 'get') else None
  if not isinstance(node, ml_collections.ConfigDict) or leaf not in node:
    return configs.unknown_field(name, known)
  if isinstance(node[leaf], ml_collections.ConfigDict):
    return f'{name} is a group of fields; override one of them.'
  kind = type(node[leaf])
  try:
    node[leaf] = _to_bool(text) if kind is bool else kind(text)
  except ValueError:
    return f'{name} is {text!r}; it must be of type {kind.__name__}.'
  return None


def _to_bool(text: str) -> bool:
  if text.lower() not in ('true', 'false', '1', '0'):
    raise ValueError(text)
  return text.lower() in ('true', '1')


def parse(values: flags.FlagValues, argv: Sequence[str]) -> None:
  """Parses the flags; --help prints and leaves.

  Raises:
    UserError: an unknown flag or a bad value.
  """
  from absl import app

  try:
    app.define_help_flags()
    rest = values(list(argv))
  except flags.Error as error:
    raise UserError(str(error)) from error
  if rest[1:]:
    raise UserError(
      f'{rest[1]!r} is not understood; options begin with --, such as'
      ' --config configs/quickstart.py.'
    )


def require_workdir(
  workdir: str | None, config: configs.Config | None
) -> pathlib.Path:
  """The workdir; made up from nothing it would be surprising.

  Raises:
    UserError: there is none.
  """
  if workdir is None:
    missing = '' if config else ' and --config FILE to start a run'
    raise UserError(
      f'Give --workdir DIR, where the run is kept{missing}; --workdir alone'
      ' resumes the run it holds.'
    )
  return pathlib.Path(workdir).expanduser()


def join_processes(
  coordinator: str | None, processes: int | None, process: int | None
) -> None:
  """Makes this process one of several that train together.

  Args:
    coordinator: HOST:PORT of process 0; None trains alone.
    processes: how many there are.
    process: which one this is.

  Raises:
    UserError: only some of the three are given, or they make no sense.
  """
  given = [value is not None for value in (coordinator, processes, process)]
  if not any(given):
    return
  if not all(given):
    raise UserError(
      'Give all of --coordinator, --processes and --process, or none.'
    )
  assert processes is not None
  assert process is not None
  if not 0 <= process < processes:
    raise UserError(
      f'--process is {process}; with {processes} processes it is 0 to'
      f' {processes - 1}.'
    )
  import jax

  os.environ.setdefault('GLOG_minloglevel', '2')
  jax.distributed.initialize(coordinator, processes, process)

"""From the values of a config file and the command line to a checked `Config`.

A config file's `get_config()` starts from `config.default()` and changes
fields; the command line changes them once more. Inside the package a config is
the frozen `Config` of `fields.py`, which defines every field.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from adafm_jax.config import checks
from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError

# What a value must be, by its field's type.
_KINDS = {
  int: 'a whole number',
  float: 'a number',
  bool: 'true or false',
  str: 'text',
}
_BOOLS = {'true': True, '1': True, 'false': False, '0': False}
# Groups of fields that don't affect the weights. ('calibrate' is another where
# the path or all weights learn each level at the strength that was measured.)
_AFTER_TRAINING = ('run', 'evaluate', 'sweep')
_CALIBRATED = ('path', 'joint')
# Where it is read; `train.images.place` checks that it is still the same.
_READ = ('data.train', 'data.heldout', 'data.data_dir', 'model.init')


def parse(
  values: Mapping[str, Any], overrides: Mapping[str, str] | None = None
) -> Config:
  """Checks a config and freezes it.

  Args:
    values: nested fields, from a config file or a workdir's config.json;
      missing ones get their defaults.
    overrides: text by dotted name, from the command line.

  Raises:
    UserError: with a sentence for every unknown field, wrong type, value out
      of range and contradiction.
  """
  if not isinstance(values, Mapping):
    raise UserError(f'The config is {values!r}; it must be a group of fields.')
  fields = {name: (field, value) for name, field, value in _walk(Config())}
  good: dict[str, Any] = {}
  problems: list[checks.Problem] = []
  for name, value in (dict(_flat(values)) | dict(overrides or {})).items():
    try:
      if name not in fields:
        raise UserError(_unknown_field(name, value))
      field, default = fields[name]
      good[name] = _read(name, value, type(default), field.metadata)
    except UserError as error:
      problems.append(((name,), str(error)))
  config = _build(Config(), good)
  # A field that is wrong by itself has its default here. A contradiction with
  # that default is not the user's mistake.
  wrong = {name for names, _ in problems for name in names}
  problems += [
    p for p in checks.contradictions(config) if wrong.isdisjoint(p[0])
  ]
  if problems:
    raise UserError([sentence for _, sentence in problems])
  return config


def _walk(
  config: Any, prefix: str = ''
) -> Iterator[tuple[str, dataclasses.Field, Any]]:
  """Every field as (dotted name, its definition, its value)."""
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      yield from _walk(value, f'{prefix}{field.name}.')
    else:
      yield prefix + field.name, field, value


def _flat(
  values: Mapping[str, Any], prefix: str = ''
) -> Iterator[tuple[str, Any]]:
  """Nested values by dotted name."""
  for name, value in values.items():
    if isinstance(value, Mapping):
      yield from _flat(value, f'{prefix}{name}.')
    else:
      yield f'{prefix}{name}', value


def _build(base: Any, values: Mapping[str, Any], prefix: str = '') -> Any:
  """`base` with the values for its fields."""
  made = {}
  for field in dataclasses.fields(base):
    name, value = prefix + field.name, getattr(base, field.name)
    if dataclasses.is_dataclass(value):
      made[field.name] = _build(value, values, f'{name}.')
    else:
      made[field.name] = values.get(name, value)
  return dataclasses.replace(base, **made)


def _read(name: str, value: Any, kind: type, meta: Mapping[str, Any]) -> Any:
  """A field's value in its type; raises UserError if it is not legal."""
  try:
    number = _convert(value, kind)
  except (ValueError, KeyError, OverflowError) as error:
    raise UserError(
      f'{name} is {value!r}; it must be {_KINDS[kind]}.'
    ) from error

  def refuse(right: str) -> UserError:
    return UserError(f'{name} is {number!r}; it must be {right}.')

  if meta['legal'] and number not in meta['legal']:
    raise refuse(f'one of {", ".join(map(str, meta["legal"]))}')
  if isinstance(number, float) and not math.isfinite(number):
    raise refuse('finite')
  if meta['least'] is not None and number < meta['least']:
    raise refuse(f'{meta["least"]:g} or more')
  if meta['below'] is not None and number >= meta['below']:
    raise refuse(f'below {meta["below"]:.10g}')
  return number


def _convert(value: Any, kind: type) -> Any:
  """A value, or its text, in a field's type; '1e6' is a whole number too."""
  if type(value) is kind:
    return value
  if kind is float and type(value) is int:
    return float(value)
  if not isinstance(value, str):
    raise ValueError(value)
  if kind is bool:
    return _BOOLS[value.lower()]
  if kind is int and not value.lstrip('+-').isdecimal():
    number = float(value)
    if not number.is_integer():
      raise ValueError(value)
    return int(number)
  return kind(value)


def _unknown_field(name: str, value: Any) -> str:
  """The sentence for an unknown field."""
  names = [known for known, _, _ in _walk(Config())]
  if inside := [known for known in names if known.startswith(f'{name}.')]:
    return (
      f'{name} is {value!r}, but {name} is a group of fields; change one of'
      f' them, for example {inside[0]}.'
    )
  # The right name in the wrong group, or without one: --config.steps.
  same = [k for k in names if k.split('.')[-1] == name.split('.')[-1]]
  if guesses := same or difflib.get_close_matches(name, names, 1, 0.6):
    return (
      f'There is no config field {name}; did you mean {" or ".join(guesses)}?'
    )
  return f'There is no config field {name}; --help lists all fields.'


def differences(
  old: Config, new: Config, *, also: Collection[str] = ()
) -> list[str]:
  """Fields in which two configs differ and that change what is learnt.

  How a run proceeds, and what is done with the trained network, may change: one
  more evaluation set needs no new training.

  Args:
    old: config of what is there.
    new: config to go on with.
    also: fields that may not change either, by name.
  """
  return [
    f'{name}: {before!r} -> {after!r}'
    for (name, _, before), (_, _, after) in zip(
      _walk(old), _walk(new), strict=True
    )
    if before != after and (name in also or not _may_change(name, old, new))
  ]


def _may_change(name: str, old: Config, new: Config) -> bool:
  section, _, field = name.partition('.')
  if section in _AFTER_TRAINING or name in _READ:
    return True
  if section == 'calibrate':
    used = {*old.used_stages, *new.used_stages}
    return used.isdisjoint(_CALIBRATED)
  # `workdir.open_workdir` checks how far the stage has come.
  return field == 'steps' and all(
    getattr(config, section).schedule == 'trapezoid' for config in (old, new)
  )


def describe(config: Config) -> str:
  """Every field with its value and meaning, as text of 80 columns."""
  lines = []
  for name, field, value in _walk(config):
    legal = field.metadata['legal']
    choice = f'; one of {", ".join(map(str, legal))}' if legal else ''
    shown = repr(value) if isinstance(value, str) else value
    text = textwrap.fill(field.metadata['doc'] + choice, 73)
    lines.append(f'  {name} = {shown}\n{textwrap.indent(text, " " * 6)}\n')
  return ''.join(lines)


def evaluation_sets(config: Config) -> dict[str, str]:
  """The sets of `evaluate.sets`, {name: source}; '' for a known name alone."""
  entries = filter(None, config.evaluate.sets.split(','))
  return {
    name: source for name, _, source in (e.partition('=') for e in entries)
  }

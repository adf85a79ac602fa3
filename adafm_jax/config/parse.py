"""Experiments as data: their defaults, how they are read, what contradicts.

An experiment is a file in `configs/` whose `get_config()` starts from
`default()` and changes fields. The command line overrides fields, such as
`--config.train.steps=2000`. Inside the package a config is the frozen `Config`
(`config_fields` documents every field), which `parse` makes from the
`ConfigDict` after checking it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import ml_collections

from adafm_jax.config import checks
from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError

# What a value must be, by its field's type.
KINDS = {
  int: 'a whole number',
  float: 'a number',
  bool: 'true or false',
  str: 'text',
}
# Groups of fields that leave the weights as they are.
_AFTER_TRAINING = ('run', 'evaluate', 'calibrate', 'sweep')


def parse(values: Mapping[str, Any] | ml_collections.ConfigDict) -> Config:
  """Checks a config and freezes it.

  Args:
    values: nested fields, from a config file or a workdir's config.json;
      those left out get their defaults.

  Returns:
    The config.

  Raises:
    UserError: with one sentence for every problem, all at once: unknown
      fields, values of a wrong type or out of range, contradictions.
  """
  if isinstance(values, ml_collections.ConfigDict):
    values = values.to_dict()
  found: list[checks.Problem] = []
  config = _fill(Config(), values, '', found)
  # A field that is wrong by itself has its default by now: what contradicts
  # that would be no mistake of the user's.
  wrong = {name for names, _ in found for name in names}
  found += [p for p in checks.contradictions(config) if wrong.isdisjoint(p[0])]
  if found:
    raise UserError([sentence for _, sentence in found])
  return config


def differences(old: Config, new: Config) -> list[str]:
  """Fields in which two configs differ and that change what is learnt.

  How a run proceeds and what is done with the trained network may change:
  to evaluate it on one more set, it need not be trained again.
  """
  old_fields, new_fields = dict(fields_of(old)), dict(fields_of(new))
  return [
    f'{name}: {old_fields[name]!r} -> {new_fields[name]!r}'
    for name in old_fields
    if old_fields[name] != new_fields[name]
    and name.partition('.')[0] not in _AFTER_TRAINING
    and not (
      name in ('train.steps', 'adapt.steps', 'path.steps')
      and _undecided(name, old, new)
    )
  ]


def _undecided(name: str, old: Config, new: Config) -> bool:
  """Whether a stage's steps may change: both schedules are trapezoids.

  How far the stage has come is checked where it is resumed.
  """
  stages = [getattr(c, name.partition('.')[0]) for c in (old, new)]
  return all(stage.schedule == 'trapezoid' for stage in stages)


def fields_of(config: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
  """Every field as (dotted name, value)."""
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      yield from fields_of(value, f'{prefix}{field.name}.')
    else:
      yield prefix + field.name, value


def describe(config: Any, prefix: str = '') -> str:
  """Every field with its value and meaning, as text of 80 columns."""
  lines = []
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      lines.append(describe(value, f'{prefix}{field.name}.'))
      continue
    legal = field.metadata['legal']
    choice = f'; one of {", ".join(map(str, legal))}' if legal else ''
    shown = repr(value) if isinstance(value, str) else value
    lines.append(f'  {prefix}{field.name} = {shown}\n')
    text = field.metadata['doc'] + choice
    lines.append(textwrap.indent(textwrap.fill(text, 73), ' ' * 6) + '\n')
  return ''.join(lines)


def unknown_field(name: str) -> str:
  """The sentence for a field that does not exist."""
  known = [known for known, _ in fields_of(Config())]
  close = difflib.get_close_matches(name, known, 1, 0.6)
  # The right name in the wrong group, or none: --config.steps.
  same = [k for k in known if k.split('.')[-1] == name.split('.')[-1]]
  if guesses := same or close:
    return (
      f'There is no config field {name}; did you mean {" or ".join(guesses)}?'
    )
  return f'There is no config field {name}; --help lists all there are.'


def evaluation_sets(config: Config) -> dict[str, str]:
  """The sets of `evaluate.sets`: {name: source, '' where the name is all}."""
  entries = filter(None, config.evaluate.sets.split(','))
  return {
    name: source for name, _, source in (e.partition('=') for e in entries)
  }


def _fill(
  base: Any, values: Any, prefix: str, found: list[checks.Problem]
) -> Any:
  """`base` with `values` for its fields, noting what is wrong with them."""
  if not isinstance(values, Mapping):
    name = prefix.rstrip('.') or 'A config'
    found.append(
      ((name,), f'{name} is {values!r}; it must be a group of fields.')
    )
    return base
  fields = {field.name: field for field in dataclasses.fields(base)}
  hints = get_type_hints(type(base))
  made = {}
  for name, value in values.items():
    full = f'{prefix}{name}'
    if name not in fields:
      found.append(((full,), unknown_field(full)))
    elif dataclasses.is_dataclass(hints[name]):
      made[name] = _fill(getattr(base, name), value, f'{full}.', found)
    else:
      if hints[name] is float and type(value) is int:
        value = float(value)
      if right := _expected(value, hints[name], fields[name].metadata):
        found.append(((full,), f'{full} is {value!r}; it must be {right}.'))
      else:
        made[name] = value
  return dataclasses.replace(base, **made)


def _expected(value: Any, kind: type, meta: Mapping[str, Any]) -> str | None:
  """What a field's value must be, if it isn't."""
  if type(value) is not kind:
    return KINDS[kind]
  if meta['legal'] and value not in meta['legal']:
    return f'one of {", ".join(map(str, meta["legal"]))}'
  if isinstance(value, float) and not math.isfinite(value):
    return 'finite'
  if meta['least'] is not None and value < meta['least']:
    return f'{meta["least"]:g} or more'
  if meta['below'] is not None and value >= meta['below']:
    return f'below {meta["below"]:g}'
  return None

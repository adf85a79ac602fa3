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
import numpy as np

from adafm_jax.config_fields import Config as Config
from adafm_jax.config_fields import RunConfig as RunConfig
from adafm_jax.config_fields import StageConfig as StageConfig
from adafm_jax.data import known
from adafm_jax.degrade import level
from adafm_jax.errors import UserError

# What a value must be, by its field's type.
KINDS = {
  int: 'a whole number',
  float: 'a number',
  bool: 'true or false',
  str: 'text',
}
# A mistake: the fields it is about, and the sentence.
_Problem = tuple[tuple[str, ...], str]
_RANGE = ('task', 'start', 'end')
# Groups of fields that leave the weights as they are.
_AFTER_TRAINING = ('run', 'evaluate', 'calibrate', 'sweep')


def default() -> ml_collections.ConfigDict:
  """All fields at the paper's denoising settings, ready to be changed."""
  return to_config_dict(Config())


def small() -> ml_collections.ConfigDict:
  """Settings with which a CPU core trains a model within an hour or so.

  32 features, 8 blocks. Chosen on held-out images of BSD431 (denoising, sigma
  15): Adam's b2, the scale of the initial weights, the width; see
  docs/models/README.md.
  """
  c = default()
  c.model.features = 32
  c.model.blocks = 8
  c.model.init_scale = 0.3
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  for stage in (c.train, c.adapt):
    stage.batch = 8
    stage.patch = 48
    stage.learning_rate = 2e-3
    stage.b2 = 0.99
    stage.schedule = 'cosine'
    stage.warmup = 500
    stage.ema = 0.999
  c.run.log_every = 500
  c.run.evaluate_every = 4000
  c.run.checkpoint_every = 2000
  c.run.validate_images = 31
  c.calibrate.images = 31
  return c


def to_config_dict(config: Config) -> ml_collections.ConfigDict:
  """The config as the mutable, type-safe dict that config files return."""
  return ml_collections.ConfigDict(dataclasses.asdict(config))


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
  found: list[_Problem] = []
  config = _fill(Config(), values, '', found)
  # A field that is wrong by itself has its default by now: what contradicts
  # that would be no mistake of the user's.
  wrong = {name for names, _ in found for name in names}
  found += [p for p in _contradictions(config) if wrong.isdisjoint(p[0])]
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
      name in ('train.steps', 'adapt.steps') and _undecided(name, old, new)
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


def level_list(text: str, span: level.LevelRange, count: int) -> list[float]:
  """Levels from a config field; '' is `count` of them, evenly spaced."""
  if text:
    return level.parse_values(text)
  found = np.linspace(span.start, span.end, count)
  if level.TASKS[span.task].whole:
    found = np.rint(found)  # in a narrow range two may meet
  return list(dict.fromkeys(found.round(6).tolist()))


def _fill(base: Any, values: Any, prefix: str, found: list[_Problem]) -> Any:
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


def _contradictions(config: Config) -> list[_Problem]:
  """Mistakes in fields that are each legal but not together."""
  found: list[_Problem] = []
  for name, stage in (('train', config.train), ('adapt', config.adapt)):
    if stage.patch % 2:
      found.append(
        (
          (f'{name}.patch',),
          f'{name}.patch is {stage.patch}; it must be even.',
        )
      )
    if stage.warmup >= stage.steps:
      found.append(
        (
          (f'{name}.warmup', f'{name}.steps'),
          f'{name}.warmup is {stage.warmup}, but {name}.steps is only'
          f' {stage.steps}; warm-up must end before the run does.',
        )
      )
  found += _protocol_problems(config) + _set_problems(config)
  found += _strength_problems(config)
  wrong = level.range_problems(config.task, config.start, config.end)
  if wrong:
    return found + [(_RANGE, sentence) for sentence in wrong]
  return found + _level_problems(config)


def _protocol_problems(config: Config) -> list[_Problem]:
  text = config.evaluate.protocols
  if not text:
    return []
  name = 'evaluate.protocols'
  if config.task != 'denoise':
    sentence = (
      f'{name} is {text!r}, but task {config.task} has no noise; leave it'
      ' empty.'
    )
    return [((name, 'task'), sentence)]
  listed = text.split(',')
  known = set(level.NOISE_PROTOCOLS)
  if not set(listed) <= known or len(set(listed)) < len(listed):
    sentence = (
      f'{name} is {text!r}; it may be clipped, float, or clipped,float.'
    )
    return [((name,), sentence)]
  return []


def _set_problems(config: Config) -> list[_Problem]:
  field = 'evaluate.sets'
  found, seen = [], {'heldout'}  # what the held-out images are called
  for entry in filter(None, config.evaluate.sets.split(',')):
    name, equals, source = entry.partition('=')
    if not (name and source) and (equals or name not in known.SETS):
      found.append(
        f'{field} has {entry!r}; write NAME=SOURCE, such as'
        ' kodak=/path/to/images, or the name of a prepared set, one of'
        f' {", ".join(known.evaluation_names())}.'
      )
    elif not equals and not known.SETS[name].evaluate:
      found.append(
        f'{field} has {name}, a training set; write NAME=SOURCE, such as'
        f' {name}=tfds:{name}/valid.'
      )
    elif name in seen:
      found.append(
        f'{field} has two sets called {name}'
        + (', as the held-out images are' if name == 'heldout' else '')
        + '; rename one.'
      )
    seen.add(name)
  return [((field,), sentence) for sentence in found]


def _strength_problems(config: Config) -> list[_Problem]:
  """Sentences about lists of strengths."""
  found: list[_Problem] = []
  for name, text, least in (
    ('calibrate.grid', config.calibrate.grid, 3),
    ('sweep.strengths', config.sweep.strengths, 1),
  ):
    try:
      values = level.parse_values(text)
    except UserError as error:
      found.append(((name,), f'{name}: {error}'))
      continue
    for value in values:
      if not 0 <= value <= 1:
        sentence = f'{name} has {value:g}; strengths are 0 to 1.'
        found.append(((name,), sentence))
    if len(set(values)) < least:
      sentence = f'{name} is {text!r}; give {least} different strengths or more'
      found.append(((name,), f'{sentence}.'))
  return found


def _level_problems(config: Config) -> list[_Problem]:
  """Sentences about levels, which must lie between start and end."""
  found: list[_Problem] = []
  listed = {}
  for name, text, count in (
    ('evaluate.levels', config.evaluate.levels, 2),
    ('calibrate.levels', config.calibrate.levels, 7),
    ('sweep.level', f'{config.sweep.level}' if config.sweep.level else '', 1),
  ):
    try:
      listed[name] = level_list(text, config.levels, count)
      for value in listed[name]:
        config.levels.check(value)
      if len(set(listed[name])) < len(listed[name]):
        raise UserError(f'A level is listed twice in {text!r}.')
    except UserError as error:
      found.append(((name, *_RANGE), f'{name}: {error}'))
  inner = set(listed.get('calibrate.levels', ())) - {config.start, config.end}
  order = config.calibrate.order
  if 'calibrate.levels' in listed and len(inner) < order - 1:
    found.append(
      (
        ('calibrate.levels', 'calibrate.order', *_RANGE),
        f'calibrate.order is {order}, which takes {order - 1} calibrate.levels'
        f' or more strictly between {config.start:g} and {config.end:g}; there'
        f' are {len(inner)}.',
      )
    )
  return found

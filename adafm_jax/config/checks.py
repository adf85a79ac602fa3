"""Contradictions between the fields of a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adafm_jax.config.fields import Config
from adafm_jax.data import known
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError

# A mistake: the fields involved, and a sentence.
Problem = tuple[tuple[str, ...], str]

_RANGE = ('task', 'start', 'end')


def contradictions(config: Config) -> list[Problem]:
  """Mistakes in fields that are legal alone but not together."""
  found = [
    *_stage_problems(config),
    *_given_problems(config),
    *_protocol_problems(config),
    *_set_problems(config),
    *_scale_problems(config),
    *_strength_problems(config),
    *_joint_problems(config),
  ]
  wrong = levels.range_problems(config.task, config.start, config.end)
  if wrong:
    return found + [(_RANGE, sentence) for sentence in wrong]
  return found + _level_problems(config)


def _stage_problems(config: Config) -> list[Problem]:
  """Mistakes within one stage."""
  found: list[Problem] = []
  for name in config.used_stages:
    stage = getattr(config, name)
    if stage.patch % 2:
      found.append(
        (
          (f'{name}.patch',),
          f'{name}.patch is {stage.patch}; it must be even.',
        )
      )
    if not stage.steps and not config.model.init:
      found.append(
        (
          (f'{name}.steps', 'model.init'),
          f'{name}.steps is 0, which needs a model file in model.init.',
        )
      )
    if stage.warmup >= stage.steps > 0:
      found.append(
        (
          (f'{name}.warmup', f'{name}.steps'),
          f'{name}.warmup is {stage.warmup}, but {name}.steps is only'
          f' {stage.steps}; warm-up must end before the run does.',
        )
      )
    elif (
      stage.schedule == 'trapezoid'
      and stage.warmup > stage.constant_steps
      and stage.steps
    ):
      found.append(
        (
          (f'{name}.warmup', f'{name}.steps', f'{name}.schedule'),
          f'{name}.warmup is {stage.warmup}, but a trapezoid of {stage.steps}'
          f' steps falls from step {stage.constant_steps}; warm-up must end'
          ' before.',
        )
      )
  return found


def _given_problems(config: Config) -> list[Problem]:
  """Whether what is not trained is what a model file can give."""
  stages = config.used_stages
  given = [name for name in stages if not getattr(config, name).steps]
  before_joint = [name for name in stages if name != 'joint']
  if not config.model.init or given in ([], ['train'], before_joint):
    return []
  fields = tuple(f'{name}.steps' for name in before_joint)
  sentence = (
    f'{" and ".join(f"{name}.steps" for name in given)} may not be 0 alone:'
    f' set train.steps to 0, or {", ".join(fields)} together.'
  )
  return [(fields, sentence)]


def _joint_problems(config: Config) -> list[Problem]:
  if config.task != 'denoise' or not config.joint.steps:
    return []
  return [
    (
      (name, 'task', 'joint.steps'),
      f'{name} is 0, but the joint stage weights a level by its error, and'
      ' sigma 0 has none; give a level above 0, or joint.steps=0.',
    )
    for name in ('start', 'end')
    if not getattr(config, name)
  ]


def _protocol_problems(config: Config) -> list[Problem]:
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
  legal = set(levels.NOISE_PROTOCOLS)
  if not set(listed) <= legal or len(set(listed)) < len(listed):
    sentence = (
      f'{name} is {text!r}; it may be clipped, float, or clipped,float.'
    )
    return [((name,), sentence)]
  return []


def _set_problems(config: Config) -> list[Problem]:
  field = 'evaluate.sets'
  found, seen = [], {'heldout'}  # the name of the held-out images
  for entry in filter(None, config.evaluate.sets.split(',')):
    name, equals, source = entry.partition('=')
    if not (name and source) and (equals or name not in known.SETS):
      found.append(
        f'{field} has {entry!r}; write NAME=SOURCE, for example'
        ' kodak=/path/to/images, or the name of a prepared set, one of'
        f' {", ".join(known.evaluation_names())}.'
      )
    elif not equals and not known.SETS[name].evaluate:
      found.append(
        f'{field} has {name}, a training set; write NAME=SOURCE, for example'
        f' {name}=tfds:{name}/valid.'
      )
    elif name in seen:
      found.append(
        f'{field} has two sets called {name}'
        + (', the name of the held-out images' if name == 'heldout' else '')
        + '; rename one.'
      )
    seen.add(name)
  return [((field,), sentence) for sentence in found]


def _scale_problems(config: Config) -> list[Problem]:
  name, text = 'data.scales', config.data.scales
  try:
    scales = levels.parse_values(text)
  except UserError as error:
    return [((name,), f'{name}: {error}')]
  if all(0 < x <= 4 for x in scales) and len(set(scales)) == len(scales):
    return []
  sentence = (
    f'{name} is {text!r}; scales are above 0, 4 at most, and each stands once.'
  )
  return [((name,), sentence)]


def _strength_problems(config: Config) -> list[Problem]:
  """Mistakes in lists of strengths."""
  found: list[Problem] = []
  for name, text, least in (
    ('calibrate.grid', config.calibrate.grid, 3),
    ('sweep.strengths', config.sweep.strengths, 1),
  ):
    try:
      values = levels.parse_values(text)
    except UserError as error:
      found.append(((name,), f'{name}: {error}'))
      continue
    wrong = levels.strength_problems(values, f'A strength of {name}')
    found += [((name,), sentence) for sentence in wrong]
    if len(set(values)) < least:
      sentence = f'{name} is {text!r}; give {least} different strengths or more'
      found.append(((name,), f'{sentence}.'))
  return found


def _level_problems(config: Config) -> list[Problem]:
  """Mistakes in levels, which must lie between start and end."""
  found: list[Problem] = []
  listed = {}
  for name, text, count in (
    ('evaluate.levels', config.evaluate.levels, 2),
    ('calibrate.levels', config.calibrate.levels, 7),
    ('path.levels', config.path.levels, 7),
    ('sweep.level', f'{config.sweep.level}' if config.sweep.level else '', 1),
  ):
    try:
      listed[name] = levels.level_list(text, config.levels, count)
      for value in listed[name]:
        config.levels.check(value)
      if len(set(listed[name])) < len(listed[name]):
        raise UserError(f'A level is listed twice in {text!r}.')
    except UserError as error:
      found.append(((name, *_RANGE), f'{name}: {error}'))
  found += _path_problems(config, listed)
  inner = set(listed.get('calibrate.levels', ())) - {config.start, config.end}
  order = config.calibrate.order
  if 'calibrate.levels' in listed and len(inner) < order - 1:
    found.append(
      (
        ('calibrate.levels', 'calibrate.order', *_RANGE),
        f'calibrate.order is {order}, which needs {order - 1} calibrate.levels'
        f' or more strictly between {config.start:g} and {config.end:g}; there'
        f' are {len(inner)}.',
      )
    )
  return found


def _path_problems(
  config: Config, listed: Mapping[str, Sequence[float]]
) -> list[Problem]:
  """A bent path that would learn nothing between the ends."""
  name = 'path.levels' if config.path.levels else 'calibrate.levels'
  bent = config.path.kind != 'line' and {'path', 'joint'} & {
    *config.used_stages
  }
  if config.task == 'denoise' or not bent or name not in listed:
    return []
  if set(listed[name]) - {config.start, config.end}:
    return []
  return [
    (
      (name, 'path.kind', *_RANGE),
      f'{name} has no level strictly between {config.start:g} and'
      f' {config.end:g}, where the bends of path.kind={config.path.kind} would'
      ' learn; give one or more, or path.kind=line.',
    )
  ]

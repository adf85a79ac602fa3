"""Every config field: default, unit, meaning; and what may not go together.

An experiment is a file in `configs/` whose `get_config()` starts from
`default()` and changes fields. The command line overrides fields, such as
`--config.train.steps=2000`. Inside the package a config is the frozen `Config`
below, which `parse` makes from the `ConfigDict` after checking it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import ml_collections

from adafm_jax.degrade import level
from adafm_jax.errors import UserError
from adafm_jax.models.architecture import Architecture


def _field(
  default: Any, doc: str, legal: Sequence[Any] = (), least: Any = None
):
  """A documented field, its legal values or its least one."""
  meta = {'doc': doc, 'legal': tuple(legal), 'least': least}
  return dataclasses.field(default=default, metadata=meta)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """Size of the network; see `models.architecture.Architecture`."""

  features: int = _field(64, 'channels of the hidden feature maps', least=1)
  blocks: int = _field(16, 'residual blocks', least=1)
  channels: int = _field(
    3, 'image channels: 3 RGB, 1 luma (MATLAB Y)', legal=(1, 3)
  )
  kernel: int = _field(
    1, 'side of the AdaFM filters, pixels at half resolution', (1, 3, 5, 7)
  )
  placement: str = _field(
    'block',
    "AdaFM layers: in the residual blocks, also behind the trunk's last conv"
    " (as the authors' weights have it), or behind activations",
    legal=('block', 'block+trunk', 'activation'),
  )
  init_scale: float = _field(
    0.1,
    "factor on the Kaiming normal initial weights; the authors' 0.1 suits a"
    ' million steps, 0.3 to 1 starts short runs much faster',
    least=0.0,
  )
  compute: str = _field(
    'float32',
    'type of the activations; parameters stay float32',
    legal=('float32', 'bfloat16'),
  )


@dataclasses.dataclass(frozen=True)
class DataConfig:
  """Training images."""

  train: str = _field(
    'tfds:div2k/train',
    'a folder of images, tfds:NAME/SPLIT of a prepared TFDS data set, or'
    ' photos:train, the photographs that come with scikit-image',
  )
  holdout: int = _field(
    20,
    'images (the last by name) kept from training, to validate and calibrate',
    least=1,
  )
  heldout: str = _field(
    '',
    'another source to validate and calibrate on, instead of `holdout`',
  )
  data_dir: str = _field(
    '', 'where TFDS data sets are prepared; empty: ~/tensorflow_datasets'
  )
  shrink: int = _field(
    1,
    'training images are first reduced by this factor (bicubic), which removes'
    ' the artefacts of images that were JPEG files',
    least=1,
  )


@dataclasses.dataclass(frozen=True)
class StageConfig:
  """One stage of training: `train` the basic model, or `adapt` AdaFM."""

  steps: int = _field(1_000_000, 'optimizer steps', least=1)
  batch: int = _field(16, 'patches a step, over all devices', least=1)
  patch: int = _field(96, 'side of a patch, pixels, even', least=2)
  learning_rate: float = _field(1e-4, "Adam's peak learning rate", least=0.0)
  schedule: str = _field(
    'step',
    'step: multiplied by `decay` every `decay_every` steps (the paper);'
    ' cosine: down to zero at the last step',
    legal=('step', 'cosine'),
  )
  decay: float = _field(0.1, 'factor of the step schedule', least=0.0)
  decay_every: int = _field(500_000, 'steps between decays', least=1)
  warmup: int = _field(0, 'steps of linear warm-up from zero', least=0)
  b2: float = _field(
    0.999, "Adam's decay of the squared gradients (b1 is 0.9)", least=0.0
  )
  ema: float = _field(
    0.0,
    'decay a step of the moving average of the weights, which is then what is'
    ' evaluated and released; 0 turns it off',
    least=0.0,
  )


@dataclasses.dataclass(frozen=True)
class RunConfig:
  """How a run proceeds; nothing here changes what is learnt."""

  steps_per_dispatch: int = _field(
    0,
    'steps of one compiled call; 0: 100 on accelerators, 1 on the CPU, where'
    " XLA's convolutions are slow inside a loop",
    least=0,
  )
  log_every: int = _field(100, 'steps between lines on the console', least=1)
  evaluate_every: int = _field(
    5000, 'steps between validations on held-out images', least=1
  )
  checkpoint_every: int = _field(
    5000, 'steps between checkpoints; each stage ends with one', least=1
  )
  keep: int = _field(2, 'checkpoints kept a stage', least=1)
  validate_images: int = _field(
    8, 'held-out images used in validation during training', least=1
  )


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
  """What is measured at the end of a run."""

  sets: str = _field(
    '',
    'NAME=SOURCE,... with sources as in data.train; the held-out training'
    ' images are always measured too, as "heldout"',
  )
  levels: str = _field(
    '', 'levels, such as 15,25,50,75 or 15:75:10; empty: start and end'
  )
  protocols: str = _field(
    '',
    "denoise: clipped (8-bit noisy images, the authors') and/or float (as the"
    ' literature); empty: that of training',
  )
  images: int = _field(0, 'images of each set, 0: all', least=0)
  ssim: bool = _field(True, 'SSIM as well as PSNR')


@dataclasses.dataclass(frozen=True)
class CalibrateConfig:
  """The lambda curve: strength as a function of the level (section 3.5)."""

  levels: str = _field(
    '', 'levels measured; empty: seven, evenly spaced from start to end'
  )
  grid: str = _field('0:1:0.1', 'strengths tried first, then refined')
  kind: str = _field(
    'polynomial', 'curve released', legal=('polynomial', 'piecewise')
  )
  order: int = _field(3, 'order M of the polynomial (equation 7)', (1, 2, 3, 4))
  images: int = _field(12, 'held-out images used', least=1)


@dataclasses.dataclass(frozen=True)
class SweepConfig:
  """The sweep that a run ends with, as a contact sheet."""

  strengths: str = _field('0:1:0.2', 'columns of the contact sheet')
  level: float = _field(
    0.0, 'level of the images swept; 0: half way from start to end'
  )
  images: int = _field(2, 'rows: images of the first evaluation set', least=1)


@dataclasses.dataclass(frozen=True)
class Config:
  """An experiment: two levels of one degradation, and how to learn them."""

  task: str = _field('denoise', 'degradation', legal=tuple(level.TASKS))
  start: float = _field(
    15.0, 'start level: sigma of 255, JPEG quality, or scale factor'
  )
  end: float = _field(75.0, 'end level, in the same unit')
  noise: str = _field(
    'clipped',
    "denoise: training noise clipped and rounded to 8 bits (the authors'"
    ' data), or unclipped float',
    legal=('clipped', 'float'),
  )
  seed: int = _field(0, 'of initial weights, patches and noise', least=0)
  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
  data: DataConfig = dataclasses.field(default_factory=DataConfig)
  train: StageConfig = dataclasses.field(default_factory=StageConfig)
  adapt: StageConfig = dataclasses.field(
    default_factory=lambda: StageConfig(steps=500_000)
  )
  run: RunConfig = dataclasses.field(default_factory=RunConfig)
  evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
  calibrate: CalibrateConfig = dataclasses.field(
    default_factory=CalibrateConfig
  )
  sweep: SweepConfig = dataclasses.field(default_factory=SweepConfig)

  @property
  def arch(self) -> Architecture:
    """The AdaFM-Net of this experiment."""
    fields = dataclasses.asdict(self.model)
    del fields['compute'], fields['init_scale']
    return Architecture(**fields)

  @property
  def levels(self) -> level.LevelRange:
    """From the start level to the end level."""
    return level.LevelRange(self.task, self.start, self.end)


def default() -> ml_collections.ConfigDict:
  """All fields at the paper's denoising settings, ready to be changed."""
  return to_config_dict(Config())


def to_config_dict(config: Config) -> ml_collections.ConfigDict:
  """The config as the mutable, type-safe dict that config files return."""
  return ml_collections.ConfigDict(dataclasses.asdict(config))


def parse(values: Mapping[str, Any] | ml_collections.ConfigDict) -> Config:
  """Checks a config and freezes it.

  Args:
    values: nested fields, from a config file or a workdir's config.json.

  Returns:
    The config.

  Raises:
    UserError: with one sentence for every problem, all at once: unknown
      fields, values of a wrong type or out of range, contradictions.
  """
  if isinstance(values, ml_collections.ConfigDict):
    values = values.to_dict()
  found: list[str] = []
  config = _build(Config, values, '', found)
  if not found:
    found = _contradictions(config)
  if found:
    raise UserError(found)
  return config


def differences(old: Config, new: Config) -> list[str]:
  """Fields in which two configs differ, but for how a run proceeds (`run`)."""
  old_fields, new_fields = dict(fields_of(old)), dict(fields_of(new))
  return [
    f'{name}: {old_fields[name]!r} -> {new_fields[name]!r}'
    for name in old_fields
    if old_fields[name] != new_fields[name] and not name.startswith('run.')
  ]


def fields_of(config: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
  """Every field as (dotted name, value)."""
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      yield from fields_of(value, f'{prefix}{field.name}.')
    else:
      yield prefix + field.name, value


def _build(cls: Any, values: Mapping[str, Any], prefix: str, found: list[str]):
  """Makes `cls` from nested values, adding a sentence for each problem."""
  fields = {field.name: field for field in dataclasses.fields(cls)}
  for name in values:
    if name not in fields:
      found.append(unknown_field(prefix + name, [prefix + f for f in fields]))
  hints = get_type_hints(cls)
  made = {}
  for name, field in fields.items():
    if name not in values:
      continue
    if dataclasses.is_dataclass(hints[name]):
      made[name] = _build(hints[name], values[name], f'{prefix}{name}.', found)
    else:
      made[name] = _check(
        prefix + name, values[name], hints[name], field, found
      )
  return cls(**made)


def unknown_field(name: str, known: Sequence[str]) -> str:
  """The sentence for a field that does not exist."""
  close = difflib.get_close_matches(name, known, 1, 0.5)
  hint = f'did you mean {close[0]}?' if close else f'known: {", ".join(known)}.'
  return f'There is no config field {name}; {hint}'


def _check(name: str, value: Any, kind: type, field: Any, found: list[str]):
  """The value in its field's type, or a sentence about it."""
  if kind is float and type(value) is int:
    value = float(value)
  legal, least = field.metadata['legal'], field.metadata['least']
  right = None
  if type(value) is not kind:
    right = f'of type {kind.__name__}'
  elif legal and value not in legal:
    right = f'one of {", ".join(map(str, legal))}'
  elif least is not None and not value >= least:
    right = f'{least} or more'
  elif isinstance(value, float) and not math.isfinite(value):
    right = 'finite'
  if right:
    found.append(f'{name} is {value!r}; it must be {right}.')
  return value


def _contradictions(config: Config) -> list[str]:
  """Sentences about fields that are each legal but not together."""
  found = level.range_problems(config.task, config.start, config.end)
  if found:
    return found
  for name, stage in (('train', config.train), ('adapt', config.adapt)):
    if stage.patch % 2:
      found.append(f'{name}.patch is {stage.patch}; it must be even.')
    if stage.warmup >= stage.steps:
      found.append(
        f'{name}.warmup is {stage.warmup}, but {name}.steps is only'
        f' {stage.steps}; warm-up must end before the run does.'
      )
    for field in ('ema', 'b2'):
      value = getattr(stage, field)
      if value >= 1:
        found.append(f'{name}.{field} is {value}; it must be below 1.')
  if config.task != 'denoise' and config.evaluate.protocols:
    found.append(
      f'evaluate.protocols is {config.evaluate.protocols!r}, but task'
      f' {config.task} has no noise; leave it empty.'
    )
  for protocol in filter(None, config.evaluate.protocols.split(',')):
    if protocol not in ('clipped', 'float'):
      found.append(
        f'evaluate.protocols has {protocol!r}; it may list clipped and float.'
      )
  found += _value_problems(config)
  return found


def _value_problems(config: Config) -> list[str]:
  """Sentences about lists of levels and strengths."""
  found = []
  for name, text in (
    ('evaluate.levels', config.evaluate.levels),
    ('calibrate.levels', config.calibrate.levels),
  ):
    try:
      for value in level.parse_values(text) if text else ():
        config.levels.check(value)
    except UserError as error:
      found.append(f'{name}: {error}')
  for name, text in (
    ('calibrate.grid', config.calibrate.grid),
    ('sweep.strengths', config.sweep.strengths),
  ):
    try:
      bad = [v for v in level.parse_values(text) if not 0 <= v <= 1]
      found += [f'{name} has {v:g}; strengths are 0 to 1.' for v in bad]
    except UserError as error:
      found.append(f'{name}: {error}')
  return found

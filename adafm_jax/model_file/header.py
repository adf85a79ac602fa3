"""The header of a model file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from adafm_jax.degrade import level as levels
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.model_file import legacy
from adafm_jax.model_file.curve import Curve
from adafm_jax.models.architecture import Architecture

FORMAT = 'adafm'  # also the key of the metadata
VERSION = 3
DTYPES = {'F16': 'float16', 'F32': 'float32'}  # safetensors' names and NumPy's
_FIELDS = ('arch', 'levels', 'curve', 'noise', 'provenance')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
  """What a model file says about its model.

  Attributes:
    arch: the network's sizes.
    levels: the task and the levels of strength 0 and 1.
    curve: strength as a function of the level; None: linear between the ends.
    noise: training noise of a denoiser: 'clipped' (8-bit noisy images), 'float'
      (unclipped) or 'both'; None if unknown, and for other tasks.
    provenance: how the model was made, any JSON: config, data, steps, versions,
      git revision. 'metrics', if present, is a list of flat rows such as
      {'set': 'CBSD68', 'level': 15, 'psnr': 34.1}.

  Raises:
    UserError: the curve's ends are not those of `levels`, or `noise` does not
      fit the task.
  """

  arch: Architecture
  levels: LevelRange
  curve: Curve | None = None
  noise: str | None = None
  provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    ends = (self.levels.start, self.levels.end)
    if self.curve and (self.curve.start, self.curve.end) != ends:
      raise UserError(
        f'The lambda curve runs from {self.curve.start:g} to'
        f' {self.curve.end:g}, but the model from {ends[0]:g} to {ends[1]:g}.'
      )
    denoising = self.levels.task == 'denoise'
    legal = (None, *(levels.TRAINING_NOISES if denoising else ()))
    if self.noise not in legal:
      raise UserError(
        f'The noise protocol is {self.noise!r}; for task {self.levels.task} it'
        f' may be {", ".join(map(str, legal))}.'
      )

  def strength(self, level: float) -> float:
    """The best strength (lambda) for a level, in [0, 1].

    Args:
      level: in the task's unit.

    Raises:
      UserError: the level is no number or outside the model's range, or the
        model has no AdaFM layers and the level isn't the one it was trained
        for.
    """
    try:
      level = float(np.asarray(level)[()])
    except (TypeError, ValueError) as error:  # several, or traced by jit
      raise UserError(
        f'The level is {level!r}; it must be one number, known before jit.'
      ) from error
    self.levels.check(level)
    position = self.levels.position(level)
    if position and not self.arch.kernel:
      label = levels.TASKS[self.levels.task].label
      raise UserError(
        'This model has no AdaFM layers: it restores'
        f' {label(self.levels.start)} only, not {label(level)}.'
      )
    return self.curve.strength(level) if self.curve else position


def to_json(header: Header) -> dict[str, Any]:
  """The JSON header of a model file; for a `Model`, without its weights."""
  return {
    'format': FORMAT,
    'version': VERSION,
    'arch': header.arch.to_json(),
    'levels': {
      'task': header.levels.task,
      'start': float(header.levels.start),
      'end': float(header.levels.end),
    },
    'curve': header.curve.to_json() if header.curve else None,
    'noise': header.noise,
    'provenance': dict(header.provenance),
  }


def parse(text: str) -> Header:
  """Parses the JSON text of a header.

  Raises:
    UserError: the text isn't JSON, a field is missing or wrong, or the version
      is later than `VERSION`.
  """
  try:
    values = json.loads(text)
  except ValueError as error:
    raise UserError(f'The header is not JSON ({error}).') from error
  if not isinstance(values, dict) or type(values.get('version')) is not int:
    raise UserError('The header must be a JSON object with an integer version.')
  if values['version'] > VERSION:
    raise UserError(
      f'The file has version {values["version"]} of the format, but this'
      f' program reads versions up to {VERSION}: upgrade adafm_jax.'
    )
  if missing := [name for name in _FIELDS if name not in values]:
    raise UserError(f'The header lacks the field(s) {", ".join(missing)}.')
  for name in ('arch', 'levels', 'provenance'):
    if not isinstance(values[name], dict):
      raise UserError(f'Header field {name} must be a JSON object.')
  arch = (
    values['arch'] if values['version'] > 2 else legacy.path_of(values['arch'])
  )
  curve = values['curve']
  return Header(
    arch=Architecture.from_json(arch),
    levels=_level_range(values['levels']),
    curve=None if curve is None else Curve.from_json(curve),
    noise=values['noise'],
    provenance=values['provenance'],
  )


def _level_range(values: dict[str, Any]) -> LevelRange:
  try:
    task = str(values['task'])
    start, end = float(values['start']), float(values['end'])
  except (KeyError, TypeError, ValueError) as error:
    raise UserError(
      'Header field levels must hold a task and the numbers start and end; it'
      f' is {values}.'
    ) from error
  return LevelRange(task, start, end)


def count_parameters(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
  """Counts the parameters of a model file's tensors.

  Returns:
    `weights` and `biases` of the backbone, `adafm_weights` and
    `adafm_biases`, bends included. The paper (section 3.3) compares the
    weights alone.
  """
  counts = dict.fromkeys(
    ('weights', 'biases', 'adafm_weights', 'adafm_biases'), 0
  )
  for name, shape in shapes.items():
    layer, _, kind = name.rpartition('/')
    owner = 'adafm_' if 'adafm' in layer else ''
    counts[owner + ('biases' if kind.endswith('bias') else 'weights')] += (
      math.prod(shape)
    )
  return counts

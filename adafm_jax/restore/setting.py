"""At which strength an image is restored, and how much it is enlarged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.model_file.header import Header

# What asks for less of the start model than this is left alone, since clean
# texture looks like a little noise.
LEAST_SHARE = 0.2
# One value, or one an image.
Values = float | Sequence[float] | np.ndarray


def check_strength(model: Header, strength: Values) -> np.ndarray:
  """Checks strengths.

  Args:
    model: whose strengths they are.
    strength: one or several.

  Returns:
    float64 [] or [N], without negative zeros.

  Raises:
    UserError: one is not a number from 0 to 1; or the model has no AdaFM
      layers, and one is not 0.
  """
  try:
    values = np.asarray(strength, np.float64) + 0.0
  except (TypeError, ValueError) as error:
    raise UserError(
      f'A strength must be a number from 0 to 1, not {strength!r}.'
    ) from error
  for value in values.ravel():
    if not 0 <= value <= 1:
      raise UserError(
        f'The strength is {value:g}; it must be from 0 ({_start(model)}) to 1.'
      )
  if values.any() and not model.arch.kernel:
    raise UserError(
      'This model has no AdaFM layers, so every strength gives the same; give'
      f' strength 0, or a model adapted from {_start(model)}.'
    )
  return values


def strength_of(model: Header, level: float, channels: int) -> float:
  """The strength that serves a level, for an image of 1 or 3 channels.

  A grey image goes through an RGB network as three equal channels. Their noise
  is equal too, where the network knows independent noise, whose mean over the
  channels is smaller by the root of 3. So noise that weighs as much in the grey
  is expected at sqrt(3) times the level, up to the end of the range. On grey
  held-out photographs a small denoiser gained 2.5, 4.5 and 5.8 dB by this at
  sigma 15, 25 and 40.

  Raises:
    UserError: see `Header.strength`.
  """
  strength, span = model.strength(level), model.levels
  repeated = channels < model.arch.channels
  if span.task != 'denoise' or not repeated or not model.arch.kernel:
    return strength
  low, high = sorted((span.start, span.end))
  return model.strength(min(max(math.sqrt(3) * level, low), high))


def share(model: Header, level: float, channels: int) -> float:
  """How much of the start model's result serves a level below its start.

  The share grows with the level in proportion: none at no noise or at quality
  100, all at the start. docs/restore.md has the measurements.

  Args:
    model: of noise or JPEG artefacts.
    level: in its unit, cleaner than its start.
    channels: of the image; for grey see `strength_of`.

  Returns:
    In [0, 1].

  Raises:
    UserError: the level is not legal.
  """
  span = model.levels
  task = levels.get_task(span.task)
  if problems := task.problems(level):
    raise UserError(problems)
  if not model.arch.kernel:
    model.strength(level)  # it has one level, and says so
  clean = task.lowest if task.name == 'denoise' else task.highest
  value = (level - clean) / (span.start - clean)
  if task.name == 'denoise' and channels < model.arch.channels:
    value *= math.sqrt(3)
  return min(value, 1.0)


def choose(
  model: Header,
  level: Values | None,
  strength: Values | None,
  *,
  channels: int,
) -> tuple[np.ndarray, float]:
  """Turns what the user gives into a strength and a scale.

  Args:
    model: the model's header.
    level: in the model's unit; in super-resolution the scale.
    strength: instead of a level; in super-resolution beside it.
    channels: of the image, 1 (grey) or 3.

  Returns:
    Strength, float64 [] or [N]; and the factor by which the image is enlarged
    first, 1 except in super-resolution.

  Raises:
    UserError: neither is given, or both; a value is out of range; or
      super-resolution is not told one scale.
  """
  scaling = model.levels.task == 'sr'
  if scaling and (level is None or np.ndim(level)):
    raise UserError(
      f'This model enlarges images: give one level, the scale ({model.levels}).'
    )
  if level is None and strength is None:
    raise UserError(
      f'Give a level ({model.levels}), or a strength from 0 to 1.'
    )
  if level is not None and strength is not None and not scaling:
    raise UserError('Give a level or a strength, not both.')
  if strength is None:
    wanted = np.asarray(level, np.float64)
    strengths = [strength_of(model, float(x), channels) for x in wanted.ravel()]
    values = np.reshape(np.array(strengths), wanted.shape)
  else:
    values = check_strength(model, strength)
  if not scaling:
    return values, 1.0
  scale = float(np.asarray(level))
  model.levels.check(scale)
  return values, scale


def _start(model: Header) -> str:
  return str(model.levels).partition(' to ')[0]

"""At which strength an image is restored, and how much it is enlarged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax import errors
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.model_file.header import Header

# What is estimated to ask for a smaller share of the start model is left alone:
# clean texture looks like a little noise, and with less the picture of a JPEG
# file gained nothing. Chosen with benchmarks/fading.py, see docs/restore.md.
MIN_SHARE = {'denoise': 0.2, 'dejpeg': 0.09, 'sr': 0.0}
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
  errors.raise_all(levels.strength_problems(values.ravel()))
  if values.any() and not model.arch.kernel:
    start = levels.TASKS[model.levels.task].label(model.levels.start)
    raise UserError(
      'This model has no AdaFM layers, so every strength gives the same; give'
      f' strength 0, or a model adapted from {start}.'
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
    UserError: see `Header.strength`. Grey noise may also be as much below the
      range as it is expected to be above it.
  """
  expected, span = _expected(model, level, channels), model.levels
  if expected == level or span.cleaner(expected):
    return model.strength(level)
  low, high = sorted((span.start, span.end))
  span.check(max(level, low))
  return model.strength(min(expected, high))


def _expected(model: Header, level: float, channels: int) -> float:
  """The level of independent noise that weighs as much, see `strength_of`."""
  repeated = channels < model.arch.channels and bool(model.arch.kernel)
  if model.levels.task == 'denoise' and repeated:
    return math.sqrt(3) * level
  return level


def share(model: Header, level: float, channels: int) -> float:
  """How much of the weakest result serves a level that is cleaner.

  The share of colour noise grows with `fraction`. Of grey noise less is known,
  and the start model smooths more than weak JPEG artefacts ask for: their share
  grows with its square. docs/restore.md has the measurements.

  Args:
    model: of noise or JPEG artefacts.
    level: in its unit, cleaner than both of its ends.
    channels: of the image; for grey see `strength_of`.

  Returns:
    In [0, 1].

  Raises:
    UserError: the level is not legal.
  """
  value = fraction(model, level, channels)
  coloured = channels >= model.arch.channels
  return value if model.levels.task == 'denoise' and coloured else value**2


def fraction(model: Header, level: float, channels: int) -> float:
  """Where a level lies between none (0) and the weakest (1), for `share`."""
  span = model.levels
  task = levels.get_task(span.task)
  if problems := task.problems(level):
    raise UserError(problems)
  if not model.arch.kernel:
    model.strength(level)  # it has one level, and says so
  expected = _expected(model, level, channels)
  return min((expected - task.clean) / (span.weakest - task.clean), 1.0)


class Setting(NamedTuple):
  """How images are restored.

  Attributes:
    strength: float64 [] or [N].
    scale: by which they are enlarged first; 1 except in super-resolution.
    share: float64 [] or [N], of the network's output in the result; the rest is
      the image. 1 but for levels cleaner than the model's range.
    gain: float64 [] or [N], by which the images are stretched.
  """

  strength: np.ndarray
  scale: float
  share: np.ndarray
  gain: np.ndarray


def choose(
  model: Header,
  level: Values | None,
  strength: Values | None,
  *,
  channels: int,
  gain: float | np.ndarray = 1.0,
) -> Setting:
  """Turns what the user gives into a setting.

  Noise is stretched with an image of little contrast, so that the network sees
  `gain` times the level. It is stretched less where that would be more noise
  than the model restores.

  Args:
    model: the model's header.
    level: in the model's unit, down to no degradation; in super-resolution the
      scale.
    strength: instead of a level; in super-resolution beside it.
    channels: of the image, 1 (grey) or 3.
    gain: [] or [N], at least 1, by which the images may be stretched.

  Raises:
    UserError: neither is given, or both; a value is no number or out of range;
      or super-resolution is not given one scale.
  """
  try:
    wanted = None if level is None else np.asarray(level, np.float64)
  except (TypeError, ValueError) as error:
    raise UserError(f'A level must be a number, not {level!r}.') from error
  scaling, scale = model.levels.task == 'sr', 1.0
  if scaling:
    if wanted is None or wanted.ndim:
      raise UserError(
        'This model enlarges images: give one level, the scale'
        f' ({model.levels}).'
      )
    scale = float(wanted)
  gain = np.asarray(gain, np.float64)
  if strength is not None:
    if wanted is not None and not scaling:
      raise UserError('Give a level or a strength, not both.')
    values = check_strength(model, strength)
    shares = np.ones_like(values)
  elif wanted is not None:
    if model.levels.task == 'denoise' and (gain != 1).any():
      wanted, gain = _stretched(model, wanted, gain)
    chosen = [_of_level(model, float(x), channels) for x in wanted.ravel()]
    pairs = np.reshape(np.array(chosen), (*wanted.shape, 2))
    values, shares = pairs[..., 0], pairs[..., 1]
  else:
    raise UserError(
      f'Give a level ({model.levels}), or a strength from 0 to 1.'
    )
  if scaling:
    model.levels.check(scale)
  return Setting(values, scale, shares, gain)


def _stretched(
  model: Header, wanted: np.ndarray, gain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Levels that the network sees, and by how much images are stretched."""
  strongest = model.levels.strongest
  with np.errstate(divide='ignore', invalid='ignore'):
    most = np.where(wanted > 0, strongest / wanted, 1.0)
  gain = np.clip(gain, 1.0, np.maximum(most, 1.0))
  seen = np.where(gain > 1, np.minimum(wanted * gain, strongest), wanted)
  return seen, gain


def _of_level(
  model: Header, level: float, channels: int
) -> tuple[float, float]:
  """Strength and share."""
  expected, span = _expected(model, level, channels), model.levels
  if span.task != 'sr' and span.cleaner(expected):
    return float(span.weakest == span.end), share(model, level, channels)
  return strength_of(model, level, channels), 1.0


def fade(
  images: np.ndarray, outputs: np.ndarray, shares: np.ndarray
) -> np.ndarray:
  """Mixes images and what the network made of them.

  Args:
    images: float32 [B, H, W, C], the network's input.
    outputs: float32 [..., B, H, W, C].
    shares: float, of `outputs` in the result; [] or of their leading axes.

  Returns:
    `outputs`, bit for bit, where the share is 1, and `images` where it is 0.
  """
  if np.all(shares == 1):
    return outputs
  weights = shares[..., None, None, None].astype(np.float32)
  mixed = images + weights * (outputs - images)
  return np.where(weights == 1, outputs, mixed)

"""Degraded partners of prepared images: those that a run needs.

Noise is drawn anew for every patch. What JPEG and reduction do depends on the
whole image, so a prepared set of parts of images keeps each one degraded.
"""

from __future__ import annotations

from adafm_jax.config.fields import Config
from adafm_jax.data import prepared
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.degradation import Degradation


def between(config: Config) -> list[float]:
  """Levels between the ends that need partners of all images."""
  paired = Degradation(config.task).whole_image
  if config.used_stages == ['train', 'adapt'] or not paired:
    return []
  listed = levels.level_list(
    config.path.levels or config.calibrate.levels, config.levels, 7
  )
  return [x for x in listed if x not in (config.start, config.end)]


def find(config: Config, split: prepared.Split) -> prepared.Split | None:
  """The split, or that of its set with all partners; None if neither has."""
  task, channels = config.task, config.model.channels
  needed = [config.start, config.end, *between(config)]
  name = prepared.partner_set(split.name, task, channels)
  other = prepared.open_split(name, split.split, config.data.data_dir)
  for candidate in filter(None, (split, other)):
    if all(candidate.has_level(task, level, channels) for level in needed):
      return candidate
  return None


def how_to_make(config: Config, split: prepared.Split) -> str:
  """What is missing, and the command that makes it."""
  where = prepared.shown_dir(config.data.data_dir)
  base, name = split.index['base'], prepared.clean_name(split.name, split.index)
  named = '' if base == name else f' --name {name}'
  wanted = [config.start, config.end, *between(config)]
  listed = ','.join(repr(level).removesuffix('.0') for level in wanted)
  return (
    f'{config.data.train} holds no images degraded to the levels'
    f' {listed} of task {config.task}, which needs whole images: run'
    f' python -m adafm_jax.data.prepare --dataset {base}{named} --source'
    f' FOLDER --data_dir {where} --task {config.task} --levels {listed}'
    f' --channels {config.model.channels}.'
  )

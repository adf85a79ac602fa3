"""Reads lists of variations: config files that define `get_variations()`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from adafm_jax.config import command_line
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.paper import presets, systems
from adafm_jax.paper.variation import Variation


class Lists(NamedTuple):
  """What is asked for on the command line.

  Attributes:
    preset: its name.
    base: config that all variations share.
    variations: of all lists, each once; `levels` are those of all of them.
  """

  preset: str
  base: Config
  variations: list[Variation]


def read(path: str, overrides: Mapping[str, str]) -> Lists:
  """Reads lists and the config that they share.

  Args:
    path: a file that defines `get_variations()`, or a folder of such files.
    overrides: text by dotted name. `preset`, `tasks` and `seeds` choose; all
      others are fields of the config.

  Raises:
    UserError: with a sentence for each mistake.
  """
  fields = dict(overrides)
  preset = fields.pop('preset', 'small')
  tasks = [x for x in fields.pop('tasks', '').split(',') if x]
  for task in tasks:
    levels.get_task(task)
  seeds = _seeds(fields.pop('seeds', '0'))
  decided = {'task', 'start', 'end', 'seed', 'model.channels', 'model.kernel'}
  decided |= {'model.placement', 'path.kind', 'path.bends', 'model.init'}
  decided |= {'evaluate.levels', 'evaluate.ssim'}
  decided |= {name for name in fields if name.startswith('joint.')}
  if wrong := sorted(decided & set(fields)):
    raise UserError(
      f'--config.{wrong[0]} changes what the lists of the paper decide; change'
      ' the list itself, or use preset, tasks and seeds.'
    )
  base = configs.parse(presets.get(preset), fields)
  found: dict[tuple, Variation] = {}
  for file in _files(path):
    for v in _variations(file):
      systems.check(v)
      if tasks and v.task not in tasks:
        continue
      for seed in seeds:
        _add(found, dataclasses.replace(v, seed=seed))
  if not found:
    raise UserError(f'{path} has no variation of the tasks {", ".join(tasks)}.')
  return Lists(preset, base, list(found.values()))


def _add(found: dict[tuple, Variation], v: Variation) -> None:
  """Adds a variation, or only its levels if it is there already."""
  key = tuple(v.identity.items())
  if key in found:
    both = dict.fromkeys([*found[key].levels, *v.levels])
    picture = v.picture or found[key].picture
    v = dataclasses.replace(v, levels=tuple(both), picture=picture)
  found[key] = v


def _seeds(text: str) -> list[int]:
  seeds = text.split(',')
  try:  # as the field of a single run is checked
    return [configs.parse({}, {'seed': x}).seed for x in seeds]
  except UserError as error:
    raise UserError(
      f'seeds is {text!r}; each must be a whole number from 0 to 2**32 - 1,'
      ' such as 0,1,2.'
    ) from error


def _files(path: str) -> list[str]:
  if not pathlib.Path(path).is_dir():
    return [path]
  found = list(pathlib.Path(path).glob('*.py'))
  # Tables first: what they share with the rest is trained in their order.
  found = sorted(found, key=lambda x: (not x.name.startswith('table'), x.name))
  files = [str(x) for x in found]
  files = [x for x in files if command_line.holds_lists(x)]
  if not files:
    raise UserError(f'The folder {path} holds no list of variations.')
  return files


def _variations(file: str) -> list[Variation]:
  found = command_line.call(file, command_line.LISTS)
  if not found or not all(isinstance(v, Variation) for v in found):
    raise UserError(
      f'{file} is not a list of variations; its'
      f' {command_line.LISTS}() must return'
      ' adafm_jax.paper.variation.Variation objects.'
    )
  return found

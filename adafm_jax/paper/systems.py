"""How each system of the paper's experiments is trained.

Each is a network, the weights it starts from, and one stage of training. What
it starts from is another variation, so systems with the same basic model share
it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax

from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.paper.variation import Variation
from adafm_jax.train import optim

Begin = Callable[[Config, Architecture, Sequence[restorer.Params]], dict]


class System(NamedTuple):
  """How one system is made.

  Attributes:
    two_levels: whether it has an end level.
    needs: the variations whose weights it starts from.
    network: what is trained.
    begin: (config, network, weights of `needs`) -> its weights at first.
    stage: of `train.stages`, whose config sets the steps; '' if nothing is
      trained.
    rules: which weights are trained; () are those of the stage.
  """

  two_levels: bool
  needs: Callable[[Variation], Sequence[Variation]]
  network: Callable[[Config], Architecture]
  begin: Begin
  stage: str
  rules: optim.Rules = ()


def basic_of(v: Variation) -> Variation:
  """The basic model for the start level of a variation."""
  return v.but(system='basic', end=None, kernel=0, placement='block', bends=0)


def _fresh(config: Config, network: Architecture, _) -> restorer.Params:
  key = jax.random.key(config.seed)
  return restorer.init(key, network, scale=config.model.init_scale)


def _with_adafm(_, network: Architecture, parents) -> restorer.Params:
  return restorer.insert_adafm(parents[0], network)


_ALL: optim.Rules = (('train', '.*'),)


def _from_basic(v: Variation) -> list[Variation]:
  return [basic_of(v)]


def _bent() -> System:
  return System(
    two_levels=True,
    needs=lambda v: [v.but(system='adafm', bends=0)],
    network=lambda config: config.bent,
    begin=_with_adafm,
    stage='path',
  )


SYSTEMS: dict[str, System] = {
  # One level, all weights.
  'basic': System(
    two_levels=False,
    needs=lambda v: [],
    network=lambda config: config.arch.basic,
    begin=_fresh,
    stage='basic',
  ),
  'adafm': System(
    two_levels=True,
    needs=_from_basic,
    network=lambda config: config.arch,
    begin=_with_adafm,
    stage='adapt',
  ),
  # AdaFM-Net whose weights are all trained for one level (section 4.2).
  'scratch': System(
    two_levels=False,
    needs=lambda v: [],
    network=lambda config: config.arch,
    begin=_fresh,
    stage='basic',
    rules=_ALL,
  ),
  # All weights of the basic model, trained further for the end level.
  'further': System(
    two_levels=True,
    needs=_from_basic,
    network=lambda config: config.arch.basic,
    begin=lambda config, network, parents: parents[0],
    stage='adapt',
    rules=_ALL,
  ),
  # Sets of AdaFM layers at middle levels (section 3.5), and our polynomials.
  'hats': _bent(),
  'poly': _bent(),
}
# Levels of a network that serves one level, to have two different ones.
_OTHER = {'denoise': (15.0, 75.0), 'dejpeg': (80.0, 10.0), 'sr': (3.0, 4.0)}


def check(v: Variation) -> None:
  """Raises UserError if the system does not fit the levels."""
  if v.system not in SYSTEMS:
    raise UserError(
      f'A variation of task {v.task} has system {v.system!r}; it must be one'
      f' of {", ".join(SYSTEMS)}.'
    )
  if SYSTEMS[v.system].two_levels != (v.end is not None):
    wanted = 'two levels' if v.end is None else 'no end'
    raise UserError(f'{v.title}: a system {v.system} has {wanted}.')
  if (v.system in ('hats', 'poly')) != bool(v.bends):
    raise UserError(
      f'{v.title}: bends is {v.bends}; hats and poly have one or more, other'
      ' systems none.'
    )


def configure(base: Config, v: Variation) -> Config:
  """The config that trains a variation; `base` is that of the whole list."""
  other = next(x for x in _OTHER[v.task] if x != v.start)
  bent = v.system in ('hats', 'poly')
  return dataclasses.replace(
    base,
    task=v.task,
    start=v.start,
    end=other if v.end is None else v.end,
    seed=v.seed,
    model=dataclasses.replace(
      base.model,
      channels=v.channels,
      kernel=v.kernel,
      placement=v.placement,
    ),
    path=dataclasses.replace(
      base.path,
      kind=v.system if bent else 'line',
      bends=v.bends or base.path.bends,
    ),
  )


def strength(v: Variation, level: float) -> float | None:
  """The strength that serves a level; None where it has to be searched."""
  if v.end is None:
    return 1.0 if v.system == 'scratch' else 0.0
  if level == v.start:
    return 0.0
  return 1.0 if level == v.end else None

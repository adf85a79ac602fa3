"""How each system of the paper's experiments is trained.

Each is a network, the weights it starts from, and one stage of training. What
it starts from is another variation, so systems with the same basic model share
it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from adafm_jax.config.fields import Config
from adafm_jax.data.image import NamedImage
from adafm_jax.errors import UserError
from adafm_jax.models import networks, normalization, sft, srresnet
from adafm_jax.models.architecture import Architecture
from adafm_jax.models.networks import Peer
from adafm_jax.models.restorer import Params
from adafm_jax.paper import observation, weights
from adafm_jax.paper.variation import Variation
from adafm_jax.train import optim

# (config, network, weights of what it needs) -> weights at first.
Begin = Callable[[Config, Architecture, Sequence[Params]], Params]
# (config, network, weights, those of what it needs, held-out images) ->
# weights, with what is measured rather than trained.
Finish = Callable[
  [Config, Any, Params, Sequence[Params], Sequence[NamedImage]], Params
]


class System(NamedTuple):
  """How one system is made.

  Attributes:
    network: what is trained.
    stage: of `train.stages`, whose config sets the steps; '' if nothing is
      trained.
    rules: which weights are trained; () are those of the stage.
    two_levels: whether it has an end level.
    needs: the variations whose weights it starts from.
    begin: makes the weights that training starts with.
    finish: adds what is measured on images after training; None: nothing.
    grid: patches to learn from begin at multiples of it, pixels.
  """

  network: Callable[[Config], Architecture]
  stage: str
  rules: optim.Rules = ()
  two_levels: bool = False
  needs: Callable[[Variation], Sequence[Variation]] = lambda v: ()
  begin: Begin = lambda config, network, parents: networks.init(
    jax.random.key(config.seed), network, scale=config.model.init_scale
  )
  finish: Finish | None = None
  grid: int = 1


def one_level(v: Variation, system: str, level: float | None) -> Variation:
  """A system with one level that another variation starts from."""
  assert level is not None
  return v.but(
    system=system, start=level, end=None, kernel=0, placement='block', bends=0
  )


def _basic(v: Variation) -> list[Variation]:
  return [one_level(v, 'basic', v.start)]


def _peer(kind: str, more: int = 0) -> Callable[[Config], Peer]:
  """A network of the config's size, with `more` blocks."""
  return lambda config: Peer(
    kind=kind,
    features=config.model.features,
    blocks=config.model.blocks + more,
    channels=config.model.channels,
  )


def _bent() -> System:
  return System(
    network=lambda config: config.bent,
    stage='path',
    two_levels=True,
    needs=lambda v: [v.but(system='adafm', bends=0)],
    begin=weights.with_adafm,
  )


_ALL: optim.Rules = (('train', '.*'),)
_BUT_MEASURED = (('freeze', normalization.MEASURED_PARAMETERS), *_ALL)
_CHANGES = normalization.CHANGE_PARAMETERS

SYSTEMS: dict[str, System] = {
  # The paper's own.
  'basic': System(lambda config: config.arch.basic, 'basic'),
  'adafm': System(
    lambda config: config.arch,
    'adapt',
    two_levels=True,
    needs=_basic,
    begin=weights.with_adafm,
  ),
  # AdaFM-Net whose weights are all trained for one level (section 4.1).
  'scratch': System(lambda config: config.arch, 'basic', _ALL),
  # Sets of AdaFM layers at middle levels (section 3.5), and our polynomials.
  'hats': _bent(),
  'poly': _bent(),
  # Table 1. DnCNN has 20 convolutions where the basic model has 16 blocks.
  'arcnn': System(_peer('arcnn'), 'basic', _ALL),
  'dncnn': System(
    _peer('dncnn', 4), 'basic', _BUT_MEASURED, finish=weights.measured
  ),
  'srresnet': System(
    _peer('srresnet'),
    'basic',
    _BUT_MEASURED,
    finish=weights.measured,
    grid=srresnet.SCALE,  # it sees each small pixel where it will later
  ),
  # Table 3.
  'batch': System(
    _peer('batch'), 'basic', _BUT_MEASURED, finish=weights.measured
  ),
  'adabn': System(
    _peer('adabn'),
    '',
    two_levels=True,
    needs=lambda v: [one_level(v, 'batch', v.start)],
    begin=weights.two_ends,
    finish=weights.measured_again,
  ),
  'instance': System(_peer('instance'), 'basic', (('freeze', _CHANGES), *_ALL)),
  'condin': System(
    _peer('instance'),
    'adapt',
    (('train', _CHANGES), ('freeze', '.*')),
    two_levels=True,
    needs=lambda v: [one_level(v, 'instance', v.start)],
    begin=weights.first,
  ),
  # Section 3.3: gains and offsets of batch norm, fine-tuned; SFT layers.
  'batch_tuned': System(
    lambda config: config.arch,
    'adapt',
    two_levels=True,
    needs=lambda v: [one_level(v, 'batch', v.start)],
    begin=weights.as_adafm,
  ),
  'sft': System(
    _peer('sft'),
    'adapt',
    (('train', sft.PARAMETERS), ('freeze', '.*')),
    two_levels=True,
    needs=_basic,
    begin=weights.with_sft,
  ),
  # What a user with two networks would try.
  'further': System(
    lambda config: config.arch.basic,
    'adapt',
    _ALL,
    two_levels=True,
    needs=_basic,
    begin=weights.first,
  ),
  'interpolate': System(
    _peer('interpolate'),
    '',
    two_levels=True,
    needs=lambda v: [*_basic(v), v.but(system='further', kernel=0)],
    begin=weights.two_ends,
  ),
  'blend': System(
    _peer('blend'),
    '',
    two_levels=True,
    needs=lambda v: [*_basic(v), one_level(v, 'basic', v.end)],
    begin=weights.two_ends,
  ),
  # Observation 1 (section 3.2).
  'arcnn_further': System(
    _peer('arcnn'),
    'adapt',
    _ALL,
    two_levels=True,
    needs=lambda v: [one_level(v, 'arcnn', v.start)],
    begin=weights.first,
  ),
  'arcnn_fit': System(
    lambda config: dataclasses.replace(
      _peer('arcnn')(config), kernel=config.model.kernel
    ),
    '',
    two_levels=True,
    needs=lambda v: [
      one_level(v, 'arcnn', v.start),
      v.but(system='arcnn_further', kernel=0),
    ],
    begin=weights.first,
    finish=observation.fit,
  ),
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
  if v.system == 'srresnet' and (v.task, v.start) != ('sr', 4):
    raise UserError(f'{v.title}: srresnet is made for sr at scale 4.')
  if v.system == 'batch_tuned' and v.kernel != 1:
    raise UserError(
      f'{v.title}: kernel is {v.kernel}; batch_tuned has kernel 1, as batch'
      ' norm has one gain a channel.'
    )
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

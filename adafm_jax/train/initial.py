"""The weights that a run begins with: random, or those of `model.init`."""

from __future__ import annotations

import jax

from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError
from adafm_jax.model import Model
from adafm_jax.models import parameters, restorer
from adafm_jax.train import logs


def load(config: Config) -> Model | None:
  """The model that a run begins with, if there is one.

  Raises:
    UserError: `model.init` can't be read, holds another network, or was made
      for other levels than those that this run keeps its weights for.
  """
  if not config.model.init:
    return None
  model = Model.load(config.model.init)
  found, wanted = model.arch.basic, config.arch.basic
  if not config.adapt.steps and model.arch != config.bent:
    found, wanted = model.with_path('line').arch, config.arch
  if found != wanted:
    raise UserError(
      f'model.init is {config.model.init}, a network of {found}; this run needs'
      f' one of {wanted}.'
    )
  _check_levels(config, model)
  return model


def _check_levels(config: Config, model: Model) -> None:
  """Refuses a task and levels that were not and will not be learnt."""
  has, wanted = model.levels, config.levels
  fits = has.task == wanted.task
  if not config.train.steps:
    fits &= has.start == wanted.start
  if not config.adapt.steps:
    fits &= has.end == wanted.end
  kept = [
    name for name in ('train', 'adapt') if not getattr(config, name).steps
  ]
  if kept and not fits and not config.joint.steps:
    raise UserError(
      f'model.init is {config.model.init}, made for {has} ({has.task}), but'
      f' this run is for {wanted} ({wanted.task}) and learns nothing there, as'
      f' {kept[0]}.steps is 0; give the levels of the model, or steps.'
    )


def basic(config: Config) -> restorer.Params:
  """The basic model's: random, or the backbone of `model.init`.

  Raises:
    UserError: see `load`.
  """
  if model := load(config):
    return restorer.backbone(model.params)
  key = jax.random.key(config.seed)
  scale = config.model.init_scale
  return restorer.init(key, config.arch.basic, scale=scale)


def given(config: Config) -> restorer.Params:
  """The weights of `model.init`, on the released path; nothing is trained.

  A model on another path gives its straight one.

  Raises:
    UserError: see `load`.
  """
  model = load(config)
  assert model  # `config.checks` asks for one
  logs.say(f'all weights so far: those of {config.model.init}')
  if model.arch.bends and model.arch != config.bent:
    logs.say(
      f'but its bends are left out: its path is {model.arch.path} of'
      f' {model.arch.bends}, that of this run {config.bent.path} of'
      f' {config.bent.bends}'
    )
    model = model.with_path('line')
  return parameters.insert_adafm(model.params, config.bent)

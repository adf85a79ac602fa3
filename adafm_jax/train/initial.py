"""The weights that a run begins with."""

from __future__ import annotations

import jax

from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError
from adafm_jax.model import Model
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import logs


def basic(config: Config) -> restorer.Params:
  """The basic model's: random, or the backbone of `model.init`.

  Raises:
    UserError: `model.init` holds another network.
  """
  arch = config.arch.basic
  if not config.model.init:
    key = jax.random.key(config.seed)
    return restorer.init(key, arch, scale=config.model.init_scale)
  model = Model.load(config.model.init)
  _check_given(config, model.arch.basic, arch)
  return restorer.backbone(model.params)


def _check_given(config: Config, arch: Architecture, wanted: Architecture):
  if arch != wanted:
    raise UserError(
      f'model.init is {config.model.init}, a network of {arch}; this run needs'
      f' one of {wanted}.'
    )


def given(config: Config) -> restorer.Params:
  """The weights of `model.init`, on the released path; nothing is trained.

  A model on another path gives its straight one.

  Raises:
    UserError: it holds another network.
  """
  model = Model.load(config.model.init)
  if model.arch != config.bent:
    model = model.with_path('line')
    _check_given(config, model.arch, config.arch)
  logs.say(f'all weights so far: those of {config.model.init}')
  return restorer.insert_adafm(model.params, config.bent)

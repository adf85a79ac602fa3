"""Dedicated networks begin as the start network, at a level of their own."""

import dataclasses

import numpy as np
import pytest
import tiny_models

from adafm_jax import config as configs
from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from benchmarks import dedicated


def test_the_backbone_is_the_network_at_strength_0():
  model = tiny_models.random_model()
  bent = np.ones((model.arch.adafm_layers, 2), np.float32)
  model = dataclasses.replace(model, layer_curve=bent).with_curve('layers')
  image = np.random.default_rng(0).random((1, 8, 10, 3), np.float32)
  basic = restorer.make_apply(model.arch.basic)
  np.testing.assert_array_equal(
    basic(dedicated.backbone(model), image, 0.0),
    model.apply(model.params, image, 0.0),
  )


def test_it_trains_at_its_level_as_long_as_the_adaptation_did():
  config = configs.parse({'adapt': {'steps': 700}})
  changed = dedicated.make_config(config, 35.0)
  assert (changed.start, changed.train.steps) == (35, 700)
  with pytest.raises(UserError, match='outside the range'):
    dedicated.make_config(config, 80.0)
  with pytest.raises(UserError, match='75 is the end'):
    dedicated.make_config(config, 75.0)

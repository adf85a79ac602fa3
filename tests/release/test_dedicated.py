"""Dedicated networks are trained at a level of their own."""

import importlib.util
import pathlib

import pytest

from adafm_jax.config import parse as configs
from adafm_jax.errors import UserError

PATH = pathlib.Path(__file__).parents[2] / 'release' / 'dedicated.py'


@pytest.fixture(scope='module')
def dedicated():
  spec = importlib.util.spec_from_file_location('dedicated', PATH)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def test_it_trains_at_its_level_as_long_as_the_adaptation_did(dedicated):
  config = configs.parse({'adapt': {'steps': 700}})
  changed = dedicated.make_config(config, 35.0)
  assert (changed.start, changed.train.steps) == (35, 700)
  with pytest.raises(UserError, match='outside the range'):
    dedicated.make_config(config, 80.0)
  with pytest.raises(UserError, match='75 is the end'):
    dedicated.make_config(config, 75.0)

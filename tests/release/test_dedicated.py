"""Dedicated networks are trained at a level of their own."""

import pytest
import small_configs

from adafm_jax.errors import UserError
from release import dedicated


def test_it_trains_at_its_level_as_long_as_the_adaptation_did():
  config = small_configs.parse(adapt__steps=700)
  changed = dedicated.make_config(config, 35.0)
  assert (changed.start, changed.train.steps) == (35, 700)
  with pytest.raises(UserError, match='outside the range'):
    dedicated.make_config(config, 80.0)
  with pytest.raises(UserError, match='75 is the end'):
    dedicated.make_config(config, 75.0)

"""Experiments as data: `default()` is where a config file begins."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import ml_collections


def default() -> ml_collections.ConfigDict:
  """All fields at the paper's denoising settings, ready to be changed."""
  # Imported here: training from Python needs no ml_collections.
  import ml_collections

  from adafm_jax.config.fields import Config

  return ml_collections.ConfigDict(dataclasses.asdict(Config()))

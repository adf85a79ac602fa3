"""Where config files begin."""

from __future__ import annotations

import dataclasses

import ml_collections

from adafm_jax.config.fields import Config


def default() -> ml_collections.ConfigDict:
  """All fields at the paper's denoising settings, ready to be changed."""
  return to_config_dict(Config())


def small() -> ml_collections.ConfigDict:
  """Settings with which a CPU core trains a model within an hour or so.

  32 features, 8 blocks. Chosen on held-out images of BSD431 (denoising, sigma
  15): Adam's b2, the scale of the initial weights, the width; see
  docs/models/README.md.
  """
  c = default()
  c.model.features = 32
  c.model.blocks = 8
  c.model.init_scale = 0.3
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  for stage in (c.train, c.adapt):
    stage.batch = 8
    stage.patch = 48
    stage.learning_rate = 2e-3
    stage.b2 = 0.99
    stage.schedule = 'cosine'
    stage.warmup = 500
    stage.ema = 0.999
  c.run.log_every = 500
  c.run.evaluate_every = 4000
  c.run.checkpoint_every = 2000
  c.run.validate_images = 31
  c.calibrate.images = 31
  return c


def to_config_dict(config: Config) -> ml_collections.ConfigDict:
  """The config as the mutable, type-safe dict that config files return."""
  return ml_collections.ConfigDict(dataclasses.asdict(config))

"""Experiments as data: `default()` is where a config file begins."""

from adafm_jax.config.presets import default as default
from adafm_jax.config.presets import small as small

"""How long a list will take: measured forward passes, corrected by what ran.

A training step costs about as much as three forward passes. What the finished
runs took, over what was expected of them, corrects the rest.
"""

from __future__ import annotations

import functools
import time

import jax
import jax.numpy as jnp

from adafm_jax.config.fields import Config
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.paper import learn, measure, systems
from adafm_jax.paper.folder import Folder
from adafm_jax.paper.variation import Variation
from adafm_jax.train import stages

_PASSES = 3  # forward passes that cost as much as a training step
_TRIES = 3
_SEARCHED = 18  # strengths of a search, see `calibrate.measure`


def training(base: Config, v: Variation, folder: Folder) -> float:
  """Seconds that are left of a variation's training, uncorrected."""
  config, system = systems.configure(base, v), systems.SYSTEMS[v.system]
  if folder.trained or not system.stage:
    return 0.0
  stage = getattr(config, stages.FIELDS[system.stage])
  done = stages.latest_step(folder.path, system.stage) or 0
  network = system.network(config)
  each = _forward(network, stage.batch, stage.patch)
  return _PASSES * (stage.steps - done) * each


def measuring(base: Config, v: Variation, folder: Folder) -> float:
  """Seconds that are left of measuring a variation, uncorrected."""
  config, system = systems.configure(base, v), systems.SYSTEMS[v.system]
  stage = config.train
  todo = measure.missing(base, v, folder)
  if not todo:
    return 0.0
  each = _forward(system.network(config), stage.batch, stage.patch)
  a_pixel = each / stage.batch / stage.patch**2
  data = learn.load(base, v)
  held = data.learnt.heldout[: config.calibrate.images]
  searched = {x for *_, x in todo if systems.strength(v, x) is None}
  pixels = _SEARCHED * len(searched) * _pixels(held)
  return a_pixel * (pixels + sum(_pixels(data.sets[x]) for x, *_ in todo))


def _pixels(images) -> int:
  return sum(image.pixels.shape[0] * image.pixels.shape[1] for image in images)


@functools.cache
def _forward(network: Architecture, batch: int, patch: int) -> float:
  """Seconds of one forward pass on this machine."""
  params = restorer.init(jax.random.key(0), network)
  images = jnp.zeros((batch, patch, patch, network.channels), jnp.float32)
  run = jax.jit(restorer.make_apply(network, lowering='train'))
  jax.block_until_ready(run(params, images, 0.5))
  begun = time.monotonic()
  for _ in range(_TRIES):
    jax.block_until_ready(run(params, images, 0.5))
  return (time.monotonic() - begun) / _TRIES

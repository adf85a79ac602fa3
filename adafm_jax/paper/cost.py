"""How long a list will take: a measured forward pass, corrected by what ran.

A training step costs about as much as three forward passes. One network is
measured, and the others are compared with it by their operations. What the
finished runs took, over what was expected of them, corrects the rest.
"""

from __future__ import annotations

import functools
import time

import jax
import jax.numpy as jnp

from adafm_jax.config.fields import Config
from adafm_jax.models import networks
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
  stage, network = config.train, system.network(config)
  if isinstance(network, networks.Peer) and network.kind in networks.ENDS:
    network = (
      network.basic
    )  # nearly as much, and it needs no two sets of weights
  todo = measure.missing(base, v, folder)
  if not todo:
    return 0.0
  each = _forward(network, stage.batch, stage.patch)
  a_pixel = each / stage.batch / stage.patch**2
  data = learn.load(base, v)
  held = data.learnt.heldout[: config.calibrate.images]
  searched = {x for *_, x in todo if systems.strength(v, x) is None}
  pixels = _SEARCHED * len(searched) * _pixels(held)
  return a_pixel * (pixels + sum(_pixels(data.sets[x]) for x, *_ in todo))


def _pixels(images) -> int:
  return sum(image.pixels.shape[0] * image.pixels.shape[1] for image in images)


def _forward(network: Architecture, batch: int, patch: int) -> float:
  """Seconds of one forward pass on this machine, by its operations."""
  basic = network.basic
  return (
    _seconds(basic, batch, patch)
    * _operations(network, batch, patch)
    / _operations(basic, batch, patch)
  )


@functools.cache
def _operations(network: Architecture, batch: int, patch: int) -> float:
  """Floating point operations of a forward pass; nothing is compiled."""
  return _lowered(network, batch, patch).cost_analysis()['flops']


@functools.cache
def _seconds(network: Architecture, batch: int, patch: int) -> float:
  """Seconds of a forward pass, measured."""
  params = networks.init(jax.random.key(0), network)
  images = jnp.zeros((batch, patch, patch, network.channels), jnp.float32)
  run = _lowered(network, batch, patch).compile()
  jax.block_until_ready(run(params, images))
  begun = time.monotonic()
  for _ in range(_TRIES):
    jax.block_until_ready(run(params, images))
  return (time.monotonic() - begun) / _TRIES


def _lowered(network: Architecture, batch: int, patch: int):
  apply = networks.make_apply(network)
  shapes = jax.eval_shape(lambda: networks.init(jax.random.key(0), network))
  image = (batch, patch, patch, network.channels)
  return jax.jit(lambda params, image: apply(params, image, 0.5)).lower(
    shapes, jax.ShapeDtypeStruct(image, jnp.float32)
  )

"""The weights that systems begin with, and what is measured afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax

from adafm_jax.models import (
  folding,
  networks,
  normalization,
  parameters,
)
from adafm_jax.models.architecture import Architecture
from adafm_jax.models.restorer import Params
from adafm_jax.paper import patches


def with_adafm(_, network: Architecture, parents: Sequence[Params]) -> Params:
  """The basic model's weights, with AdaFM layers or bends at identity."""
  return parameters.insert_adafm(parents[0], network)


def with_sft(config, network, parents: Sequence[Params]) -> Params:
  """The basic model's weights, and layers that change nothing yet."""
  key = jax.random.key(config.seed)
  return _merge(networks.init(key, network, scale=1.0), parents[0])


def _merge(made: Params, basic: Params) -> Params:
  return {
    name: _merge(leaf, basic[name])
    if isinstance(leaf, dict) and name in basic
    else basic.get(name, leaf)
    for name, leaf in made.items()
  }


def as_adafm(config, network, parents: Sequence[Params]) -> Params:
  """A network with batch norm as a basic model with AdaFM layers.

  Its gains and offsets go into the convs, so that strength 0 is that network,
  and 1x1 AdaFM layers then learn what would be other gains and offsets.
  """
  adafm = normalization.as_adafm(parents[0])
  return parameters.insert_adafm(folding.fold(adafm, network, 1.0), network)


def first(config, network, parents: Sequence[Params]) -> Params:
  """The weights of the one network that a system needs."""
  return parents[0]


def two_ends(config, network, parents: Sequence[Params]) -> Params:
  """The weights of both ends; of one network, it twice."""
  return {'start': parents[0], 'end': parents[-1]}


def measured(config, network, params, parents, images) -> Params:
  """Means and variances at the level that a network has learnt."""
  found = patches.cut(images, config, config.start)
  return networks.measure_statistics(network, params, found)


def measured_again(config, network, params, parents, images) -> Params:
  """AdaBN: means and variances at the end level."""
  found = patches.cut(images, config, config.end)
  network = dataclasses.replace(network, kind='batch')
  end = networks.measure_statistics(network, params['end'], found)
  return {'start': params['start'], 'end': end}

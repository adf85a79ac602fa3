"""The last part of a run's learning: its lambda curves (paper section 3.5).

Held-out training images are dealt into two halves. On one, the best lambda of
each level is measured and each layer's curve is fitted; the other decides
which of the two is released.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax.calibrate import layers as layer_curve
from adafm_jax.calibrate import measure as calibrate
from adafm_jax.calibrate.layers import Comparison
from adafm_jax.config.fields import Config
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import level as levels
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.evaluate.scores import Network
from adafm_jax.model import Model
from adafm_jax.model_file.curve import Curve
from adafm_jax.models import architecture
from adafm_jax.train import logs


class Curves(NamedTuple):
  """What calibration found.

  Attributes:
    calibration: the measured points and curves through them.
    single: the curve of one lambda for all layers.
    layers: [AdaFM layers, n], how each layer bends it; None: not fitted.
    comparisons: both, level by level, on the other half of the images.
    network: with the curve to release, ready to be measured.
  """

  calibration: calibrate.Calibration
  single: Curve
  layers: np.ndarray | None
  comparisons: list[Comparison]
  network: Network

  @property
  def default(self) -> str:
    """The curve to release: 'layers' if it won, else 'single'."""
    return 'layers' if layer_curve.wins(self.comparisons) else 'single'

  def apply_to(self, model: Model) -> Model:
    """A model without curves with these."""
    model = dataclasses.replace(
      model, curve=self.single, layer_curve=self.layers
    )
    return model.with_curve(self.default)


def find_curves(
  config: Config, network: Network, images: Sequence[NamedImage]
) -> Curves:
  """Measures and fits the lambda curves.

  Args:
    config: of the experiment.
    network: AdaFM-Net, without a layer curve.
    images: held-out training images; of a single one, both halves are it.
  """
  fitted, judged = images[::2], images[1::2] or images
  protocol = Protocol.of(config.task, config.measured_noise)
  found = _measure(config, network, fitted, protocol)
  single = getattr(found, config.calibrate.kind)
  wanted = [m.level for m in found.measurements]
  strengths = [float(x) for x in single.strength(np.array(wanted))]
  targets = layer_curve.make_targets(fitted, wanted, strengths, protocol)
  if not config.calibrate.layer_coefficients or not targets:
    return Curves(found, single, None, [], network)
  bent = layer_curve.fit(
    network,
    targets,
    coefficients=config.calibrate.layer_coefficients,
    steps=config.calibrate.layer_steps,
    seed=config.seed,
    report=lambda step, gain: logs.say(
      f"layers' curves {step}/{config.calibrate.layer_steps}: {gain:+.3f} dB"
    ),
  )
  targets = layer_curve.make_targets(judged, wanted, strengths, protocol)
  layered = with_layers(network, bent)
  comparisons = layer_curve.compare(network, layered, targets, protocol)
  released = layered if layer_curve.wins(comparisons) else network
  curves = Curves(found, single, bent, comparisons, released)
  _tell(config, curves)
  return curves


def with_layers(network: Network, bent: np.ndarray) -> Network:
  """The network with its layers' curves in use."""
  return network.with_network(
    dataclasses.replace(network.arch, layer_curve=bent.shape[1]),
    {**network.params, architecture.LAYER_CURVE: bent},
  )


def _measure(config, network, images, protocol) -> calibrate.Calibration:
  label = levels.TASKS[config.task].label
  return calibrate.calibrate(
    network,
    images,
    levels.level_list(config.calibrate.levels, config.levels, 7),
    ends=(config.start, config.end),
    grid=levels.parse_values(config.calibrate.grid),
    order=config.calibrate.order,
    protocol=protocol,
    report=lambda m: logs.say(
      f'calibration: {label(m.level)} is restored best at strength'
      f' {m.best:.3f} ({m.psnr.max():.2f} dB)'
    ),
  )


def _tell(config: Config, curves: Curves) -> None:
  label = levels.TASKS[config.task].label
  for c in curves.comparisons:
    logs.say(
      f'held out, {label(c.level)}: one lambda {c.single:.2f} dB, one a layer'
      f' {c.layers:.2f} dB ({c.layers - c.single:+.3f})'
    )
  logs.say(f'lambda curve released: {curves.default}')

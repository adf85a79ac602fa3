"""Fits one lambda for each AdaFM layer, by gradient (beyond the paper).

With one lambda for all layers (section 3.5) the middle of the range falls
behind networks trained for it. Here each layer bends lambda by a polynomial of
its own, see `strength.per_layer`: a few numbers a layer, learnt through the
frozen network on held-out training images. No weight is touched, and the ends
stay as they were trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adafm_jax.data.image import NamedImage
from adafm_jax.evaluate import scores as benchmark
from adafm_jax.evaluate.protocol import Case, Protocol, make_cases
from adafm_jax.evaluate.scores import Network
from adafm_jax.models import architecture, restorer
from adafm_jax.train import optim

# Of each level in a step; more make a step dearer, not the result better.
_PATCHES = 2
_PATCH = 64
_MARGIN = 8  # at a patch's sides, where it has zeros for its surroundings
_RATE = 0.05  # of Adam, falling to zero by a cosine
_REPORTS = 5
_WORTH = 0.01  # dB


class Target(NamedTuple):
  """A level that the layers are to serve.

  Attributes:
    level: in the task's unit.
    strength: that the single curve gives it.
    cases: calibration images at the level.
  """

  level: float
  strength: float
  cases: list[Case]


def make_targets(
  images: Sequence[NamedImage],
  levels: Sequence[float],
  strengths: Sequence[float],
  protocol: Protocol,
) -> list[Target]:
  """Degrades calibration images to each level that lies within the range.

  Args:
    images: held-out training images; those of under 32 pixels are left out.
    levels: of the degradation.
    strengths: of the single curve, one a level; levels of strength 0 or 1 are
      left out, as nothing can be learnt there.
    protocol: degradation.
  """
  large = [x for x in images if min(x.pixels.shape[:2]) >= 4 * _MARGIN]
  return [
    Target(level, s, make_cases(large, level, protocol))
    for level, s in zip(levels, strengths, strict=True)
    if large and 0 < s < 1
  ]


def fit(
  network: Network,
  targets: Sequence[Target],
  *,
  coefficients: int,
  steps: int,
  seed: int = 0,
  report: Callable[[int, float], None] = lambda step, gain: None,
) -> np.ndarray:
  """Learns the layers' curves.

  Each step restores two patches of every level. Their squared errors count by
  what they were with the single curve, so that each level weighs the same.

  Args:
    network: AdaFM-Net, its layer curve not in use.
    targets: at least one.
    coefficients: n of each layer.
    steps: of Adam.
    seed: of the patches.
    report: called now and then with the step and the gain since the single
      curve, in dB, mean over the levels and the last steps.

  Returns:
    float32 [layers, n].
  """
  arch = dataclasses.replace(network.arch, layer_curve=coefficients)
  apply = restorer.make_apply(arch, lowering='train')
  optimizer = optim.promoting(
    optax.adam(optax.cosine_decay_schedule(_RATE, steps))
  )
  given = np.repeat([t.strength for t in targets], _PATCHES).astype(np.float32)

  def errors(curve, degraded, clean):
    """Mean squared error of each level."""
    params = {**network.params, architecture.LAYER_CURVE: curve}
    output = apply(params, degraded, given)
    inner = np.s_[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    error = jnp.square(output[inner] - clean[inner])
    return error.reshape(len(targets), -1).mean(1)

  def loss(curve, degraded, clean):
    before = errors(jnp.zeros_like(curve), degraded, clean)
    ratio = errors(curve, degraded, clean) / jax.lax.stop_gradient(before)
    return ratio.mean()

  @jax.jit
  def step(curve, state, degraded, clean):
    value, gradient = jax.value_and_grad(loss)(curve, degraded, clean)
    updates, state = optimizer.update(gradient, state)
    return optax.apply_updates(curve, updates), state, value

  curve = jnp.zeros((arch.adafm_layers, coefficients), jnp.float32)
  state = optimizer.init(curve)
  rng = np.random.default_rng(seed)
  sides = [x for t in targets for c in t.cases for x in c.clean.shape[:2]]
  side = min(_PATCH, *sides)
  recent: list[float] = []
  for done in range(1, steps + 1):
    curve, state, value = step(curve, state, *_draw(rng, targets, side))
    recent.append(float(value))
    if done % max(1, steps // _REPORTS) == 0:
      report(done, -10 * float(np.log10(np.mean(recent))))
      recent = []
  return np.asarray(curve)


def _draw(
  rng: np.random.Generator, targets: Sequence[Target], side: int
) -> tuple[np.ndarray, np.ndarray]:
  """Patches of every level: (degraded, clean), float32 in [0, 1]."""
  degraded, clean = [], []
  for target in targets:
    for _ in range(_PATCHES):
      case = target.cases[rng.integers(len(target.cases))]
      height, width, _ = case.clean.shape
      top, left = rng.integers((height - side + 1, width - side + 1))
      window = np.s_[top : top + side, left : left + side]
      degraded.append(case.degraded[window])
      clean.append(case.clean[window] / np.float32(255))
  return np.stack(degraded), np.stack(clean)


class Comparison(NamedTuple):
  """Both curves at one level, on images that neither was fitted to.

  Attributes:
    level: in the task's unit.
    single: mean PSNR with one lambda for all layers, dB.
    layers: with one for each, dB.
  """

  level: float
  single: float
  layers: float


def compare(
  single: Network,
  layers: Network,
  targets: Sequence[Target],
  protocol: Protocol,
) -> list[Comparison]:
  """Measures both curves.

  Args:
    single: the network without its layer curve.
    layers: the network with it.
    targets: levels, and images that were not fitted to.
    protocol: metric.
  """
  found = []
  for target in targets:
    tried = np.array([target.strength])
    psnr = [
      benchmark.psnr_grid(network, target.cases, tried, protocol, target.level)
      for network in (single, layers)
    ]
    found.append(Comparison(target.level, *(float(x.mean()) for x in psnr)))
  return found


def wins(comparisons: Sequence[Comparison]) -> bool:
  """Whether the layers' curve is better, and by more than chance would have it.

  On the mean over levels it must gain a hundredth of a dB: for less, one lambda
  is the simpler choice.
  """
  gains = [c.layers - c.single for c in comparisons] or [0]
  return float(np.mean(gains)) > _WORTH

"""Observation 1 (paper section 3.2): filters of two levels are much alike.

A depthwise filter g that follows each convolution of the network for one level
is fitted so that g * (f_start * x) approximates f_end * x (equation 1), by
least squares in closed form. x is what the network for the end level has there,
on images of that level. With a constant, g is an AdaFM layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.config.fields import Config
from adafm_jax.data.image import NamedImage
from adafm_jax.evaluate.protocol import Protocol, make_case
from adafm_jax.models import layers, restorer
from adafm_jax.models.architecture import Architecture

_IMAGES = 12
Array = np.ndarray | jax.Array


def cosine_distance(a: np.ndarray, b: np.ndarray) -> float:
  """Mean of 1 - cosine over the filters [k, k, in, out] of two convolutions."""
  a, b = (x.reshape(-1, x.shape[-1]).astype(np.float64) for x in (a, b))
  norms = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
  return float(np.mean(1 - (a * b).sum(0) / np.maximum(norms, 1e-12)))


def fit(
  config: Config,
  network: Architecture,
  params: restorer.Params,
  parents: Sequence[restorer.Params],
  images: Sequence[NamedImage],
) -> restorer.Params:
  """Fits AdaFM layers behind the convolutions of ARCNN for the start level.

  Args:
    config: its end is the level of the images.
    network: ARCNN with AdaFM filters of a size.
    params: unused; the start network's.
    parents: weights of the start network, and of the end network.
    images: to fit on, not those of an evaluation set.

  Returns:
    Weights that serve the end level at strength 1.
  """
  del params
  start, end = parents
  protocol = Protocol.of(config.task, config.measured_noise)
  cases = [make_case(image, config.end, protocol) for image in images[:_IMAGES]]
  inputs = [jnp.asarray(case.degraded[None]) for case in cases]
  fitted = dict(start)
  names = sorted(start)
  for name in names:
    side, *_, features = start[name]['kernel'].shape
    apply: Any = layers.Conv(features, side).apply
    ours, theirs = (
      [apply({'params': weights[name]}, x) for x in inputs]
      for weights in (start, end)
    )
    kernel, bias = fit_filters(ours, theirs, network.kernel)
    fitted[name.replace('conv', 'adafm')] = {'kernel': kernel, 'bias': bias}
    inputs = [jnp.maximum(x, 0) for x in theirs]
  return fitted


def fit_filters(
  ours: Sequence[Array], theirs: Sequence[Array], side: int
) -> tuple[np.ndarray, np.ndarray]:
  """Least squares of theirs by depthwise filters of ours, plus a constant.

  Args:
    ours: features [1, h, w, C] of each image, zeros around them.
    theirs: the features to approximate.
    side: of the filters.

  Returns:
    (g - I as float32 [side, side, 1, C], the constants [C]).
  """
  count = side * side + 1
  channels = ours[0].shape[-1]
  square = np.zeros((channels, count, count))
  right = np.zeros((channels, count))
  for a, b in zip(ours, theirs, strict=True):
    for c in range(channels):  # one at a time: a large image is many GiB
      seen = _windows(np.asarray(a[0, ..., c], np.float64), side)
      square[c] += seen.T @ seen
      right[c] += seen.T @ np.asarray(b[0, ..., c], np.float64).ravel()
  # A feature that is constant has many solutions: take the smallest.
  found = np.stack(
    [
      np.linalg.lstsq(a, b, rcond=1e-10)[0]
      for a, b in zip(square, right, strict=True)
    ]
  )
  kernel = found[:, :-1].T.reshape(side, side, 1, channels)
  kernel[side // 2, side // 2] -= 1
  return kernel.astype(np.float32), found[:, -1].astype(np.float32)


def _windows(x: np.ndarray, side: int) -> np.ndarray:
  """[h, w] -> [h * w, side * side + 1]: what a filter sees, and 1."""
  height, width = x.shape
  padded = np.pad(x, side // 2)
  views = [
    padded[dy : dy + height, dx : dx + width].ravel()
    for dy in range(side)
    for dx in range(side)
  ]
  return np.stack([*views, np.ones(x.size)], axis=-1)

"""Normalisation in place of AdaFM layers (paper Table 3 and section 3.3).

Each layer stands where AdaFM layers do, after every conv of the residual
blocks. AdaBN (Li et al. 2017) adapts a network to another level by measuring
the means and variances again. Conditional instance normalisation (Dumoulin et
al. 2017) learns another gain and offset for each channel.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.models import layers

_EPSILON = 1e-5
# Collection of the means and variances of a batch.
STATISTICS = 'statistics'
# Parameters that no optimizer may touch.
MEASURED_PARAMETERS = r'.*/(mean|variance)'
CHANGE_PARAMETERS = r'.*/(scale|shift)_change'


class BatchNorm(nn.Module):
  """Batch normalisation with means and variances that are measured, not fed on.

  While a network learns, features are normalised by the batch itself, and the
  batch's mean and variance are sown in `STATISTICS`. Afterwards `merge` writes
  those of many batches into the parameters `mean` and `variance`.

  Attributes:
    learning: whether to normalise by the batch.
  """

  learning: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, *_: Any) -> jax.Array:
    """Normalises [B, H, W, C]; further arguments are those of AdaFM."""
    features = x.shape[-1]

    def param(name, start):
      return self.param(name, start, (features,), jnp.float32)

    scale = param('scale', nn.initializers.ones)
    shift = param('shift', nn.initializers.zeros)
    mean = param('mean', nn.initializers.zeros)
    variance = param('variance', nn.initializers.ones)
    if self.learning:
      mean, variance = _moments(x, (0, 1, 2))
      self.sow(STATISTICS, 'mean', mean)
      self.sow(STATISTICS, 'variance', variance)
    return _normalize(x, mean, variance, scale, shift)


class ConditionalInstanceNorm(nn.Module):
  """Instance normalisation whose gain and offset move with strength."""

  @nn.compact
  def __call__(self, x: jax.Array, strength: jax.Array, *_: Any) -> jax.Array:
    """Normalises each image of [B, h, w, C] by itself.

    Args:
      x: features.
      strength: float32 [B or 1, h or 1, w or 1, 1].
    """
    features = x.shape[-1]

    def param(name, start):
      found = self.param(name, start, (features,), jnp.float32)
      return found[None, None, None]

    def along(name, start):
      change = param(f'{name}_change', nn.initializers.zeros)
      return param(name, start) + strength * change

    scale = along('scale', nn.initializers.ones)
    shift = along('shift', nn.initializers.zeros)
    mean, variance = _moments(x, (1, 2), keepdims=True)
    return _normalize(x, mean, variance, scale, shift)


def _normalize(x, mean, variance, scale, shift):
  """Of [B, H, W, C]; all others broadcast against it."""
  gain = scale * jax.lax.rsqrt(variance + _EPSILON)
  offset = shift - gain * mean
  like = layers.broadcast_like
  return x * like(gain, x) + like(offset, x)


def _moments(x: jax.Array, axes: tuple[int, ...], keepdims: bool = False):
  x = x.astype(jnp.float32)
  return (
    jnp.mean(x, axes, keepdims=keepdims),
    jnp.var(x, axes, keepdims=keepdims),
  )


def merge(params: dict[str, Any], batches: list[dict[str, Any]]) -> dict:
  """Writes the means and variances of many batches into the parameters.

  Args:
    params: of the network.
    batches: the collection `STATISTICS` of each batch, all of one size.

  Returns:
    The parameters with mean and variance over all batches.
  """

  def at(tree, path):
    for name in path:
      tree = tree[name]
    return tree[0]  # sow keeps a tuple

  def replace(node, path):
    if not isinstance(node, dict):
      return node
    made = {name: replace(x, (*path, name)) for name, x in node.items()}
    if {'mean', 'variance'} <= node.keys():
      means = jnp.stack([at(b, (*path, 'mean')) for b in batches])
      inside = jnp.stack([at(b, (*path, 'variance')) for b in batches])
      mean = means.mean(0)
      square = (inside + means**2).mean(0)
      made |= {'mean': mean, 'variance': jnp.maximum(square - mean**2, 0)}
    return made

  return replace(params, ())


def as_adafm(params: dict[str, Any]) -> dict[str, Any]:
  """A basic model with batch norm as AdaFM-Net of 1x1 filters at strength 1.

  Section 3.3: g = gamma / sigma and b = beta - gamma mu / sigma.

  Args:
    params: of a network whose residual blocks have `norm_1` and `norm_2`.

  Returns:
    Parameters of `Architecture(kernel=1)`, which compute the same.
  """
  made: dict[str, Any] = {}
  for name, node in params.items():
    if not isinstance(node, dict):
      made[name] = node
    elif name.startswith('norm_'):
      gain = node['scale'] * jax.lax.rsqrt(node['variance'] + _EPSILON)
      made[name.replace('norm', 'adafm')] = {
        'kernel': (gain - 1)[None, None, None],
        'bias': node['shift'] - gain * node['mean'],
      }
    else:
      made[name] = as_adafm(node)
  return made

"""1x1 AdaFM layers folded into the convs before them, at one strength."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from adafm_jax.errors import UserError
from adafm_jax.models import path as paths
from adafm_jax.models import restorer
from adafm_jax.models import strength as strengths
from adafm_jax.models.architecture import Architecture


def fold(
  params: restorer.Params, arch: Architecture, strength: jax.typing.ArrayLike
) -> restorer.Params:
  """The basic model that equals a k = 1 AdaFM-Net at one strength.

  Args:
    params: of the AdaFM-Net.
    arch: its architecture: kernel 1, AdaFM layers before activations.
    strength: one value, or [layers], one per AdaFM layer.

  Returns:
    Parameters of `arch.basic`.

  Raises:
    UserError: the AdaFM layers aren't 1x1, or come after an activation.
  """
  if not arch.folds:
    raise UserError(
      'Only 1x1 AdaFM layers right behind a conv can be folded into it; this'
      f' network has kernel {arch.kernel}, placement {arch.placement!r}.'
    )
  spread = strengths.spread(
    jnp.reshape(jnp.asarray(strength, jnp.float32), (-1, 1)),
    arch.adafm_layers,
    (1, 2, 2, arch.channels),
  )
  each = jnp.broadcast_to(spread.ravel(), (arch.adafm_layers,))
  weights = paths.weights(each, arch.path, arch.bends)
  folded = {k: v for k, v in params.items() if k != 'trunk_adafm'}
  for i in range(arch.blocks):
    block = params[f'block_{i:02d}']
    folded[f'block_{i:02d}'] = {
      f'conv_{j}': _into_conv(
        block[f'conv_{j}'], block[f'adafm_{j}'], weights[:, 2 * i + j - 1]
      )
      for j in (1, 2)
    }
  if arch.placement == 'block+trunk':
    folded['trunk'] = _into_conv(
      params['trunk'], params['trunk_adafm'], weights[:, -1]
    )
  return folded


def _into_conv(
  conv: dict[str, Any], adafm: dict[str, Any], weights: jax.Array
) -> dict[str, Any]:
  """Merges a 1x1 AdaFM layer at one strength into the conv before it.

  (1 + k) (W x + c) + b is a conv with weights (1 + k) W and bias (1 + k) c + b,
  so a 1x1 AdaFM layer costs nothing at a fixed strength.

  Args:
    conv: `kernel` [3, 3, in, C] and `bias` [C].
    adafm: `kernel` [1, 1, 1, C], `bias` [C] and, if any, the bends' [n, ...].
    weights: float32 [1 + n], `path.weights` of the strength.

  Returns:
    The merged conv's `kernel` and `bias`.
  """
  change = weights[0] * adafm['kernel'][0, 0, 0]
  bias = weights[0] * adafm['bias']
  if len(weights) > 1:
    bends = adafm['bend_kernel'][:, 0, 0, 0]
    change = change + jnp.einsum('t,tc->c', weights[1:], bends)
    bias = bias + jnp.einsum('t,tc->c', weights[1:], adafm['bend_bias'])
  # Round here, so that paths that meet at an end give the same bits there.
  change, bias = jax.lax.optimization_barrier((change, bias))
  gain = 1 + change
  return {
    'kernel': conv['kernel'] * gain[None, None, None],
    'bias': conv['bias'] * gain + bias,
  }

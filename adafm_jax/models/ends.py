"""What a user with two trained networks would try instead of AdaFM.

Deep network interpolation (Wang et al., CVPR 2019) takes all weights between
those of the two. Blending takes the outputs between. Parameters are
{'start': those of the one, 'end': those of the other}.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from adafm_jax.errors import UserError
from adafm_jax.models import restorer

WAYS = ('interpolate', 'blend')


def make_apply(apply: restorer.Apply, way: str) -> restorer.Apply:
  """Joins two networks of one architecture by a strength.

  Args:
    apply: the network of both ends, see `restorer.make_apply`.
    way: one of `WAYS`.

  Returns:
    apply(params, image, strength), of one strength for all images.
  """

  def between(start, end, strength):
    return start + strength.astype(start.dtype) * (end - start)

  def joined(params, image, strength):
    strength = jnp.asarray(strength, jnp.float32)
    if strength.size != 1:
      raise UserError(
        f'A strength of shape {strength.shape} does not fit two networks that'
        ' are interpolated or blended; give one value.'
      )
    strength = strength.reshape(())
    if way == 'interpolate':
      weights = jax.tree.map(
        lambda a, b: between(a, b, strength), params['start'], params['end']
      )
      return apply(weights, image, 0.0)
    start, end = (apply(params[x], image, 0.0) for x in ('start', 'end'))
    return between(start, end, strength)

  return joined

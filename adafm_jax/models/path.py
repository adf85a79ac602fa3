"""The path of AdaFM filters from strength 0 to 1: straight or bent.

At strength s a layer applies the filter

  s K + sum_j phi_j(s) B_j,

where K belongs to the end level and the bends B_j to the levels between. Every
phi_j is 0 at s = 0 and s = 1, so bends do not change the two trained ends.

- 'line' has no bends: the paper's interpolation (equation 6).
- 'hats' has bends at evenly spaced anchors, s = j / (n + 1), and is linear
  between them: the paper's sets of AdaFM layers at middle levels (section 3.5).
- 'poly' has phi_j = s (1 - s) s^j, j = 0 ... n - 1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def weights(strength: jax.Array, kind: str, bends: int) -> jax.Array:
  """Factors on the filters K, B_1, ... of a layer.

  Args:
    strength: float32 in [0, 1], any shape.
    kind: one of `architecture.PATHS`.
    bends: number of bends; 0 for 'line'.

  Returns:
    float32 [1 + bends, *strength.shape].
  """
  s = strength
  if kind == 'hats':
    along = s * (bends + 1)
    found = [jnp.maximum(0, 1 - jnp.abs(along - j - 1)) for j in range(bends)]
  else:
    found = [s * (1 - s) * s**j for j in range(bends)]
  return jnp.stack([s, *found])

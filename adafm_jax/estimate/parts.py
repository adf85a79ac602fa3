"""Which parts of an image can show noise.

A caption bar, the page around a photograph, what is drawn, burnt out or black
holds none, however noisy the rest: an estimate over all would be far too low.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_CODES = 65535  # values are told apart to a 16-bit step
_SAMPLES = 1_000_000
# Still: with no more high frequencies than rounding makes, with a margin for
# gradients, where rounding errors are no chance.
_MARGIN = 3.0
# A channel counts if it moves in this share of the patches that move at all.
_MIN_MOVING = 0.5


def rounding(pixels: np.ndarray) -> float:
  """Variance of the rounding of pixels in [0, 1], in 0..255 units squared.

  The usual distance of the values that occur is taken for the step, so that
  16 bits, or few shades, are known for what they are.
  """
  flat = pixels.reshape(-1)
  flat = flat[:: max(1, flat.size // _SAMPLES)]
  codes = np.rint(np.clip(flat, 0, 1) * _CODES).astype(np.int64)
  used = np.flatnonzero(np.bincount(codes, minlength=2))
  step = np.median(np.diff(used)) if len(used) > 1 else 0.0
  return float(step * 255 / _CODES) ** 2 / 12


def moving(
  patches: np.ndarray, variance: float, reach: int
) -> tuple[np.ndarray, np.ndarray]:
  """Tells patches that may hold noise from those that certainly don't.

  Args:
    patches: [R, N, C, s, s] in 0..255 units, on a grid over the image.
    variance: of rounding, see `rounding`.
    reach: places of the grid within which patches overlap.

  Returns:
    bool [R, N], the patches that move, in all channels that count, and overlap
    none that doesn't; and bool [C], those channels.
  """
  moves = _energy(patches) > _MARGIN * variance + 1e-9
  some = moves.any(axis=-1)
  shares = moves[some].mean(axis=0) if some.any() else np.zeros(moves.shape[2])
  channels = (shares > 0) & (shares >= _MIN_MOVING * shares.max())
  still = np.asarray(~(some & moves[..., channels].all(axis=-1)))
  if still.any():
    still = ndimage.maximum_filter(still, 2 * reach + 1, mode='constant')
  return ~still, channels


def _energy(patches: np.ndarray) -> np.ndarray:
  """Variance of white noise with a patch's diagonal high frequencies.

  Planes, edges along rows or columns, and all sums of the two have none.
  """
  high = np.diff(np.diff(patches, axis=-1), axis=-2)
  return np.square(high).mean(axis=(-2, -1)) / 4

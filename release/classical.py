"""The classical baseline: non-local means that knows the true level.

Buades, Coll and Morel (2005), in scikit-image's fast form. The settings of each
level were chosen on held-out training images (four of the last 31 of BSD431 by
name), never on an evaluation set:

  python -m release.tune_classical /path/to/BSD431 --task denoise
  python -m release.tune_classical /path/to/BSD431 --task dejpeg

In super-resolution there is nothing to choose: the classical method is bicubic
enlargement, which is also the network's input.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adafm_jax.images.eight_bit import to_uint8

# Names of the classical methods on cards.
TITLES = {
  'denoise': 'non-local means',
  'dejpeg': 'non-local means',
  'sr': 'bicubic, the input',
}


class NonLocalMeans(NamedTuple):
  """Settings of non-local means.

  Attributes:
    patch: side of the patches that are compared, pixels.
    reach: largest distance between them in x and y, pixels.
    h: how different they may be, of 255; larger is smoother.
    sigma: of the noise expected in them, of 255.
  """

  patch: int
  reach: int
  h: float
  sigma: float


CHOSEN: dict[str, dict[float, NonLocalMeans]] = {
  'denoise': {
    2.0: NonLocalMeans(3, 6, 1.2, 2.0),
    5.0: NonLocalMeans(3, 6, 3.0, 5.0),
    10.0: NonLocalMeans(3, 6, 6.0, 8.0),
    15.0: NonLocalMeans(3, 6, 9.0, 12.0),
    25.0: NonLocalMeans(5, 6, 12.5, 25.0),
    35.0: NonLocalMeans(5, 6, 14.0, 35.0),
    50.0: NonLocalMeans(5, 6, 25.0, 40.0),
    75.0: NonLocalMeans(5, 6, 30.0, 60.0),
  },
  'dejpeg': {
    95.0: NonLocalMeans(5, 6, 0.5, 0.0),
    90.0: NonLocalMeans(5, 6, 1.0, 0.5),
    85.0: NonLocalMeans(3, 6, 1.5, 0.0),
    80.0: NonLocalMeans(5, 6, 2.0, 0.0),
    70.0: NonLocalMeans(3, 6, 2.0, 0.0),
    60.0: NonLocalMeans(5, 6, 3.0, 1.5),
    50.0: NonLocalMeans(5, 6, 4.0, 0.0),
    40.0: NonLocalMeans(5, 6, 4.0, 2.0),
    30.0: NonLocalMeans(5, 6, 4.0, 2.0),
    20.0: NonLocalMeans(5, 6, 6.0, 3.0),
    10.0: NonLocalMeans(5, 6, 10.0, 0.0),
  },
}


def settings(task: str, level: float) -> NonLocalMeans:
  """The settings of a level; h and sigma are interpolated linearly.

  Raises:
    KeyError: the task has none, since its classical method is its input.
  """
  chosen = CHOSEN[task]
  known = np.array(sorted(chosen))
  nearest = chosen[float(known[np.argmin(np.abs(known - level))])]
  h, sigma = (
    float(np.interp(level, known, [getattr(chosen[x], name) for x in known]))
    for name in ('h', 'sigma')
  )
  return nearest._replace(h=h, sigma=sigma)


def restore(degraded: np.ndarray, how: NonLocalMeans) -> np.ndarray:
  """Restores an image.

  Args:
    degraded: float32 [H, W, C] in [0, 1], or beyond it if noise is unclipped.
    how: see `NonLocalMeans`.

  Returns:
    uint8 [H, W, C].
  """
  from skimage import restoration

  restored = restoration.denoise_nl_means(
    degraded.astype(np.float64),
    patch_size=how.patch,
    patch_distance=how.reach,
    h=how.h / 255,
    sigma=how.sigma / 255,
    fast_mode=True,
    channel_axis=-1,
  )
  return to_uint8(restored).reshape(degraded.shape)  # it drops a lone channel

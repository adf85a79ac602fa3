"""Degraded patches of held-out images, to measure what is not trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from adafm_jax.config.fields import Config
from adafm_jax.data.image import NamedImage
from adafm_jax.evaluate.protocol import Protocol, make_case

_MAX_PATCHES = 32  # patches of an image
_SIDE = 48  # pixels


def cut(
  images: Sequence[NamedImage], config: Config, level: float
) -> list[np.ndarray]:
  """A batch of patches from each image.

  Args:
    images: larger than a patch, or all of one size.
    config: its task decides how they are degraded.
    level: of the degradation.

  Returns:
    float32 [patches, side, side, C] each, all of one shape.
  """
  side = min(_SIDE, *(min(x.pixels.shape[:2]) // 4 * 4 for x in images))
  protocol = Protocol.of(config.task, config.measured_noise)
  batches = []
  for image in images:
    degraded = make_case(image, level, protocol).degraded
    batches.append(np.stack(list(_grid(degraded, side))))
  fewest = min(_MAX_PATCHES, *map(len, batches))
  # As many of each, from all over the image.
  return [
    batch[np.linspace(0, len(batch) - 1, fewest).round().astype(int)]
    for batch in batches
  ]


def _grid(picture: np.ndarray, side: int) -> Iterator[np.ndarray]:
  height, width = picture.shape[:2]
  for y in range(0, height - side + 1, side):
    for x in range(0, width - side + 1, side):
      yield picture[y : y + side, x : x + side]

"""Degraded patches of held-out images, to measure what is not trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from adafm_jax.config.fields import Config
from adafm_jax.data.image import NamedImage
from adafm_jax.evaluate.protocol import Protocol, make_case

_MAX_PATCHES = 32  # patches of an image


def cut(
  images: Sequence[NamedImage], config: Config, level: float
) -> list[np.ndarray]:
  """Batches of patches, each with one patch of every image, as in training.

  (Batches of one image would give batch norm the moments of that image.)

  Args:
    images: of any sizes.
    config: its task decides how they are degraded, and its basic stage how
      large patches are; small images make them smaller.
    level: of the degradation.

  Returns:
    float32 [images, side, side, C] each.
  """
  sides = [config.train.patch, *(min(x.pixels.shape[:2]) for x in images)]
  side = min(sides) // 4 * 4
  protocol = Protocol.of(config.task, config.measured_noise)
  grids = []
  for image in images:
    degraded = make_case(image, level, protocol).degraded
    grids.append(list(_grid(degraded, side)))
  fewest = min(_MAX_PATCHES, *map(len, grids))
  # As many of each, from all over the image.
  places = np.linspace(0, 1, fewest)
  return [
    np.stack([grid[round(place * (len(grid) - 1))] for grid in grids])
    for place in places
  ]


def _grid(picture: np.ndarray, side: int) -> Iterator[np.ndarray]:
  height, width = picture.shape[:2]
  for y in range(0, height - side + 1, side):
    for x in range(0, width - side + 1, side):
      yield picture[y : y + side, x : x + side]

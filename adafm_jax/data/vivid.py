"""Vivid copies of training images: swapped, stronger colours that clip.

Few photographs of a set such as BSD hold black, white or pure colours. A
network that learnt from them alone leaves blacks grey: noise that is clipped to
8 bits lifts their mean. It errs in smooth, deep colours too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adafm_jax.data.image import NamedImage

SATURATION = 2.0  # the strongest
CLIPPED = 20.0  # at most so many percent of the values become black, or white
CONTRAST = 2.5  # the strongest, since grain and JPEG's traces grow too
# Black and white of luma: of MATLAB's Y, and of grey pictures. A network that
# saw the first alone lifts shadows of the others to 16.
LUMA = ((16, 235), (0, 255))


def copies(found: Sequence[NamedImage], each: float) -> list[NamedImage]:
  """Vivid copies of images, always of the same ones in the same way.

  Args:
    found: images, uint8 [H, W, 1 or 3].
    each: copies of each image, 0 or more; at 0.25 every fourth has one.

  Returns:
    The copies, in the order of `found`. Names say what they are.
  """
  rng = np.random.default_rng(0)
  chosen = np.resize(rng.permutation(len(found)), round(each * len(found)))
  return [
    NamedImage(f'{found[i].name}, vivid', vivid(found[i].pixels, rng))
    for i in sorted(chosen.tolist())
  ]


def vivid(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Permutes the channels of an image, saturates it and stretches contrast.

  Args:
    pixels: uint8 [H, W, 1 or 3].
    rng: draws how.

  Returns:
    uint8, of the same shape. Luma ends at one of `LUMA`, as it is drawn.
  """
  black, white = (0, 255)
  if pixels.shape[-1] == 1:
    black, white = LUMA[rng.integers(len(LUMA))]
  values = pixels[..., rng.permutation(pixels.shape[-1])].astype(np.float64)
  grey = values.mean(-1, keepdims=True)
  values = grey + rng.uniform(1, SATURATION) * (values - grey)
  outside = rng.uniform(0, CLIPPED, 2)
  low, high = np.percentile(values, [outside[0], 100 - outside[1]])
  span = max(high - low, (white - black) / CONTRAST)
  centred = (values - (low + high) / 2) / span  # -0.5 to 0.5 fits
  stretched = black + (centred + 0.5) * (white - black)
  return np.rint(stretched.clip(black, white)).astype(np.uint8)

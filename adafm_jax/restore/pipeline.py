"""From an image as people have it to the network's input, and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adafm_jax.degrade import colour, resize
from adafm_jax.images import to_uint8

# [..., H, W, C] float32 of the network -> [..., H, W, 1 or 3] uint8.
Finish = Callable[[np.ndarray], np.ndarray]


def to_network(
  image: np.ndarray, channels: int, *, scale: float = 1.0
) -> tuple[np.ndarray, Finish]:
  """Prepares an image for a network of 1 or 3 channels.

  A grey image goes through an RGB network as three equal channels, whose mean
  comes out: it stays grey. A colour image goes through a luma network as
  MATLAB's Y; its chroma is kept as it is.

  Args:
    image: uint8 [H, W, 1 or 3].
    channels: of the network.
    scale: the image is first enlarged by it (MATLAB bicubic, rounded to
      uint8), as super-resolution networks expect.

  Returns:
    float32 [H', W', channels] in [0, 1], and the function that turns the
    network's outputs into uint8 images with the channels of `image`.
  """
  if scale != 1:
    enlarged = resize.imresize(image, scale)
    image = np.rint(np.clip(enlarged, 0, 255)).astype(np.uint8)
  if image.shape[-1] == channels:
    return (image / 255).astype(np.float32), to_uint8
  if channels == 3:
    grey = np.repeat(image / 255, 3, axis=-1).astype(np.float32)
    return grey, lambda output: to_uint8(output.mean(axis=-1, keepdims=True))
  ycbcr = colour.rgb_to_ycbcr(image)

  def with_chroma(output: np.ndarray) -> np.ndarray:
    chroma = np.broadcast_to(ycbcr[..., 1:], (*output.shape[:-1], 2))
    joined = np.concatenate([output.astype(np.float64) * 255, chroma], axis=-1)
    return to_uint8(colour.ycbcr_to_rgb(joined) / 255)

  return (ycbcr[..., :1] / 255).astype(np.float32), with_chroma

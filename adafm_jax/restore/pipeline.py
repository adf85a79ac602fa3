"""From an image as people have it to the network's input, and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adafm_jax.degrade import colour, resize
from adafm_jax.images.eight_bit import to_uint8

# [..., H, W, C] float32 of the network -> [..., H, W, 1 or 3], uint8 from
# `to_network`, float32 from `prepare`.
Finish = Callable[[np.ndarray], np.ndarray]
_BAND = 64  # rows


def to_network(
  image: np.ndarray, channels: int, *, scale: float = 1.0
) -> tuple[np.ndarray, Finish]:
  """Prepares an 8-bit image for a network of 1 or 3 channels, see `prepare`.

  Args:
    image: uint8 [H, W, 1 or 3].
    channels: of the network.
    scale: the image is first enlarged by it.

  Returns:
    float32 [H', W', channels] in [0, 1], and the function that turns the
    network's outputs into uint8 images with the channels of `image`.
  """
  network_input, finish = prepare(image / 255, channels, scale=scale)
  return network_input, lambda output: to_uint8(finish(output))


def prepare(
  image: np.ndarray, channels: int, *, scale: float = 1.0
) -> tuple[np.ndarray, Finish]:
  """Prepares images for a network of 1 or 3 channels.

  A grey image goes through an RGB network as three equal channels, whose mean
  comes out: it stays grey. A colour image goes through a luma network as
  MATLAB's Y; its chroma is kept as it is.

  Args:
    image: float [..., H, W, 1 or 3], in [0, 1] but for noise.
    channels: of the network.
    scale: images are first enlarged by it (MATLAB bicubic, clipped to [0, 1]).

  Returns:
    float32 [..., H', W', channels], and the function that turns the network's
    outputs into float images with the channels of `image`, not clipped.
  """
  if scale != 1:
    image = enlarge(image, scale)
  if image.shape[-1] == channels:
    return image.astype(np.float32, copy=False), lambda output: output
  if channels == 3:
    grey = np.repeat(image, 3, axis=-1).astype(np.float32)
    return grey, lambda output: output.mean(axis=-1, keepdims=True)
  luma = _in_bands(_luma, 1, image)
  return luma, lambda output: _in_bands(_with_chroma, 3, output, image)


def _luma(image: np.ndarray) -> np.ndarray:
  return colour.rgb_to_ycbcr(image * 255)[..., :1] / 255


def _with_chroma(luma: np.ndarray, image: np.ndarray) -> np.ndarray:
  """RGB of a network's luma and the chroma of what it was made of."""
  chroma = colour.rgb_to_ycbcr(image * 255)[..., 1:]
  chroma = np.broadcast_to(chroma, (*luma.shape[:-1], 2))
  joined = np.concatenate([luma.astype(np.float64) * 255, chroma], axis=-1)
  return colour.ycbcr_to_rgb(joined) / 255


def _in_bands(
  function: Callable[..., np.ndarray], channels: int, *images: np.ndarray
) -> np.ndarray:
  """A function of pixels, of 64 rows at a time, as float32.

  In the float64 of colour conversion, large pictures would fill the memory.

  Args:
    function: of bands [..., h, W, C] of the images.
    channels: of what it returns.
    images: [..., H, W, C]; the first has the leading axes of what it returns.
  """
  out = np.empty((*images[0].shape[:-1], channels), np.float32)
  for top in range(0, out.shape[-3], _BAND):
    rows = (..., slice(top, top + _BAND), slice(None), slice(None))
    out[rows] = function(*(image[rows] for image in images))
  return out


def enlarge(image: np.ndarray, scale: float) -> np.ndarray:
  """Enlarges [..., H, W, C] in [0, 1] by MATLAB's bicubic, clipped to [0, 1].

  Args:
    image: any float dtype.
    scale: output pixels per input pixel.

  Returns:
    float32 [..., ceil(H scale), ceil(W scale), C].
  """
  stack = image.reshape(-1, *image.shape[-3:])
  made = [resize.imresize(one, scale, dtype=np.float32) for one in stack]
  enlarged = made[0][None] if len(made) == 1 else np.stack(made)
  np.clip(enlarged, 0, 1, out=enlarged)
  return enlarged.reshape(*image.shape[:-3], *enlarged.shape[1:])


def enlarge_hidden(
  alpha: np.ndarray | None, hidden: np.ndarray, scale: float
) -> tuple[np.ndarray | None, np.ndarray]:
  """Enlarges what `images.alpha.unpremultiply` takes beside a result.

  Args:
    alpha: float32 [H, W, 1] in [0, 1], or None.
    hidden: float32 [H, W, C], straight colours.
    scale: see `enlarge`.

  Returns:
    Both as float32, of the result's size; without alpha as they are.
  """
  if alpha is None or scale == 1:
    return alpha, hidden
  return enlarge(alpha, scale), enlarge(hidden, scale)

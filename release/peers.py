"""Networks that people use today, measured beside ours on the same images.

A folder holds their published weights, which do not come with this project:
FFDNet for colour noise (Zhang, Zuo, Zhang, TIP 2018) as
`ffdnet_color_clipped.npz` and `ffdnet_color_float.npz`, and DnCNN-3 (Zhang et
al., TIP 2017), one network for JPEG of any quality and for SR, as
`dncnn3_luma.npz`. Each file has `kernel_00` [3, 3, in, out], `bias_00` [out]
and so on, one pair a convolution, with ReLU after each but the last.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax.degrade import colour
from adafm_jax.errors import UserError
from adafm_jax.images.eight_bit import to_uint8

WORDS = {
  'denoise': (
    'FFDNet is one network for every sigma, which it is given (852 thousand'
    " weights); its authors' weights, on the same images with the same noise."
  ),
  'dejpeg': (
    'DnCNN-3 is one network for JPEG of any quality and for SR (666 thousand'
    " weights); its authors' weights, on the same images."
  ),
}
WORDS['sr'] = WORDS['dejpeg']
TITLES = {'denoise': 'FFDNet', 'dejpeg': 'DnCNN-3', 'sr': 'DnCNN-3'}
# restore(degraded float32 [H, W, C], level) -> uint8 [H, W, C].
Restore = Callable[[np.ndarray, float], np.ndarray]
Weights = Sequence[tuple[jax.Array, jax.Array]]


def load(folder: pathlib.Path, task: str, noise: str) -> Restore:
  """The peer of a task.

  Args:
    folder: holds the weights.
    task: a key of `TITLES`.
    noise: 'clipped' or 'float' for denoising, which has a network of each.

  Returns:
    restore(degraded, level). FFDNet is given the level, sigma of 255; DnCNN-3
    takes none.

  Raises:
    UserError: there is no such file, or it holds other arrays.
  """
  name = f'ffdnet_color_{noise}' if task == 'denoise' else 'dncnn3_luma'
  weights = jax.device_put(_read(folder / f'{name}.npz'))
  if task == 'denoise':
    return functools.partial(_ffdnet, weights)
  return functools.partial(_dncnn, weights)


def _read(path: pathlib.Path) -> list[tuple[np.ndarray, np.ndarray]]:
  try:
    with np.load(path) as found:
      count = len(found.files) // 2
      return [
        (found[f'kernel_{i:02d}'], found[f'bias_{i:02d}']) for i in range(count)
      ]
  except (OSError, ValueError, KeyError) as error:
    raise UserError(
      f'Cannot read the weights of a peer in {path}: {error}'
    ) from error


@jax.jit
def _convolve(weights: Weights, x: jax.Array) -> jax.Array:
  """3x3 convolutions with zero padding, [1, h, w, in] -> [1, h, w, out]."""
  for i, (kernel, bias) in enumerate(weights):
    x = jax.lax.conv_general_dilated(
      x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )
    x = x + bias.reshape(1, 1, 1, -1)
    if i < len(weights) - 1:
      x = jnp.maximum(x, 0)
  return x


def _ffdnet(weights: Weights, degraded: np.ndarray, level: float) -> np.ndarray:
  """FFDNet: half the size, four times the channels, and a plane of sigma.

  Its channels are ordered c, x, y, with x and y the place in a 2 x 2 square.
  """
  height, width, channels = degraded.shape
  even = np.pad(
    degraded, [(0, height % 2), (0, width % 2), (0, 0)], mode='edge'
  )
  rows, columns = even.shape[0] // 2, even.shape[1] // 2
  squares = even.reshape(rows, 2, columns, 2, channels)
  planes = squares.transpose(0, 2, 4, 3, 1).reshape(rows, columns, -1)
  sigma = np.full((rows, columns, 1), level / 255)
  x = np.concatenate([planes, sigma], axis=-1).astype(np.float32)
  found = np.asarray(_convolve(weights, x[None])[0])
  squares = found.reshape(rows, columns, channels, 2, 2)
  whole = squares.transpose(0, 4, 1, 3, 2).reshape(even.shape)
  return to_uint8(whole[:height, :width])


def _dncnn(weights: Weights, degraded: np.ndarray, level: float) -> np.ndarray:
  """DnCNN-3 gives what is wrong with luma; colours keep their chroma."""
  del level
  if degraded.shape[-1] == 1:
    wrong = _convolve(weights, degraded[None])[0]
    return to_uint8(degraded - np.asarray(wrong))
  planes = colour.rgb_to_ycbcr(255 * degraded)
  luma = planes[None, ..., :1].astype(np.float32) / 255
  planes[..., :1] -= 255 * np.asarray(_convolve(weights, luma)[0])
  return to_uint8(colour.ycbcr_to_rgb(planes) / 255)

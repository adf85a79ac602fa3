"""PSNR and SSIM, on 8-bit images as papers report them.

An output is rounded to 8 bits (`eight_bit.to_uint8`) before it is measured.
Channels and border are explicit, since papers differ: 'rgb' compares all
channels alike; 'y' compares MATLAB's Y, unrounded, of the 8-bit RGB images, as
the authors do. Grey images are compared as they are in both cases.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from skimage import metrics as skimage_metrics

from adafm_jax.degrade import colour
from adafm_jax.errors import UserError

CHANNELS = ('rgb', 'y')
SSIM_WINDOW = 11
BEST = 100.0  # dB, what an image without any error counts as in a mean
# A row of w pixels adds up to w * 255**2, which must fit into an int32.
_WIDEST_ROW = (2**31 - 1) // 255**2


def psnr(
  reference: npt.NDArray[np.uint8],
  output: npt.NDArray[np.uint8],
  *,
  border: int = 0,
  channels: str = 'rgb',
) -> float:
  """Peak signal-to-noise ratio with peak 255.

  Args:
    reference: [H, W, C] uint8, C = 1 or 3.
    output: same shape, uint8.
    border: pixels left out at each side.
    channels: 'rgb' or 'y' (see the module).

  Returns:
    dB; inf for identical images.

  Raises:
    UserError: unknown `channels`, or nothing left inside the border.
    ValueError: the shapes differ, or C is neither 1 nor 3.
  """
  first, second = _compared(reference, output, border, channels)
  return float(_decibels(np.mean((first - second) ** 2)))


def ssim(
  reference: npt.NDArray[np.uint8],
  output: npt.NDArray[np.uint8],
  *,
  border: int = 0,
  channels: str = 'rgb',
) -> float:
  """Structural similarity as its authors' MATLAB code computes it.

  Gaussian window 11 x 11, sigma 1.5, means over the windows that lie wholly
  inside the image. For 'rgb', the mean over the three channels.

  Args:
    reference: [H, W, C] uint8, C = 1 or 3.
    output: same shape, uint8.
    border: pixels left out at each side.
    channels: 'rgb' or 'y' (see the module).

  Returns:
    1 for identical images, less otherwise.

  Raises:
    UserError: unknown `channels`, or no window fits inside the border.
    ValueError: the shapes differ, or C is neither 1 nor 3.
  """
  first, second = _compared(reference, output, border, channels)
  if min(first.shape[:2]) < SSIM_WINDOW:
    raise UserError(
      f'SSIM needs at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels inside the '
      f'border; an image has {first.shape[0]} x {first.shape[1]}.'
    )
  # With a Gaussian window, scikit-image averages over the valid region.
  return float(
    skimage_metrics.structural_similarity(
      first,
      second,
      data_range=255,
      gaussian_weights=True,
      sigma=1.5,
      use_sample_covariance=False,
      channel_axis=-1,
    )
  )


def error_products(
  reference: jax.Array, outputs: jax.Array, *, border: int = 0
) -> jax.Array:
  """Sums the products of the channels' errors over each row, on the device.

  They give the squared error of every channel and, since Y is a linear
  combination, that of Y. Errors are integers, so nothing is lost to float32,
  and `psnr_from_products` returns the same PSNR as `psnr`.

  Args:
    reference: [H, W, C] uint8.
    outputs: [..., H, W, C] float32 in [0, 1]; rounded to 8 bits here.
    border: pixels left out at each side; static under `jit`.

  Returns:
    [..., H - 2 border, C, C] int32: sums over a row of the products of two
    channels' errors, in 0..255 units; -1 throughout a row that holds a NaN.

  Raises:
    UserError: nothing is left inside the border, or a row is over 33,025
      pixels wide, where int32 could overflow.
  """
  reference = inside(reference, border)
  outputs = inside(outputs, border)
  if reference.shape[-2] > _WIDEST_ROW:
    raise UserError(
      f'PSNR on the device takes images up to {_WIDEST_ROW} pixels wide; one '
      f'has {reference.shape[-2]}.'
    )
  rounded = jnp.rint(jnp.clip(outputs, 0, 1) * 255)
  expected = jnp.broadcast_to(reference.astype(jnp.int32), outputs.shape)
  error = rounded.astype(jnp.int32) - expected
  products = jnp.sum(error[..., :, None] * error[..., None, :], axis=-3)
  broken = jnp.any(jnp.isnan(outputs), axis=(-2, -1))
  return jnp.where(broken[..., None, None], -1, products)


def psnr_from_products(
  products: npt.ArrayLike, width: int, *, channels: str = 'rgb'
) -> npt.NDArray[np.float64]:
  """Computes PSNR from `error_products`, on the host.

  Args:
    products: [..., H, C, C] int32 from `error_products`.
    width: pixels in a row, inside the border.
    channels: 'rgb' or 'y' (see the module).

  Returns:
    [...] float64, dB: PSNR of each output; inf if it equals the reference, NaN
    if it holds a NaN.

  Raises:
    UserError: unknown `channels`.
    ValueError: C is neither 1 nor 3.
  """
  products = np.asarray(products, np.float64)
  height, count = products.shape[-3:-1]
  _check_channels(channels, count)
  total = products.sum(axis=-3)
  if channels == 'y' and count == 3:
    mean = colour.Y_WEIGHTS @ total @ colour.Y_WEIGHTS / (height * width)
  else:
    mean = np.trace(total, axis1=-2, axis2=-1) / (height * width * count)
  # A sum of squares is never negative, so -1 marks a NaN.
  broken = (products[..., 0, 0] < 0).any(axis=-1)
  return _decibels(np.where(broken, np.nan, mean))


def _compared(reference, output, border, channels):
  """Returns the parts of both images to compare: two [h, w, c] float64."""
  if reference.shape != output.shape:
    raise ValueError(f'shapes differ: {reference.shape}, {output.shape}')
  _check_channels(channels, reference.shape[-1])
  for image in (reference, output):
    if image.dtype != np.uint8:
      raise UserError(
        f'Images are compared as uint8, 0 to 255, not as {image.dtype}.'
      )
  pair = [inside(image, border) for image in (reference, output)]
  if channels == 'y' and reference.shape[-1] == 3:
    return [colour.rgb_to_y(image)[..., None] for image in pair]
  return [image.astype(np.float64) for image in pair]


def _check_channels(channels: str, count: int) -> None:
  if channels not in CHANNELS:
    raise UserError(
      f'Unknown channels {channels!r} to compare: choose one of '
      f'{list(CHANNELS)}.'
    )
  if count not in (1, 3):
    raise ValueError(f'images have 1 or 3 channels, not {count}')


def inside(image, border: int):
  """Crops `border` pixels at each side of [..., H, W, C]."""
  height, width = image.shape[-3:-1]
  if border < 0 or 2 * border >= min(height, width):
    raise UserError(
      f'A border of {border} pixels leaves nothing of an image of {height} x '
      f'{width} pixels: give a smaller one, at least 0.'
    )
  return image[..., border : height - border, border : width - border, :]


def _decibels(mean_square: npt.ArrayLike) -> npt.NDArray[np.float64]:
  """PSNR of a mean squared error in 0..255 units."""
  with np.errstate(divide='ignore'):
    return 10 * np.log10(255**2 / np.asarray(mean_square, np.float64))

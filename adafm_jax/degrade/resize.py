"""MATLAB's bicubic `imresize`.

Super-resolution numbers are only comparable with the literature when images
are shrunk as MATLAB does. Resampling an axis is a linear map, so each axis has
one sparse matrix.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from adafm_jax.errors import UserError

_KERNEL_WIDTH = 4
_BAND = 64  # rows or columns
# 50 * 1.1 is 55.00000000000001 in floats; 55 samples are meant. A plain ceil,
# as in MATLAB, would give 56.
_CEIL_EPSILON = 1e-9


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
  """Keys' cubic kernel with a = -0.5."""
  x = np.abs(x)
  inner = (1.5 * x - 2.5) * x**2 + 1
  outer = ((2.5 - 0.5 * x) * x - 4) * x + 2
  return np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))


@functools.lru_cache(maxsize=64)
def _matrix(size_in: int, size_out: int, scale: float) -> sparse.csr_array:
  """The matrix that resamples one axis: `output = matrix @ input`.

  Args:
    size_in: samples in the input.
    size_out: samples in the output, counted from the start of its grid.
    scale: output samples per input sample. Below 1 the kernel is widened
      (antialiasing).

  Returns:
    [size_out, size_in] float64, about ten weights per row, which sum to 1.
  """
  squeeze = min(scale, 1.0)
  support = _KERNEL_WIDTH / squeeze
  # Pixel i covers [i, i + 1): centre x + 0.5 of the output lies there.
  centres = (np.arange(size_out) + 0.5) / scale - 0.5
  first = np.floor(centres - support / 2).astype(np.int64)
  taps = first[:, None] + np.arange(math.ceil(support) + 2)
  weights = _cubic(squeeze * (centres[:, None] - taps))
  weights /= weights.sum(axis=1, keepdims=True)
  # Symmetric borders: ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
  folded = taps % (2 * size_in)
  columns = np.minimum(folded, 2 * size_in - 1 - folded)
  rows = np.broadcast_to(np.arange(size_out)[:, None], taps.shape)
  entries = (weights.ravel(), (rows.ravel(), columns.ravel()))
  return sparse.coo_array(entries, shape=(size_out, size_in)).tocsr()


def length(n: int, scale: float) -> int:
  """How many samples an axis of n has once it is resized by a scale."""
  return math.ceil(n * scale - _CEIL_EPSILON)


def _axis_plan(
  shape: tuple[int, int],
  scale: float | None,
  size: tuple[int, int] | None,
) -> tuple[tuple[int, int], tuple[float, float]]:
  """Returns the output's (height, width) and the scale of each axis."""
  if scale is None:
    if size is None:
      raise UserError('Resizing needs a scale, a size (H, W), or both.')
    scales = (size[0] / shape[0], size[1] / shape[1])
  else:
    if not 0 < scale < math.inf:
      raise UserError(f'A resizing scale must be positive, not {scale:g}.')
    scales = (float(scale), float(scale))
  if size is None:
    height, width = map(length, shape, scales)
    size = (height, width)
  if min(size) < 1:
    raise UserError(f'A resized image must have pixels, not size {size}.')
  return size, scales


def imresize(
  image: npt.NDArray,
  scale: float | None = None,
  *,
  size: tuple[int, int] | None = None,
  dtype: npt.DTypeLike = np.float64,
) -> npt.NDArray[Any]:
  """MATLAB's `imresize(image, scale)` or `imresize(image, [H W])`, bicubic.

  Args:
    image: [H, W] or [H, W, C], any real dtype and unit.
    scale: output pixels per input pixel, any positive number; the output has
      ceil(n * scale) pixels along an axis of n.
    size: (H, W) of the output; each axis is then scaled by out / in. With
      `scale` as well, the grid is that of `scale`, cut or continued to `size`.
    dtype: of the output; what is computed is float64.

  Returns:
    [H', W'] or [H', W', C] in the unit of `image`, neither rounded nor clipped.

  Raises:
    UserError: neither scale nor size is given, or one is not positive.
  """
  size, scales = _axis_plan(image.shape[:2], scale, size)
  # The axis that shrinks more goes first, as in MATLAB: less work.
  first, last = sorted((0, 1), key=lambda axis: scales[axis])
  plans = [
    _matrix(*plan) for plan in zip(image.shape[:2], size, scales, strict=True)
  ]
  image = _along(first, plans[first], np.asarray(image, np.float64))
  output = np.empty((*size, *image.shape[2:]), dtype)
  # In bands: whole, a large picture would be held several times.
  for begin in range(0, size[first], _BAND):
    band = (slice(None),) * first + (slice(begin, begin + _BAND),)
    output[band] = _along(last, plans[last], image[band])
  return output


def _along(
  axis: int, matrix: sparse.csr_array, image: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
  """Resamples one axis."""
  lines = np.moveaxis(image, axis, 0)
  resized = matrix @ lines.reshape(len(lines), -1)
  return np.moveaxis(resized.reshape(-1, *lines.shape[1:]), 0, axis)


def shrink_and_enlarge(
  image: npt.NDArray, scale: float
) -> npt.NDArray[np.float64]:
  """The authors' low-resolution input: down by `scale`, and up again.

  The small image is not rounded in between. Both ways use the same grid, so a
  pixel keeps its place whatever the size. Enlarging to the exact size instead
  (scale H / ceil(H / scale)) would stretch the image whenever `scale` doesn't
  divide H: by up to `scale - 1` pixels at the far border, more than a network
  can undo. Where it does divide, all conventions agree.

  Args:
    image: [H, W] or [H, W, C], any real dtype and unit.
    scale: how many times smaller, at least 1; it need not be whole.

  Returns:
    Same shape, float64 in the unit of `image`, neither rounded nor clipped;
    `image` itself, as float64, at scale 1.
  """
  if scale == 1:
    return np.array(image, np.float64)
  height, width = image.shape[:2]
  return imresize(imresize(image, 1 / scale), scale, size=(height, width))


def modcrop(image: npt.NDArray, multiple: int) -> npt.NDArray:
  """Crops [H, W, ...] at the bottom and right to multiples of `multiple`."""
  height, width = (n - n % multiple for n in image.shape[:2])
  return image[:height, :width]

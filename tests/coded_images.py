"""Images whose pixels say where they are, to check how patches are cut."""

import numpy as np

# Odd, oblong, square, and one of the patch's own size.
SIZES = ((11, 17), (7, 7), (23, 8), (10, 10))
PATCH = 7


def _coded(index, height, width):
  y, x = np.mgrid[:height, :width]
  return np.stack([np.full_like(y, index), y, x], axis=-1).astype(np.uint8)


# Pixels (image, row, column).
IMAGES = [_coded(i, *size) for i, size in enumerate(SIZES)]


def identify(patch):
  """(image, top, left, symmetry 0 to 7) of a patch; fails if it is no crop."""
  index = int(patch[0, 0, 0])
  top, left = int(patch[..., 1].min()), int(patch[..., 2].min())
  side = patch.shape[0]
  crop = IMAGES[index][top : top + side, left : left + side]
  turned = [np.rot90(m, k) for m in (crop, crop[:, ::-1]) for k in range(4)]
  (found,) = (n for n, t in enumerate(turned) if np.array_equal(t, patch))
  return index, top, left, found

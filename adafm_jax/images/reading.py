"""What goes wrong in reading image files, said in a sentence."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator

from PIL import Image, UnidentifiedImageError

from adafm_jax.errors import UserError

# Pillow warns about parts of a file that it cannot read, and about large files.
# What matters becomes an error. The filter is set once, on import: filters
# belong to the process, and threads that read files must not change them.
warnings.filterwarnings('ignore', module=r'PIL\.')
_MAX_REASON = 300  # characters that a decoder may say


@contextlib.contextmanager
def explaining(path: str | os.PathLike[str]) -> Iterator[None]:
  """Says in one sentence what goes wrong in decoding an image file.

  Decoders raise all kinds of errors for files that are broken or not images.

  Raises:
    UserError: for any error inside but a `UserError`.
  """
  try:
    yield
  except UserError:
    raise
  except Exception as error:
    # Pillow's words for these name no file, but an object in memory.
    reason = getattr(error, 'strerror', None) or str(error)
    reason = ' '.join(reason.split()).rstrip('.')
    known = reason and reason.isprintable()
    if isinstance(error, UnidentifiedImageError) or not known:
      reason = 'it is damaged, or not an image of a known kind'
    if len(reason) > _MAX_REASON:
      reason = reason[:_MAX_REASON] + '...'
    raise UserError(f'Cannot read the image {path}: {reason}.') from error


def allow(pixels: int) -> None:
  """Lets images of the whole process have so many pixels, or as many as now."""
  limit = Image.MAX_IMAGE_PIXELS
  if limit:  # Pillow refuses twice as many
    Image.MAX_IMAGE_PIXELS = max(limit, pixels // 2)


def check_size(width: int, height: int) -> None:
  """Refuses images that would fill the memory, as Pillow does.

  A small file may unfold to any size.

  Raises:
    ValueError: there are more than twice `Image.MAX_IMAGE_PIXELS` pixels.
  """
  if Image.MAX_IMAGE_PIXELS and width * height > 2 * Image.MAX_IMAGE_PIXELS:
    raise ValueError(
      f'{width} x {height} pixels exceeds limit of'
      f' {2 * Image.MAX_IMAGE_PIXELS} pixels (a small file may unfold to any'
      ' size); cut it up'
    )

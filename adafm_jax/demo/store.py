"""Images that visitors sent: in memory, for a while, each under a secret."""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos

MAX_BYTES = 40_000_000  # of a file
MAX_PIXELS = 16_000_000  # of a picture, after it is enlarged, too
MAX_TOTAL = 400_000_000  # bytes of all files
LIFETIME = 1800.0  # seconds since an image was last used
_ID_BYTES = 18


class TooLargeError(UserError):
  """A picture has more bytes or pixels than are taken."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
  """An image; equal to itself alone.

  Attributes:
    id: that alone gives access to it: nobody can guess it.
    data: the file as it was sent.
    width: in pixels, upright.
    height: in pixels.
  """

  id: str
  data: bytes
  width: int
  height: int


class ImageStore:
  """Images by id; the oldest go when there are too many."""

  def __init__(
    self,
    *,
    total: int = MAX_TOTAL,
    lifetime: float = LIFETIME,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Begins empty.

    Args:
      total: bytes of all files.
      lifetime: seconds that an image is kept since its last use.
      clock: the time in seconds.
    """
    self._total = total
    self._lifetime = lifetime
    self._clock = clock
    self._images: OrderedDict[str, tuple[float, Stored]] = OrderedDict()
    self._lock = threading.Lock()

  def add(self, data: bytes) -> Stored:
    """Keeps a file, if its header is that of a picture of bounded size.

    Raises:
      TooLargeError: it has too many bytes or pixels.
      UserError: it is no picture of a known kind.
    """
    if len(data) > MAX_BYTES:
      raise TooLargeError(
        f'The file is too large; up to {MAX_BYTES // 10**6} MB are taken.'
      )
    width, height = photos.measure(data, 'that was sent')
    check_pixels(width, height)
    stored = Stored(secrets.token_urlsafe(_ID_BYTES), data, width, height)
    with self._lock:
      self._images[stored.id] = (self._clock(), stored)
      self._purge()
    return stored

  def get(self, image_id: str) -> Stored | None:
    """The image of an id; None if there is none, or no longer."""
    with self._lock:
      self._purge()
      if image_id not in self._images:
        return None
      _, stored = self._images[image_id]
      self._images[image_id] = (self._clock(), stored)
      self._images.move_to_end(image_id)
      return stored

  def remove(self, image_id: str) -> bool:
    """Forgets an image; whether there was one."""
    with self._lock:
      return self._images.pop(image_id, None) is not None

  def __len__(self) -> int:
    """How many images are kept."""
    with self._lock:
      self._purge()
      return len(self._images)

  def _purge(self) -> None:
    """Drops what has expired, and the least used beyond the total."""
    oldest = self._clock() - self._lifetime
    size = sum(len(stored.data) for _, stored in self._images.values())
    for key, (used, stored) in list(self._images.items()):
      if used >= oldest and size <= self._total:
        return
      del self._images[key]
      size -= len(stored.data)


def check_pixels(width: int, height: int) -> None:
  """Checks that a picture isn't too large to work on.

  Raises:
    TooLargeError: it is.
  """
  if width * height > MAX_PIXELS:
    raise TooLargeError(
      f'{width} x {height} pixels are too many; up to'
      f' {MAX_PIXELS // 10**6} million are restored here.'
    )

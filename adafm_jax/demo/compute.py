"""What the server computes: parts of a picture, and whole results as files."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import ImageCms

from adafm_jax.degrade import resize
from adafm_jax.demo import store as stores
from adafm_jax.demo.site import Served
from adafm_jax.engine import overlap
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.images import alpha as alphas
from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import eight_bit as images
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.restore import pipeline, setting

# Parts are computed in sizes of this step where the picture has room, so that
# few shapes are compiled for.
_STEP = 64
_SIDE = 512  # of the parts of a whole result, pixels
_MOST_OPENED = 2  # pictures that stay decoded; each may take 200 MB

Check = Callable[[], None]  # raises where nobody waits for the result any more


class Rectangle(NamedTuple):
  """A part of a picture, in pixels."""

  x: int
  y: int
  width: int
  height: int


class Brush(NamedTuple):
  """Where another strength goes.

  Attributes:
    strength: in [0, 1].
    mask: float32 [H, W] in [0, 1], of the result's size.
  """

  strength: float
  mask: np.ndarray


class Opened(NamedTuple):
  """A picture, ready to be restored.

  Attributes:
    photo: as it was read.
    pixels: float32 [H', W', 1 or 3] in [0, 1], see `alphas.seen`, enlarged.
    alpha: float32 [H', W', 1], enlarged, or None.
    hidden: float32 [H', W', 1 or 3], the colours without alpha.
    icc: profile of colours that sRGB shows otherwise, or None.
  """

  photo: photos.Photo
  pixels: np.ndarray
  alpha: np.ndarray | None
  hidden: np.ndarray
  icc: bytes | None


class Computer:
  """Networks and the pictures that were last worked on."""

  def __init__(self, models: Sequence[Served]):
    """Takes the models that may be asked for."""
    self._models = {served.name: served.model for served in models}
    # With their scale, the last used last; forgotten as soon as what was sent.
    self._opened = weakref.WeakKeyDictionary[
      stores.Stored, tuple[float, Opened]
    ]()
    self._lock = threading.Lock()

  def opened(
    self, stored: stores.Stored, model: str, scale: float
  ) -> tuple[Opened, Network]:
    """A picture, enlarged by a scale, and a network for it.

    Raises:
      UserError: the file is damaged, the model unknown, or the scale outside
        its levels.
    """
    if model not in self._models:
      raise UserError(
        f'There is no model {model!r}; there are'
        f' {", ".join(map(repr, self._models))}.'
      )
    found = self._models[model]
    if scale != 1:
      if found.levels.task != 'sr':
        raise UserError(f'The model {model!r} enlarges nothing; leave scale 1.')
      found.levels.check(scale)
    stores.check_pixels(
      resize.length(stored.width, scale), resize.length(stored.height, scale)
    )
    with self._lock:
      before, opened = self._opened.pop(stored, (0, None))
      if not opened or before != scale:
        while len(self._opened) >= _MOST_OPENED:
          del self._opened[next(self._opened.keys())]
        opened = _open(stored, scale)
      self._opened[stored] = scale, opened
    return opened, Network(found.arch, found.params)

  def strength(
    self, stored: stores.Stored, model: str, level: float, scale: float
  ) -> float:
    """The strength that serves a level, see `setting.strength_of`.

    Raises:
      UserError: the level is outside the model's range.
    """
    opened, _ = self.opened(stored, model, scale)
    channels = opened.pixels.shape[-1]
    return setting.strength_of(self._models[model], level, channels)


def sweep(
  opened: Opened,
  network: Network,
  strengths: Sequence[float],
  region: Rectangle,
  check: Check,
) -> np.ndarray:
  """A part of a picture at several strengths, exactly as in the whole.

  Args:
    opened: the picture.
    network: for it.
    strengths: in [0, 1].
    region: of the picture as it is enlarged.
    check: called between passes.

  Returns:
    uint8 [L, h, w, 3] in sRGB, as a page draws it.

  Raises:
    UserError: the region isn't in the picture.
  """
  height, width, _ = opened.pixels.shape
  x, y, wide, high = region
  if x + wide > width or y + high > height:
    raise UserError(
      f'The region reaches to ({x + wide}, {y + high}), but the picture has'
      f' {width} x {height} pixels.'
    )
  run = _part(opened, network, region)
  results = []
  # One by one: on a CPU a batch of strengths is no faster, and 1x1 filters are
  # folded away (docs/speed.md). So few functions are compiled, and work that
  # nobody waits for ends soon.
  for strength in strengths:
    check()
    results.append(run(strength))
  part = np.stack(results)
  if opened.alpha is not None:
    inner = np.s_[y : y + high, x : x + wide]
    alpha, hidden = opened.alpha[inner], opened.hidden[inner]
    part = np.stack([alphas.unpremultiply(one, alpha, hidden) for one in part])
  shown = images.to_uint8(part)
  shown = np.broadcast_to(shown, (*shown.shape[:-1], 3))
  if opened.icc:
    with contextlib.suppress(ImageCms.PyCMSError, OSError):  # it is damaged
      rows = colour_chunks.to_srgb(shown.reshape(-1, wide, 3), opened.icc)
      shown = rows.reshape(shown.shape)
  return shown


def restore(
  opened: Opened,
  network: Network,
  strength: float,
  brush: Brush | None,
  check: Check,
) -> bytes:
  """A whole result as a PNG file with the photograph's metadata.

  Args:
    opened: the picture.
    network: for it.
    strength: in [0, 1].
    brush: where another strength goes, or None.
    check: called between parts.

  Raises:
    UserError: the brush's mask has another size.
  """
  if brush and brush.mask.shape != opened.pixels.shape[:2]:
    height, width, _ = opened.pixels.shape
    raise UserError(
      f'The mask has {brush.mask.shape[1]} x {brush.mask.shape[0]} pixels; it'
      f' must have those of the result, {width} x {height}.'
    )
  output = _whole(opened, network, strength, check)
  if brush:
    other = _whole(opened, network, brush.strength, check)
    output += brush.mask[..., None] * (other - output)
  pixels = np.clip(output, 0, 1)
  pixels = alphas.unpremultiply(pixels, opened.alpha, opened.hidden)
  like = opened.photo._replace(alpha=opened.alpha)
  return photo_write.encode_png(pixels, like, {})


def read_mask(data: bytes) -> np.ndarray:
  """A mask, PNG: float32 [H, W] in [0, 1], its alpha, or its grey without.

  Raises:
    UserError: it is not a PNG file, or too large.
  """
  stores.check_pixels(*photos.measure(data, 'of the mask'))
  photo = photos.decode_photo(data, 'of the mask')
  if photo.format != 'PNG':
    raise UserError('The mask is not a PNG file.')
  return photo.pixels.mean(-1) if photo.alpha is None else photo.alpha[..., 0]


def _whole(
  opened: Opened, network: Network, strength: float, check: Check
) -> np.ndarray:
  """The network's result, float32 [H', W', 1 or 3], part by part."""
  height, width, _ = opened.pixels.shape
  output = np.empty_like(opened.pixels)
  for y in range(0, height, _SIDE):
    for x in range(0, width, _SIDE):
      check()
      high, wide = min(_SIDE, height - y), min(_SIDE, width - x)
      run = _part(opened, network, Rectangle(x, y, wide, high))
      output[y : y + high, x : x + wide] = run(strength)
  return output


def _part(
  opened: Opened, network: Network, region: Rectangle
) -> Callable[[float], np.ndarray]:
  """What restores a part of a picture at a strength, as it is in the whole."""
  height, width, _ = opened.pixels.shape
  x, y, wide, high = region
  halo = overlap.reach(network.arch)
  rows, columns = _around(y, high, halo, height), _around(x, wide, halo, width)
  cut = np.ascontiguousarray(opened.pixels[rows, columns])
  pixels, finish = pipeline.prepare(cut[None], network.arch.channels)
  top, left = y - rows.start, x - columns.start

  def run(strength: float) -> np.ndarray:
    found = finish(network.restore(pixels, np.float32(strength)))[0]
    return found[top : top + high, left : left + wide]

  return run


def _around(begin: int, size: int, halo: int, most: int) -> slice:
  """A range with all that its pixels depend on, from an even pixel on.

  It is lengthened to a multiple of `_STEP` where the picture has room.
  """
  start = max(0, begin - begin % 2 - halo)
  stop = min(most, begin + size + size % 2 + halo)
  stop += stop % 2 if stop < most else 0
  wanted = min(-(-(stop - start) // _STEP) * _STEP, most)
  stop = min(most, start + wanted)
  start = max(0, stop - wanted)
  return slice(start - start % 2, stop)


def _open(stored: stores.Stored, scale: float) -> Opened:
  photo = photos.decode_photo(stored.data, 'that was sent')
  pixels = alphas.seen(photo.pixels, photo.alpha)
  alpha, hidden = photo.alpha, photo.pixels
  if scale != 1:
    pixels, hidden = (
      pipeline.enlarge(part, scale) for part in (pixels, hidden)
    )
    if alpha is not None:
      alpha = pipeline.enlarge(alpha, scale)
  icc = photo.metadata.icc
  with contextlib.suppress(ValueError):  # HDR has no profile
    described = photo.metadata.colours
    icc = icc or colour_chunks.profile(described, photo.pixels.shape[-1])
  if icc and colour_chunks.is_srgb(icc):
    icc = None
  return Opened(photo, pixels, alpha, hidden, icc)

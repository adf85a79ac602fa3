"""Makes the pictures of a card: photographs, details, a network.

The photographs come with scikit-image and matplotlib and are free to show. No
released model was trained on them.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from adafm_jax.data.image import NamedImage
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case, Protocol, make_case
from adafm_jax.images import eight_bit as images
from adafm_jax.model import Model
from adafm_jax.report.sheet import Cell
from release import measure
from release.card.results import main_noise

DETAIL = 112  # side of the window that a failure shows, pixels
FACE = (slice(20, 20 + DETAIL), slice(180, 180 + DETAIL))  # of the astronaut


class Scene(NamedTuple):
  """One row of a picture, and a text about it.

  Attributes:
    title: a few words.
    text: one or two sentences, with what was measured.
    cells: left to right.
  """

  title: str
  text: str
  cells: list[Cell]


class Studio(NamedTuple):
  """A model at work on photographs.

  Attributes:
    model: on its own path.
    protocol: the one it was trained for.
  """

  model: Model
  protocol: Protocol

  def case(self, image: NamedImage, level: float, noise: str = '') -> Case:
    """Degrades a photograph; `noise` may differ from the model's."""
    protocol = self.protocol
    if noise:
      protocol = Protocol.of(self.model.levels.task, noise)
    return make_case(image, level, protocol)

  def restore(self, case: Case, level: float) -> np.ndarray:
    """uint8 [H, W, C], restored at the strength of a level."""
    return measure.restore(self.model, case, level)

  def photo(self, name: str) -> NamedImage:
    """A photograph of scikit-image, in the network's channels."""
    pixels = photograph(name)
    channels = self.model.arch.channels
    return NamedImage(name, images.to_channels(pixels, channels))

  def near(self, level: float) -> float:
    """The nearest level in the model's range."""
    low, high = sorted((self.model.levels.start, self.model.levels.end))
    return float(min(max(level, low), high))


def open_studio(model: Model) -> Studio:
  """A studio with the protocol that the model's card shows first."""
  return Studio(
    model, Protocol.of(model.levels.task, main_noise(model) or 'clipped')
  )


@functools.cache
def photograph(name: str) -> np.ndarray:
  """A photograph as uint8 [H, W, 1 or 3].

  Args:
    name: of a file of scikit-image's wheel, without suffix; or grace_hopper,
      matplotlib's sample.
  """
  if name == 'grace_hopper':
    import matplotlib as mpl

    folder = pathlib.Path(mpl.get_data_path(), 'sample_data')
  else:
    import skimage.data

    folder = pathlib.Path(skimage.data.__file__).parent
  return images.read(next(folder.glob(f'{name}.*[gG]')))


def worst(clean: np.ndarray, picture: np.ndarray) -> tuple[slice, slice]:
  """The window of `DETAIL` pixels a side in which a picture errs most.

  Both images are uint8 [H, W, C].
  """
  error = (clean.astype(np.float64) - picture) ** 2
  return highest(error.mean(axis=-1))


def at_worst(
  taken: Studio, photo: str, level: float
) -> tuple[Case, np.ndarray, tuple[slice, slice]]:
  """A degraded photograph, its restoration, and where that errs most."""
  case = taken.case(taken.photo(photo), level)
  restored = taken.restore(case, level)
  return case, restored, worst(case.clean, restored)


def flattest(clean: np.ndarray) -> tuple[slice, slice]:
  """The window of uint8 [H, W, C] that varies least."""
  luma = clean.mean(axis=-1)
  change = np.hypot(ndimage.sobel(luma, 0), ndimage.sobel(luma, 1))
  return highest(-change)


def highest(values: np.ndarray) -> tuple[slice, slice]:
  """The window of [H, W] with the highest sum, `DETAIL` pixels a side.

  The first of equals wins; a smaller side is taken whole.
  """
  height, width = (min(DETAIL, side) for side in values.shape)
  total = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
  rows = total[height:] - total[:-height]
  sums = (rows[:, width:] - rows[:, :-width]).round(3)
  top, left = np.unravel_index(np.argmax(sums), sums.shape)
  return (
    slice(int(top), int(top) + height),
    slice(int(left), int(left) + width),
  )


def cell(case: Case, picture: np.ndarray, window, words: str) -> Cell:
  """A detail of a picture, with its PSNR in the caption.

  Args:
    case: has the original.
    picture: uint8 [H, W, C].
    window: slices of rows and columns.
    words: start of the caption.
  """
  detail = picture[window]
  psnr = metrics.psnr(case.clean[window], detail)
  return Cell(detail, f'{words}: {psnr:.1f} dB')


def row(
  case: Case,
  pictures: Sequence[tuple[np.ndarray, str]],
  window: tuple[slice, slice],
) -> list[Cell]:
  """The input, restorations with their captions, and the original."""
  return [
    cell(case, images.to_uint8(case.degraded), window, 'input'),
    *(cell(case, picture, window, words) for picture, words in pictures),
    Cell(case.clean[window], 'original'),
  ]


def texture_kept(clean: np.ndarray, picture: np.ndarray) -> float:
  """The share of fine detail that is the original's, 0 to 1.

  The squared correlation of both images after subtracting a Gaussian blur of 2
  pixels. It is 1 if all detail is there, at any contrast.
  """
  fine = []
  for image in (clean, picture):
    luma = image.astype(np.float64).mean(axis=-1)
    fine.append((luma - ndimage.gaussian_filter(luma, 2)).ravel())
  return float(np.corrcoef(*fine)[0, 1] ** 2)

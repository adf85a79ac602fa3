"""Where images come from: a folder, a TFDS data set, scikit-image's photos."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax import images
from adafm_jax.degrade import resize
from adafm_jax.errors import UserError

# Photographs in scikit-image's wheel, free to use, by what the quickstart
# does with them. No photograph is in two splits.
PHOTOS = {
  'train': (
    'astronaut',
    'motorcycle_left',
    'ihc',
    'retina',
    'hubble_deep_field',
    'brick',
    'gravel',
    'grass',
    'coins',
  ),
  'heldout': ('coffee', 'camera'),
  'evaluate': ('chelsea', 'rocket'),
}

# How to get the data sets that configs name.
_DOWNLOADS = {
  'div2k': (
    'download DIV2K_train_HR.zip from'
    ' https://data.vision.ee.ethz.ch/cvl/DIV2K/ and unpack it'
  ),
}


class NamedImage(NamedTuple):
  """An image of a set.

  Attributes:
    name: file name without folder and suffix.
    pixels: uint8 [H, W, C].
  """

  name: str
  pixels: np.ndarray


def load(
  source: str, *, field: str, channels: int, data_dir: str = '', most: int = 0
) -> list[NamedImage]:
  """Loads a set of images, sorted by name.

  Args:
    source: a folder; `tfds:NAME/SPLIT`; or `photos:SPLIT`, see `PHOTOS`.
    field: the config field that says so, for messages.
    channels: 1 (MATLAB Y) or 3 (RGB), what the images are brought to.
    data_dir: where TFDS data sets are prepared; '' is its default.
    most: load only the first so many; 0 is all.

  Returns:
    The images.

  Raises:
    UserError: there is no such source, or it holds an unreadable image; the
      sentence says how to get it and how to point to a folder.
  """
  kind, colon, rest = source.partition(':')
  if colon and kind == 'photos':
    found = _photos(rest, field)
  elif colon and kind == 'tfds':
    found = _tfds(rest, field, data_dir, most)
  elif pathlib.Path(source).expanduser().is_dir():
    paths = images.find(pathlib.Path(source).expanduser())
    found = [
      NamedImage(path.stem, images.read(path)) for path in paths[: most or None]
    ]
  else:
    raise UserError(
      f'{field} is {source!r}, which is no folder; give a folder of images, as'
      f' in --config.{field}=/path/to/images, or tfds:NAME/SPLIT, or'
      f' photos:SPLIT.'
    )
  return [
    NamedImage(i.name, images.to_channels(i.pixels, channels))
    for i in found[: most or None]
  ]


def shrink(found: Sequence[NamedImage], factor: int) -> list[NamedImage]:
  """Reduces images by a whole factor (bicubic, antialiased), to uint8."""
  if factor == 1:
    return list(found)

  def reduce(pixels):
    small = resize.imresize(resize.modcrop(pixels, factor), 1 / factor)
    return np.rint(np.clip(small, 0, 255)).astype(np.uint8)

  return [NamedImage(i.name, reduce(i.pixels)) for i in found]


def check_sizes(found: Sequence[NamedImage], patch: int, field: str) -> None:
  """Raises UserError naming the images that are smaller than a patch."""
  small = [i.name for i in found if min(i.pixels.shape[:2]) < patch]
  if small:
    shown = ', '.join(small[:5]) + (', ...' if len(small) > 5 else '')
    raise UserError(
      f'{field} has {len(small)} image(s) smaller than the patch of {patch}'
      f' pixels ({shown}); leave them out or make the patch smaller.'
    )


def _photos(split: str, field: str) -> list[NamedImage]:
  import skimage.data

  if split not in PHOTOS:
    raise UserError(
      f"{field} is photos:{split}; the splits of scikit-image's photographs"
      f' are {", ".join(PHOTOS)}.'
    )
  folder = pathlib.Path(skimage.data.__file__).parent
  paths = [next(folder.glob(f'{name}.*[gG]')) for name in sorted(PHOTOS[split])]
  return [NamedImage(path.stem, images.read(path)) for path in paths]


def _tfds(rest: str, field: str, data_dir: str, most: int) -> list[NamedImage]:
  """Reads a prepared TFDS data set, without TensorFlow."""
  name, slash, split = rest.rpartition('/')  # a name may be div2k/bicubic_x2
  if not slash:
    name, split = rest, 'train'
  where = data_dir or '~/tensorflow_datasets'
  try:
    import tensorflow_datasets as tfds
    from absl import logging

    logging.set_verbosity(logging.ERROR)  # it warns of folders it passes by
    source = tfds.data_source(
      name, split=split, data_dir=data_dir or None, download=False
    )
  except Exception as error:  # TFDS raises many types for one thing: absent
    how = _DOWNLOADS.get(re.split('[:/]', name)[0], 'get its images')
    raise UserError(
      f'{field} is tfds:{rest}, which is not prepared in {where}: {how}, then'
      f' point to the folder of images with --config.{field}=/path.'
    ) from error
  found = []
  for index in range(min(len(source), most or len(source))):
    record = source[index]
    pixels = record.get('image', record.get('hr'))
    if pixels is None:
      raise UserError(
        f'{field} is tfds:{rest}, whose records have no feature `image` or'
        f' `hr` but {", ".join(record)}.'
      )
    label = record.get('name', f'{index:06d}')
    label = label.decode() if isinstance(label, bytes) else str(label)
    found.append(NamedImage(pathlib.Path(label).stem, np.asarray(pixels)))
  return sorted(found, key=lambda image: image.name)

"""Where images come from: a folder, a TFDS data set, scikit-image's photos."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from adafm_jax import errors
from adafm_jax.data import known, prepared
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import resize
from adafm_jax.errors import UserError
from adafm_jax.images import eight_bit as images
from adafm_jax.images.folder import find_images

# `load`, or a function of the same arguments.
Load = Callable[..., list[NamedImage]]

# Photographs in scikit-image's wheel, free to use, by their use in the
# quickstart. No photograph is in two splits.
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


def load(
  source: str,
  *,
  field: str,
  channels: int,
  option: str = '',
  data_dir: str = '',
  most: int = 0,
) -> list[NamedImage]:
  """Loads a set of images, sorted by name.

  Args:
    source: a folder; `tfds:NAME/SPLIT`; or `photos:SPLIT`, see `PHOTOS`.
    field: config field or option that names the source, for messages.
    channels: 1 (MATLAB Y) or 3 (RGB); images are converted.
    option: what stands before a folder on the command line, for messages, as
      in '--config.data.train='; '' if a folder is given alone.
    data_dir: folder of prepared TFDS data sets; '' is TFDS's default.
    most: load at most this many; 0 is all.

  Raises:
    UserError: the source is missing (the message says how to get it); or a
      sentence for each image that can't be read.
  """
  kind, colon, rest = source.partition(':')
  if colon and kind == 'photos':
    found = _photos(rest, field)
  elif parts := split_name(source):
    if ours := prepared.open_split(*parts, data_dir):
      ours.check_channels(channels, field)
      found = _prepared(ours, most)
    else:
      found = _tfds(*parts, field, option, data_dir, most)
  elif source and os.path.isdir(os.path.expanduser(source)):  # '' is here
    found = _read(
      find_images(pathlib.Path(source).expanduser())[: most or None]
    )
  else:
    raise UserError(
      f'{field} is {source!r}, which is not a folder; give a folder of images,'
      f' as in {option}/path/to/images, or tfds:NAME/SPLIT, or photos:SPLIT.'
    )
  return [
    NamedImage(i.name, images.to_channels(i.pixels, channels))
    for i in found[: most or None]
  ]


def shrink(found: Sequence[NamedImage], factor: int) -> list[NamedImage]:
  """Reduces images by a whole factor (bicubic, antialiased), to uint8."""
  if factor == 1:
    return list(found)
  return [
    NamedImage(i.name, _resized(resize.modcrop(i.pixels, factor), 1 / factor))
    for i in found
  ]


def at_scales(
  found: Sequence[NamedImage], scales: Sequence[float]
) -> list[NamedImage]:
  """A copy of every image for each scale, resized (bicubic, antialiased).

  Args:
    found: images, uint8.
    scales: above 0; at 1 an image is as it was, and above 1 its middle is
      enlarged to its size, or up to `scale` pixels less.

  Returns:
    All images of the first scale, then of the next. Names say the scale.
  """
  return [
    image
    if scale == 1
    else NamedImage(f'{image.name} at {scale:g}', _resized(image.pixels, scale))
    for scale in scales
    for image in found
  ]


def _resized(pixels: np.ndarray, scale: float) -> np.ndarray:
  """Resizes an image; above 1, as much of its middle as has its size then."""
  if scale > 1:
    size = pixels.shape[:2]
    inner = [int(n / scale) for n in size]
    top, left = [(n - i) // 2 for n, i in zip(size, inner, strict=True)]
    pixels = pixels[top : top + inner[0], left : left + inner[1]]
  return np.rint(resize.imresize(pixels, scale).clip(0, 255)).astype(np.uint8)


def _read(paths: Sequence[pathlib.Path]) -> list[NamedImage]:
  """Reads image files; raises UserError with all unreadable ones."""
  found, problems = [], []
  for path in paths:
    try:
      found.append(NamedImage(path.stem, images.read(path)))
    except UserError as error:
      problems += error.problems
  errors.raise_all(problems)
  return found


def check_sizes(
  found: Iterable[tuple[str, int, int]],
  least: int,
  *,
  field: str,
  what: str,
  mend: str = 'leave them out',
) -> None:
  """Raises UserError with the names of images that are too small.

  Args:
    found: (name, height, width) of each.
    least: pixels that both sides must have.
    field: source of the images, for the message.
    what: what needs so many pixels, for the message.
    mend: what can be done about it, for the message.
  """
  small = [name for name, *size in found if min(size) < least]
  if small:
    raise UserError(
      f'{field} has {len(small)} image(s) smaller than the {least} x {least}'
      f' pixels of {what} ({errors.listed(small)}); {mend}.'
    )


def named(name: str, data_dir: str) -> str:
  """The source that an evaluation set's name stands for.

  Args:
    name: one of `known.evaluation_names()`.
    data_dir: folder of prepared TFDS data sets; '' is TFDS's default.

  Returns:
    `tfds:NAME/SPLIT` of the set itself, or of another prepared set that has it
    as a split, as bsds has cbsd68.
  """
  own = f'tfds:{name}/{known.get(name).evaluate}'
  if prepared.find(name, data_dir):
    return own
  for other, rule in known.SETS.items():
    if name in rule.splits and prepared.open_split(other, name, data_dir):
      return f'tfds:{other}/{name}'
  return own


def split_name(source: str) -> tuple[str, str] | None:
  """(name, split) of `tfds:NAME/SPLIT`; None for any other source."""
  kind, colon, rest = source.partition(':')
  if not colon or kind != 'tfds':
    return None
  name, slash, split = rest.rpartition('/')  # a name may be div2k/bicubic_x2
  return (name, split) if slash else (rest, 'train')


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


def _prepared(split: prepared.Split, most: int) -> list[NamedImage]:
  records = split.records()
  count = min(len(records), most or len(records))
  labels = [label for label, *_ in split.sizes]
  return [NamedImage(labels[i], records[i]) for i in range(count)]


def _tfds(
  name: str, split: str, field: str, option: str, data_dir: str, most: int
) -> list[NamedImage]:
  """Reads a prepared TFDS data set, without TensorFlow."""
  source = _open_tfds(name, split, field, option, data_dir)
  found = []
  for index in range(min(len(source), most or len(source))):
    record = source[index]
    pixels = record.get('image', record.get('hr'))
    if pixels is None:
      raise UserError(
        f'{field} is tfds:{name}/{split}, whose records have no feature `image`'
        f' or `hr` but {", ".join(record)}.'
      )
    label = record.get('name', f'{index:06d}')
    label = label.decode() if isinstance(label, bytes) else str(label)
    found.append(NamedImage(pathlib.Path(label).stem, np.asarray(pixels)))
  return sorted(found, key=lambda image: image.name)


def _open_tfds(
  name: str, split: str, field: str, option: str, data_dir: str
) -> Any:
  try:
    import tensorflow_datasets as tfds
    from absl import logging
  except ImportError as error:  # folders do not need it
    raise UserError(
      f'{field} is tfds:{name}/{split}, which needs the packages'
      ' tensorflow-datasets and array_record; install them, or point to a'
      f' folder of images with {option}/path.'
    ) from error
  logging.set_verbosity(logging.ERROR)  # TFDS warns of each folder it skips
  try:
    return tfds.data_source(
      name, split=split, data_dir=data_dir or None, download=False
    )
  except Exception as error:  # TFDS raises many types if a set is missing
    prepared.check_split(name, split, data_dir, field)
    raise UserError(_absent(name, split, field, option, data_dir)) from error


def _absent(
  name: str, split: str, field: str, option: str, data_dir: str
) -> str:
  """How to get a data set that isn't prepared."""
  base = name.partition('/')[0]
  where = prepared.shown_dir(data_dir)
  how = 'get its images'
  if rule := known.SETS.get(base):
    how = (
      f'{rule.by_hand}, and run python -m adafm_jax.data.prepare --dataset'
      f' {base} --source FOLDER --data_dir {where}'
    )
  return (
    f'{field} is tfds:{name}/{split}, which is not prepared in {where}: {how};'
    f' or point to a folder of images with {option}/path.'
  )

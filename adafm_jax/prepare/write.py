"""Writes a set of images as TFDS array_record, without TensorFlow.

TFDS's GeneratorBasedBuilder needs TensorFlow for splits of over a gigabyte,
since it shuffles through files. A ShardBasedBuilder writes records in order;
training shuffles when it reads.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from adafm_jax import progress
from adafm_jax.data import known, prepared, records, tiles
from adafm_jax.data.image import fingerprint
from adafm_jax.data.prepared import Entry
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.errors import UserError
from adafm_jax.images import eight_bit as images
from adafm_jax.prepare.request import Request

# Uncompressed bytes of a file of records; a whole file is held in memory.
_SHARD = 2**28

Example = dict[str, Any]


# Images of a set, by split.
Splits = Mapping[str, Sequence[Entry]]


def write(
  request: Request, splits: Splits, data_dir: pathlib.Path
) -> pathlib.Path:
  """Writes the set with TFDS.

  Args:
    request: what to write.
    splits: the images; those of 'train' are cut into sub-images.
    data_dir: must not contain the set's folder yet.

  Returns:
    The folder of the prepared set.

  Raises:
    UserError: an image can't be read any more, or the disk is full.
  """
  import tensorflow_datasets as tfds

  total = sum(map(len, splits.values()))
  with progress.bar(f'preparing {request.name}', 'image', total=total) as bar:
    builder = _builder_class(request, splits, bar.update)(data_dir=data_dir)
    tfds.disable_progress_bar()
    try:
      with open(os.devnull, 'w') as null, contextlib.redirect_stdout(null):
        builder.download_and_prepare(file_format='array_record')
    except UserError:
      raise
    except (OSError, RuntimeError) as error:  # array_record's own errors
      raise UserError(
        f'Cannot write {request.name} to {data_dir}: {error}.'
      ) from error
  return pathlib.Path(builder.data_dir)


def _builder_class(
  request: Request, splits: Splits, done: Callable[[], Any]
) -> Any:
  """A TFDS builder class with the set's name."""
  import tensorflow_datasets as tfds

  class ImageBuilder(  # type: ignore[call-arg]
    tfds.core.ShardBasedBuilder, skip_registration=True
  ):
    """Images, whole or cut, with their names and degraded partners."""

    name = request.name
    VERSION = tfds.core.Version(prepared.VERSION)

    def _info(self):
      return tfds.core.DatasetInfo(
        builder=self,
        description=known.get(request.dataset).title,
        features=_features(request),
        disable_shuffling=True,
      )

    def _shard_iterators_per_split(self, dl_manager):
      del dl_manager  # files are already found and checked
      return {
        split: [
          lambda shard=shard, split=split: _examples(
            request, split, shard, done
          )
          for shard in _shards(entries, 1 + len(request.levels))
        ]
        for split, entries in splits.items()
      }

  return ImageBuilder


def _features(request: Request) -> Any:
  """What a record holds: the image, a partner for each level, and the name."""
  import tensorflow_datasets as tfds

  pixels = tfds.features.Tensor(
    shape=(None, None, request.stored_channels or None),
    dtype=np.uint8,
    # Not PNG, which takes ten times as long to decode.
    encoding=tfds.features.Encoding.BYTES,
  )
  names = ['image', *map(records.level_feature, request.levels)]
  return tfds.features.FeaturesDict(
    {**dict.fromkeys(names, pixels), 'name': tfds.features.Text()}
  )


def _shards(entries: Sequence[Entry], planes: int) -> list[list[Entry]]:
  """Divides images among files of records; an image has `planes` arrays."""
  shards: list[list[Entry]] = []
  room = 0
  for entry in entries:
    if room <= 0:
      shards.append([])
      room = _SHARD
    shards[-1].append(entry)
    # In RGB; overlapping sub-images hold most pixels four times.
    room -= planes * 3 * entry.height * entry.width * 4
  return shards


def _examples(
  request: Request,
  split: str,
  entries: Sequence[Entry],
  done: Callable[[], Any],
) -> Iterator[tuple[str, Example]]:
  """Records of some images, in order."""
  for entry in entries:
    planes = _planes(request, entry)
    parts = request.cut(split, entry.height, entry.width)
    for index, (top, left, height, width) in enumerate(parts):
      name = tiles.name(entry.name, index, len(parts))
      window = np.s_[top : top + height, left : left + width]
      yield name, {'name': name} | {k: v[window] for k, v in planes.items()}
    done()


def _planes(request: Request, entry: Entry) -> dict[str, np.ndarray]:
  """The image and its partners, made of the whole image: {feature: uint8}."""
  pixels = images.read(entry.path)
  if fingerprint(pixels) != entry.pixels:
    raise UserError(f'{entry.path} has changed while it was prepared.')
  if request.stored_channels:
    pixels = images.to_channels(pixels, request.stored_channels)
  planes = {'image': pixels}
  for level in request.levels:
    degraded = Degradation(request.task).apply(pixels, level, name=entry.name)
    planes[records.level_feature(level)] = images.to_uint8(degraded)
  return planes


def write_index(request: Request, splits: Splits, where: pathlib.Path) -> None:
  """Writes `images.json` for records that were just written.

  Raises:
    UserError: it can't be written, or records are missing in a split.
  """
  index: dict[str, Any] = {
    'format': prepared.FORMAT,
    'base': request.dataset,
    'side': request.side,
    'step': request.step,
    'task': request.task,
    'levels': list(request.levels),
    'channels': request.stored_channels,
    'splits': {},
    'files': {
      p.name: prepared.checksum(p) for p in sorted(where.glob('*record*'))
    },
  }
  for split, entries in splits.items():
    index['splits'][split] = [
      {**entry._asdict(), 'path': entry.path.name} for entry in entries
    ]
  (where / prepared.INDEX).write_text(
    json.dumps(index, indent=1), encoding='utf-8'
  )
  for split in splits:
    part = prepared.Split(where, index, split)
    if (found := len(part.records())) != len(part.sizes):
      raise UserError(
        f'{where} has {found} records in split {split}, not'
        f' {len(part.sizes)}; writing it failed.'
      )

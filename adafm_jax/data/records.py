"""Records of a prepared set, read without TensorFlow."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from adafm_jax.errors import UserError
from adafm_jax.images import eight_bit as images


class Records:
  """Random access to the pixels of a split; can be sent to other processes.

  Item i is uint8 [H, W, C], or [H, W, (1 + L) C] with degraded partners of L
  `levels` after the image, C being `channels` (0: as stored). Raises UserError
  if a record is damaged.
  """

  def __init__(
    self,
    where: pathlib.Path,
    split: str,
    channels: int = 0,
    levels: Sequence[float] = (),
  ):
    import tensorflow_datasets as tfds

    self._where, self._channels = where, channels
    self._names = ['image', *map(level_feature, levels)]
    try:
      builder = tfds.builder_from_directory(where)
      raw = tfds.decode.DeserializeMethod.RAW_BYTES
      self._source = builder.as_data_source(split=split, deserialize_method=raw)
      # Decode these alone: TFDS would decode the partners of all levels.
      self._features = tfds.features.FeaturesDict(
        {name: builder.info.features[name] for name in self._names}
      )
    except Exception as error:  # TFDS and array_record raise many types
      raise self._damaged(f'split {split}', error) from error

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> np.ndarray:
    try:
      record = self._features.deserialize_example_np(self._source[index])
      planes = [record[name] for name in self._names]
    except Exception as error:
      raise self._damaged(f'record {index}', error) from error
    if self._channels:
      planes = [images.to_channels(p, self._channels) for p in planes]
    return np.concatenate(planes, axis=-1) if len(planes) > 1 else planes[0]

  def __iter__(self) -> Iterator[np.ndarray]:
    return (self[i] for i in range(len(self)))

  def _damaged(self, what: str, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    name = self._where.parent.name
    return UserError(
      f'Cannot read {what} of {self._where} ({reason}); {again(name)}.'
    )


def level_feature(level: float) -> str:
  """Name of the TFDS feature with the partners of a level."""
  return f'level_{level:g}'


def again(name: str) -> str:
  """What is to be done about a damaged set, for messages."""
  return f'prepare {name} again with --overwrite'

"""The training images of a stage: on the device, or as a stream of batches."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from adafm_jax import progress
from adafm_jax.config.fields import Config
from adafm_jax.config.stages import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.data import prepared, stream
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.images.eight_bit import to_uint8
from adafm_jax.train import mesh as meshes
from adafm_jax.train.images import Images
from adafm_jax.train.step import Feed

# Batches kept ready on the device.
_AHEAD = 2


@contextlib.contextmanager
def open_feed(
  config: Config,
  images: Images,
  *,
  stage: StageConfig,
  levels: Sequence[float],
  index: int,
  start: int,
  mesh: Mesh,
  grid: int = 1,
) -> Iterator[Feed]:
  """Opens the training images for one stage.

  Args:
    config: of the experiment; `data.placement` is decided, not 'auto'.
    images: from `images.load`.
    stage: batch, patch and steps.
    levels: that the stage learns. If the task degrades whole images, each image
      gets a degraded partner per level.
    index: number of the stage, part of the seed of its batches.
    start: the first step.
    mesh: of devices.
    grid: patches begin at multiples of it, pixels.

  Yields:
    A bank on every device, or the batches of the steps from `start` on.
  """
  paired = Degradation(config.task).whole_image
  if not isinstance(images, prepared.Split):
    partners = levels if paired else ()
    yield meshes.replicate(_bank(config, images, partners, grid), mesh)
    return
  records = images.records(config.model.channels, levels if paired else ())
  if config.data.placement == 'device':
    sizes = [(height, width) for _, height, width in images.sizes]
    bank = banks.build(records, grid, sizes=sizes)
    yield meshes.replicate(bank, mesh)
    return
  sharding = NamedSharding(mesh, PartitionSpec('data'))
  batches = stream.Batches(
    records,
    seed=(config.seed, index),
    batch=stage.batch,
    patch=stage.patch,
    steps=stage.steps,
    rows=local_rows(sharding, stage.batch),
    grid=grid,
  )
  workers = config.run.workers
  workers = stream.default_workers() if workers < 0 else workers
  with stream.read(batches, start, workers) as read:
    yield _to_device(read, sharding)


def local_rows(sharding: NamedSharding, batch: int) -> list[int]:
  """The rows of a batch that belong to this process's devices, in order."""
  indices = sharding.addressable_devices_indices_map((batch,)).values()
  parts = [index[0] for index in indices if index]
  return sorted({row for part in parts for row in range(batch)[part]})


def _to_device(
  batches: Iterator[np.ndarray], sharding: NamedSharding
) -> Iterator[jax.Array]:
  """Sends batches to the device ahead of the steps that need them."""
  ahead: collections.deque[jax.Array] = collections.deque()
  for batch in batches:
    ahead.append(jax.make_array_from_process_local_data(sharding, batch))
    if len(ahead) > _AHEAD:
      yield ahead.popleft()
  yield from ahead


def _bank(
  config: Config,
  images: Sequence[NamedImage],
  levels: Sequence[float],
  grid: int,
) -> banks.Bank:
  """Training images, each with one degraded partner per level."""
  degradation = Degradation(config.task)
  quiet = not levels or not meshes.is_main()
  bar = progress.bar('degrading', 'image', items=images, quiet=quiet)
  with_partners = (
    np.concatenate(
      [image.pixels]
      + [to_uint8(degradation.apply(image.pixels, x)) for x in levels],
      axis=-1,
    )
    for image in bar
  )
  return banks.build(
    with_partners, grid, sizes=[image.pixels.shape[:2] for image in images]
  )

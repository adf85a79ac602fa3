"""What all pictures of `adafm restore` share: model, strength and device."""

from __future__ import annotations

import argparse
import contextlib
import functools
import pathlib
from typing import Any

from adafm_jax import files
from adafm_jax.commands import restore_options
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.restore import recipe


def make_job(options: argparse.Namespace):
  """Loads what all pictures share.

  Raises:
    UserError: there is no such model, mask, recipe or device; or the strength
      is out of the model's range.
  """
  _choose_platform(options.device)
  from adafm_jax import zoo
  from adafm_jax.engine import compile_cache, heap
  from adafm_jax.engine import memory as memories
  from adafm_jax.images import reading
  from adafm_jax.model import Model
  from adafm_jax.restore import job as jobs
  from adafm_jax.restore import mask as masks

  compile_cache.enable()
  heap.keep()
  reading.allow(memories.of_machine() // jobs.PIXEL_BYTES)
  path = zoo.locate(options.model)
  model, checksum = Model.load(path), files.sha256(path)
  mask = masks.read(options.mask) if options.mask else None
  mask_checksum = files.sha256(options.mask) if options.mask else None
  asked: argparse.Namespace | recipe.Recipe = options
  if options.from_recipe:
    asked = recipe.follow(options.from_recipe, checksum, mask_checksum)
  by_level = asked.level is not None and model.levels.task != 'sr'
  quality = options.quality or asked.quality or jobs.Job.quality
  runtime = options.runtime or asked.runtime or jobs.Job.runtime
  restore_options.check_runtime(runtime, options.device)
  device = find_device(options.device)
  job = jobs.Job(
    header=model,
    network=_network(options, model, device, asked.self_ensemble, runtime),
    name=pathlib.Path(options.model).name,
    sha256=checksum,
    level=asked.level,
    strength=None if options.from_recipe and by_level else asked.strength,
    estimated=by_level and bool(getattr(asked, 'estimated', False)),
    mask=mask,
    mask_sha256=mask_checksum,
    quality=quality,
    runtime=runtime,
    recipe=options.recipe,
    gentler=functools.cache(lambda: _gentler(model.levels)),
  )
  _check_range(job)
  return job


def _network(
  options: argparse.Namespace, model, device, self_ensemble: bool, runtime: str
):
  """The network, on its device and run as the options say."""
  import jax

  from adafm_jax.engine import run as engine
  from adafm_jax.export import openvino_runtime

  return engine.Network(
    model.arch,
    jax.device_put(model.params, device),
    side=engine.parse_tile(options.tile),
    self_ensemble=self_ensemble,
    # What is to be repeated bit for bit gets sizes of its own.
    shares_sizes=not (
      options.manifest or options.recipe or options.from_recipe
    ),
    runtime=openvino_runtime.choose(runtime, model, model.params),
  )


def _gentler(levels: LevelRange) -> dict[str, LevelRange]:
  """Released models of the same task that begin below these levels.

  They are only named to the user: one that can't be read is left out.
  """
  from adafm_jax import zoo
  from adafm_jax.model_file import file as model_file

  found = {}
  with contextlib.suppress(UserError):
    for entry in zoo.entries().values():
      with contextlib.suppress(UserError):
        found[entry.name] = model_file.read_header(entry.path).levels
  return {
    name: x
    for name, x in found.items()
    if x.task == levels.task and levels.cleaner(x.weakest)
  }


def _check_range(job) -> None:
  """Refuses a strength that no picture could be restored at."""
  from adafm_jax.restore import setting

  scaling = job.header.levels.task == 'sr'
  if scaling or (job.level, job.strength) != (None, None):
    setting.choose(job.header, job.level, job.strength, channels=3)


def _choose_platform(name: str) -> None:
  """Keeps JAX off a GPU that isn't wanted, which it would fill at once."""
  if name.partition(':')[0] == 'cpu':
    import jax

    jax.config.update('jax_platforms', 'cpu')


def find_device(name: str):
  """The JAX device of a name: 'auto', 'cpu', 'gpu:1'.

  Raises:
    UserError: there is no such device.
  """
  import jax

  platform, colon, index = name.partition(':')
  try:
    devices = jax.devices(None if name == 'auto' else platform)
    return devices[int(index) if colon else 0]
  except (RuntimeError, ValueError, IndexError) as error:
    found = ', '.join(f'{d.platform}:{d.id}' for d in jax.devices())
    raise UserError(
      f'There is no device {name!r}; this machine has {found}.'
    ) from error


def identity(job, options: argparse.Namespace) -> dict[str, Any]:
  """What fixes the results of a bulk job, beside the pictures."""
  return {
    'model_sha256': job.sha256,
    'level': job.level,
    'strength': job.strength,
    'self_ensemble': job.network.self_ensemble,
    'mask_sha256': job.mask_sha256,
    'quality': job.quality,
    'recipe': job.recipe,
    'suffix': options.suffix,
    'ext': options.ext,
    'runtime': job.runtime,
    'estimated': job.estimated or None,  # manifests of earlier versions lack it
  }

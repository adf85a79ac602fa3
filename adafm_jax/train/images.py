"""The training images of an experiment, and where they are kept.

Images of a folder are loaded and put on the device. A prepared set that is too
large for the device is read from disk, patch by patch.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from adafm_jax import files
from adafm_jax.config.fields import Config
from adafm_jax.data import bank as banks
from adafm_jax.data import prepared, sources, vivid
from adafm_jax.data.image import NamedImage, Seen, identify
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError
from adafm_jax.train import partners

# Loaded images, or a split of a prepared set, which can stay on disk.
Images = list[NamedImage] | prepared.Split

_FIELD = 'data.train'


class Training(NamedTuple):
  """Training images and held-out images.

  Attributes:
    train: the images to train on.
    heldout: for validation and calibration; never trained on.
    seen: identifies the images to train on, as they were before
      `data.shrink`.
    heldout_seen: identifies the held-out images, in the same way.
  """

  train: Images
  heldout: list[NamedImage]
  seen: list[Seen]
  heldout_seen: list[Seen]


def identity(seen: Sequence[Seen]) -> str:
  """16 hex digits that change when names or pixels of the images change."""
  text = json.dumps(sorted(seen))
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(config: Config, read: sources.Load = sources.load) -> Training:
  """Opens the training images of an experiment.

  Args:
    config: of the experiment.
    read: `sources.load`, or what remembers its results.

  Raises:
    UserError: there are no images, one is smaller than a patch, or
      `data.placement` is impossible for them.
  """
  heldout = config.data.heldout or _valid(config)
  ours = _prepared(config)
  train: Images
  if ours is not None:
    train, seen = ours, ours.seen(config.model.channels)
    sizes = ours.sizes
  else:
    train = _load(config, config.data.train, _FIELD, read)
    if not heldout:
      train, whole = _hold_out(config, train)
    seen = identify(train)
    train = sources.shrink(train, config.data.shrink)
    train = sources.at_scales(train, levels.parse_values(config.data.scales))
    train += vivid.copies(train, config.data.vivid)
    sizes = [(i.name, *i.pixels.shape[:2]) for i in train]
  patch = max(getattr(config, name).patch for name in config.used_stages)
  mend = 'leave them out'
  if ours is not None and ours.is_cut:
    mend = (
      f'prepare the set again with a --side of {patch} or more, or give a'
      ' smaller patch'
    )
  sources.check_sizes(sizes, patch, field=_FIELD, what='a patch', mend=mend)
  if heldout:
    whole = rest = _load(config, heldout, 'data.heldout', read)
  else:
    rest = sources.shrink(whole, config.data.shrink)
  # Both as they were before they were reduced.
  return Training(train, rest, seen, identify(whole))


def _load(
  config: Config, source: str, field: str, read: sources.Load
) -> list[NamedImage]:
  return read(
    source,
    field=field,
    option=f'--config.{field}=',
    channels=config.model.channels,
    data_dir=config.data.data_dir,
  )


def _hold_out(
  config: Config, images: list[NamedImage]
) -> tuple[list[NamedImage], list[NamedImage]]:
  """Splits off the last images, which are not trained on."""
  count = config.data.holdout
  if len(images) <= count:
    raise UserError(
      f'data.holdout is {count}, but data.train has only {len(images)}'
      ' image(s); hold out fewer, or name data.heldout.'
    )
  return images[:-count], images[-count:]


def _split(config: Config, split: str | None = None) -> prepared.Split | None:
  """The prepared split that data.train names, or another one of its set."""
  parts = sources.split_name(config.data.train)
  if parts is None:
    return None
  return prepared.open_split(parts[0], split or parts[1], config.data.data_dir)


def _valid(config: Config) -> str:
  """The source of a prepared set's validation images; '' if it has none."""
  train, valid = _split(config), _split(config, 'valid')
  if train is None or valid is None or train.split == 'valid':
    return ''
  return f'tfds:{valid.name}/valid'


def _prepared(config: Config) -> prepared.Split | None:
  """The prepared split to train from; None if images must be loaded.

  Raises:
    UserError: `data.placement` is stream, but the images can't be streamed.
  """
  split = _split(config)
  streamed = config.data.placement == 'stream'
  if split is None:
    if streamed:
      if parts := sources.split_name(config.data.train):
        prepared.check_split(*parts, config.data.data_dir, _FIELD)
      raise UserError(
        f'data.placement is stream, but {_FIELD} is {config.data.train!r}; only'
        ' sets prepared with python -m adafm_jax.data.prepare can be streamed,'
        ' as tfds:NAME/SPLIT.'
      )
    return None
  split.check_channels(config.model.channels, _FIELD)
  for name, changes in (
    ('shrink', config.data.shrink != 1),
    ('scales', levels.parse_values(config.data.scales) != [1]),
    ('vivid', config.data.vivid != 0),
  ):
    if not changes:
      continue
    if streamed or split.is_cut:
      raise UserError(
        f'data.{name} is {getattr(config.data, name)}, but {_FIELD} is a'
        f' prepared set, whose images stay as they are; leave data.{name} out,'
        ' or give a folder of images.'
      )
    return None
  if not Degradation(config.task).whole_image:
    return _with_validation(config, split)
  found = partners.find(config, split)
  if found is None and (streamed or split.is_cut):
    raise UserError(partners.how_to_make(config, split))
  return found and _with_validation(config, found)


def _with_validation(config: Config, split: prepared.Split) -> prepared.Split:
  if not (config.data.heldout or _valid(config)):
    raise UserError(
      f'{config.data.train} has no split "valid"; give images to validate on in'
      ' data.heldout, or prepare it again with --holdout.'
    )
  return split


def needed_bytes(config: Config, split: prepared.Split) -> int:
  """Memory that a split takes on the device, as uint8."""
  paired = Degradation(config.task).whole_image
  most = len(partners.between(config)) + 2 * bool(config.joint.steps)
  planes = 1 + max(most, 1) if paired else 1
  return split.pixels * config.model.channels * planes


def place(
  config: Config,
  learnt: Training,
  workdir: pathlib.Path,
  *,
  anew: bool = False,
) -> tuple[str, str]:
  """Decides where the training images are kept, once for a workdir.

  Args:
    config: of the experiment.
    learnt: its training images.
    workdir: keeps the choice, and the identity of what is read.
    anew: whether what it keeps does not count, as nothing is learnt yet.

  Returns:
    ('device' or 'stream', a sentence that says why).

  Raises:
    UserError: images or `model.init` have changed since the run began.
  """
  train = learnt.train
  if isinstance(train, prepared.Split):
    known = {'identity': train.identity}
    chosen, why = _choose(config, train)
  else:
    known = {'identity': identity(learnt.seen)}
    chosen, why = 'device', f'{len(train)} loaded images'
  known['heldout'] = identity(learnt.heldout_seen)
  if config.model.init:
    known['init'] = files.sha256(pathlib.Path(config.model.init))
  note = workdir / 'data.json'
  begun = files.read_json(note) if note.exists() and not anew else None
  if begun:
    _check_same(config, begun, known, workdir)
    chosen, why = begun['placement'], 'as when the run began'
  if jax.process_count() > 1:  # memory may differ: the first process decides
    flag = np.int32(chosen == 'stream')
    chosen = ['device', 'stream'][
      int(multihost_utils.broadcast_one_to_all(flag))
    ]
  if jax.process_index() == 0 and not begun:
    files.write_json(note, {'placement': chosen} | known)
  where = 'read from disk' if chosen == 'stream' else 'kept on the device'
  return chosen, f'training images are {where} ({why})'


def _check_same(
  config: Config,
  begun: Mapping[str, str],
  known: Mapping[str, str],
  workdir: pathlib.Path,
) -> None:
  """Refuses images and weights that are not those a run began with."""
  for name, what in {
    'identity': f'The images of {config.data.train} have',
    'heldout': 'The held-out images have',
    'init': f'The file {config.model.init} of model.init has',
  }.items():
    if name in begun and begun[name] != known.get(name):
      raise UserError(
        f'{what} changed since the run in {workdir} began; give another'
        ' --workdir.'
      )


def _choose(config: Config, train: prepared.Split) -> tuple[str, str]:
  """(placement, why) by the config or by memory."""
  if config.data.placement != 'auto':
    return config.data.placement, 'data.placement'
  size, free = needed_bytes(config, train), memories.available()
  if train.pixels > banks.MAX_PIXELS:
    return 'stream', f'{train.pixels:,} pixels are too many for one array'
  word = 'of' if size <= free else 'of only'
  return (
    'device' if size <= free else 'stream',
    f'{memories.show(size)} {word} {memories.show(free)} that may be used',
  )

"""What to prepare: the request, and its command line."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

from adafm_jax.data import known, prepared, tiles
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Request:
  """What to prepare, and from what.

  Attributes:
    dataset: a key of `known.SETS`.
    data_dir: folder of prepared sets.
    source: folder or archive; None downloads.
    called: name of the prepared set; '' is `dataset`.
    holdout: number of training images to hold out as split 'valid', if the set
      has no such split.
    side: of the sub-images that training images are cut into, pixels; 0 keeps
      them whole.
    step: from one sub-image to the next, pixels.
    task: 'dejpeg' or 'sr' to store degraded partners with the images; '' for
      none.
    levels: of the partners.
    channels: 1 or 3, to which images with partners are converted; 0 is the
      task's default. Without a task images are stored as they are.
    unchecked: whether to skip the checks against what the set should hold.
    overwrite: whether to replace a prepared set.
  """

  dataset: str
  data_dir: pathlib.Path
  source: pathlib.Path | None = None
  called: str = ''
  holdout: int = 20
  side: int = tiles.SIDE
  step: int = tiles.STEP
  task: str = ''
  levels: tuple[float, ...] = ()
  channels: int = 0
  unchecked: bool = False
  overwrite: bool = False

  @property
  def stored_channels(self) -> int:
    """Channels of the records; 0: as each image has."""
    return self.channels or {'dejpeg': 1, 'sr': 3}.get(self.task, 0)

  @property
  def name(self) -> str:
    """Name of the prepared set."""
    name = self.called or self.dataset
    if not self.task:
      return name
    return prepared.partner_set(name, self.task, self.stored_channels)

  def cut(self, split: str, height: int, width: int) -> list[tiles.Tile]:
    """The sub-images of an image; only training images are cut."""
    side = self.side if split == 'train' else 0
    return tiles.cut(height, width, side, self.step)

  def check(self) -> None:
    """Raises UserError with a sentence for every mistake."""
    known.get(self.dataset)
    problems = []
    if bool(self.task) != bool(self.levels):
      problems.append('Give --task and --levels together, or neither.')
    elif self.task and self.task not in ('dejpeg', 'sr'):
      problems.append(
        f'--task is {self.task!r}; it must be dejpeg or sr (noise is drawn'
        ' during training).'
      )
    else:
      for level in self.levels:
        problems += levels.TASKS[self.task].problems(level)
    if self.channels and not self.task:
      problems.append(
        '--channels is for degraded partners: give --task and --levels, too, or'
        ' leave it out, since images alone are stored as they are.'
      )
    if self.side > 0 and not 0 < self.step <= self.side:
      problems.append(
        f'--step is {self.step}; it must be 1 to --side ({self.side}).'
      )
    if self.side < 0 or self.holdout < 0:
      problems.append('--side and --holdout must be 0 or more.')
    if self.called and not self.called.replace('_', '').isalnum():
      problems.append(
        f'--name is {self.called!r}; use letters, digits and underscores.'
      )
    if problems:
      raise UserError(problems)


def arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the command's options and help to a parser."""
  rows = '\n'.join(
    f'  {name:13} {rule.title}' for name, rule in known.SETS.items()
  )
  parser.formatter_class = argparse.RawDescriptionHelpFormatter
  parser.description = (
    'Checks the images of a data set and writes them as TFDS array_record,\n'
    'once, for training and evaluation. No TensorFlow needed.'
  )
  parser.epilog = (
    f'data sets:\n{rows}\n\nWithout --source, div2k and bsds are downloaded'
    ' from their official addresses.'
  )
  add = parser.add_argument
  add('--dataset', required=True, metavar='NAME', help='a set listed below')
  add('--source', type=_path, metavar='PATH', help='folder or archive')
  add(
    '--data_dir',
    type=_path,
    metavar='DIR',
    default=pathlib.Path('~/tensorflow_datasets'),
    help='folder of prepared sets (default: %(default)s)',
  )
  add(
    '--name',
    dest='called',
    default='',
    metavar='NAME',
    help='name of the prepared set (default: --dataset)',
  )
  _image_arguments(parser)
  _partner_arguments(parser)
  add(
    '--unchecked',
    action='store_true',
    help='do not check counts, sizes and archives',
  )
  add('--overwrite', action='store_true', help='replace a prepared set')
  add('--verify', action='store_true', help='only check a prepared set')


def _image_arguments(parser: argparse.ArgumentParser) -> None:
  """Which images are held out, and how the others are cut."""
  add = parser.add_argument
  add(
    '--holdout',
    type=int,
    default=Request.holdout,
    metavar='N',
    help='bsds and image_folder: make the last N images by name the split'
    ' "valid", which is not trained on (default: %(default)s)',
  )
  add(
    '--side',
    type=int,
    default=Request.side,
    metavar='PIXELS',
    help='cut training images into sub-images of this side (default:'
    ' %(default)s); 0 keeps them whole',
  )
  add(
    '--step',
    type=int,
    default=Request.step,
    metavar='PIXELS',
    help='distance between sub-images (default: %(default)s)',
  )


def _partner_arguments(parser: argparse.ArgumentParser) -> None:
  """The degraded partners that are stored with the images."""
  add = parser.add_argument
  add(
    '--task',
    default='',
    help='dejpeg or sr: also store degraded partners of the images',
  )
  add('--levels', default='', help='levels of the partners, as in 80,10')
  add(
    '--channels',
    type=int,
    choices=(1, 3),
    default=0,
    help='with --task: store images and partners in luma (1, the default for'
    ' dejpeg) or RGB (3, the default for sr)',
  )


def _path(text: str) -> pathlib.Path:
  if not text:  # an unset variable; it is not the current folder
    raise argparse.ArgumentTypeError('is empty; name one, or leave it out')
  return pathlib.Path(text)


def from_options(options: argparse.Namespace) -> Request:
  """The request of parsed options."""
  fields = {
    f.name: getattr(options, f.name) for f in dataclasses.fields(Request)
  }
  fields['data_dir'] = options.data_dir.expanduser()
  if options.source:
    fields['source'] = options.source.expanduser()
  text = options.levels
  fields['levels'] = tuple(levels.parse_values(text)) if text else ()
  return Request(**fields)

"""Sets prepared by `adafm_jax.data.prepare`, on disk.

A prepared set is a TFDS folder, `DATA_DIR/NAME/1.0.0`, that any TFDS program
can read, with an index `images.json`: what was read, how it was cut, and the
size and checksum of each file of records. The folder gets its name when it is
complete, so an existing one is whole. If a file is truncated later, its size
differs from the index.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from adafm_jax import errors, files
from adafm_jax.data import tiles
from adafm_jax.data.image import Seen
from adafm_jax.data.records import Records, again
from adafm_jax.errors import UserError

INDEX = 'images.json'
# Version of the index; raised when its content, or how images are cut, changes.
FORMAT = 2
# In this one, the last sub-images began anywhere. It can still be read.
_OFF_GRID = 1
VERSION = '1.0.0'  # of the TFDS data set
_HOME = '~/tensorflow_datasets'


def folder(name: str, data_dir: str | pathlib.Path) -> pathlib.Path:
  """The folder of a set, prepared or not; data_dir '' is TFDS's default."""
  root = pathlib.Path(data_dir or _HOME).expanduser()
  return root / name / VERSION


def shown_dir(data_dir: str) -> str:
  """A data_dir as it goes into a command line."""
  return shlex.quote(data_dir) if data_dir else _HOME


def checksum(path: pathlib.Path) -> dict[str, Any]:
  """Size and hash of a file of records, as the index keeps them."""
  return {'bytes': path.stat().st_size, 'sha256': files.sha256(path)}


def find(name: str, data_dir: str | pathlib.Path) -> dict[str, Any] | None:
  """The index of a prepared set; None if it is not prepared.

  Raises:
    UserError: the set is damaged, or of another format.
  """
  path = folder(name, data_dir) / INDEX
  if not path.exists():
    return None
  try:
    index: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    listed, made = index['files'], index['format']
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise UserError(f'Cannot read {path}; {again(name)}.') from error
  if made not in (FORMAT, _OFF_GRID):
    raise UserError(
      f'{path.parent} was prepared by another version of adafm_jax (format'
      f' {made}, not {FORMAT}); {again(name)}.'
    )
  for file, wanted in listed.items():
    record = path.parent / file
    size = record.stat().st_size if record.exists() else 0
    if size != wanted['bytes']:
      raise UserError(
        f'{record} has {size:,} bytes, not {wanted["bytes"]:,}: it is'
        f' damaged; {again(name)}.'
      )
  return index


def verify(name: str, data_dir: str | pathlib.Path) -> int:
  """Compares every file of a prepared set with its checksum.

  Returns:
    The number of files.

  Raises:
    UserError: the set is missing; or a sentence for each damaged file.
  """
  index = find(name, data_dir)
  where = folder(name, data_dir)
  if index is None:
    raise UserError(f'{name} is not prepared in {where.parent.parent}.')
  problems = [
    f'{where / file} is damaged: its checksum differs; {again(name)}.'
    for file, wanted in index['files'].items()
    if checksum(where / file) != wanted
  ]
  errors.raise_all(problems)
  return len(index['files'])


@dataclasses.dataclass(frozen=True)
class Split:
  """A split of a prepared set.

  Attributes:
    where: folder of the set.
    index: the content of its `images.json`.
    split: name.
  """

  where: pathlib.Path
  index: dict[str, Any]
  split: str

  def __len__(self) -> int:
    return len(self.entries)

  @property
  def name(self) -> str:
    """Name of the set."""
    return self.where.parent.name

  @functools.cached_property
  def entries(self) -> list[Entry]:
    """The images that records were made of, in the records' order."""
    return [
      Entry(**{**entry, 'path': pathlib.Path(entry['path'])})
      for entry in self.index['splits'][self.split]
    ]

  def seen(self, channels: int = 3) -> list[Seen]:
    """Identifies the images, in luma (1 channel) or RGB (3)."""
    return [entry.seen(channels) for entry in self.entries]

  @functools.cached_property
  def sizes(self) -> list[tuple[str, int, int]]:
    """(name, height, width) of every record."""
    found = []
    for entry in self.entries:
      cut = self._cut(entry)
      found += [
        (tiles.name(entry.name, i, len(cut)), tile.height, tile.width)
        for i, tile in enumerate(cut)
      ]
    return found

  def _cut(self, entry: Entry) -> list[tiles.Tile]:
    """The places of an image that records were made of."""
    side = self.index['side'] if self.split == 'train' else 0
    grid = 1 if self.index['format'] == _OFF_GRID else tiles.GRID
    return tiles.cut(entry.height, entry.width, side, self.index['step'], grid)

  def is_on(self, grid: int) -> bool:
    """Whether all records begin at multiples of `grid` pixels."""
    cut = [tile for entry in self.entries for tile in self._cut(entry)]
    return all(t.top % grid == 0 and t.left % grid == 0 for t in cut)

  @property
  def is_cut(self) -> bool:
    """Whether records are parts of images."""
    return len(self.sizes) > len(self.entries)

  @property
  def pixels(self) -> int:
    """Number of pixels in all records."""
    return sum(height * width for _, height, width in self.sizes)

  @property
  def identity(self) -> str:
    """16 hex digits that change when the pixels of the records change.

    Not a hash of the files: the order of fields in a record is random.
    """
    keys = ('side', 'step', 'task', 'levels', 'channels')
    recipe = [self.index[key] for key in keys]
    text = json.dumps([recipe, self.split, self.seen(), self.sizes])
    return hashlib.sha256(text.encode()).hexdigest()[:16]

  def has_level(self, task: str, level: float, channels: int) -> bool:
    """Whether records hold partners of this degradation."""
    made = (self.index['task'], self.index['channels'])
    return made == (task, channels) and level in self.index['levels']

  def check_channels(self, channels: int, field: str) -> None:
    """Raises UserError if colours are wanted of luma; `field` names them."""
    if self.index['channels'] == 1 and channels == 3:
      raise UserError(
        f'{field} is tfds:{self.name}/{self.split}, which holds luma alone, and'
        ' model.channels is 3; prepare it with --channels 3, or give'
        ' --config.model.channels=1.'
      )

  def records(self, channels: int = 0, levels: Sequence[float] = ()) -> Records:
    """The records; see `Records`."""
    return Records(self.where, self.split, channels, levels)


def open_split(name: str, split: str, data_dir: str) -> Split | None:
  """A split of a set prepared by this package; None if there is none."""
  index = find(name, data_dir)
  if index is None or split not in index['splits']:
    return None
  return Split(folder(name, data_dir), index, split)


def check_split(name: str, split: str, data_dir: str, field: str) -> None:
  """Raises UserError if a set is prepared, but has no such split."""
  index = find(name, data_dir)
  if index is not None and split not in index['splits']:
    raise UserError(
      f'{field} is tfds:{name}/{split}, but the splits of {name} are'
      f' {", ".join(index["splits"])}.'
    )


class Entry(NamedTuple):
  """An image file that was read.

  Attributes:
    name: file name without suffix.
    path: of the file.
    sha256: of the file's bytes, hex.
    pixels: `image.fingerprint` of the decoded image.
    luma: `image.fingerprint` of its MATLAB Y.
    height: pixels.
    width: pixels.
  """

  name: str
  path: pathlib.Path
  sha256: str
  pixels: str
  luma: str
  height: int
  width: int

  def seen(self, channels: int = 3) -> Seen:
    """What `overlap` compares, in luma (1 channel) or RGB (3)."""
    return Seen(self.name, self.luma if channels == 1 else self.pixels)


def partner_set(base: str, task: str, channels: int) -> str:
  """Name of a set with degraded partners: div2k_dejpeg_y."""
  return f'{base}_{task}_{"y" if channels == 1 else "rgb"}'


def clean_name(name: str, index: Mapping[str, Any]) -> str:
  """Name of the set that one with partners, or without, was made beside."""
  if not index['task']:
    return name
  ending = partner_set('', index['task'], index['channels'])
  return name.removesuffix(ending)

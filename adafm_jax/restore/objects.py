"""Pictures in an object store: `s3://bucket/photos`, by way of files.

Whatever PyArrow opens by a URI will do: s3:// (any server that speaks S3, see
AWS_ENDPOINT_URL), gs://, hdfs://. A result appears in a store when all of it
has arrived.
"""

from __future__ import annotations

import functools
import pathlib
import shutil
from typing import TYPE_CHECKING, NamedTuple
from urllib import parse

from adafm_jax.errors import UserError

if TYPE_CHECKING:
  from pyarrow import fs


def is_uri(text: str) -> bool:
  """Whether a path is that of an object store."""
  return '://' in text


class ObjectStore(NamedTuple):
  """A folder of an object store.

  Attributes:
    uri: of the folder.
    system: that holds it.
    root: the folder's path there.
  """

  uri: str
  system: fs.FileSystem
  root: str

  def names(self) -> list[str]:
    """All files in the folder and below, sorted, relative to it.

    Raises:
      UserError: it can't be read.
    """
    from pyarrow import fs

    below = fs.FileSelector(self.root, recursive=True, allow_not_found=True)
    try:
      found = self.system.get_file_info(below)
    except OSError as error:
      raise UserError(f'Cannot read {self.uri}: {error}.') from error
    start = len(self.root) + 1
    return sorted(x.path[start:] for x in found if x.type == fs.FileType.File)

  def fetch(self, name: str, path: pathlib.Path) -> None:
    """Copies a file from the store.

    Raises:
      UserError: it can't be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
      with (
        self.system.open_input_stream(f'{self.root}/{name}') as source,
        path.open('wb') as target,
      ):
        shutil.copyfileobj(source, target)
    except OSError as error:
      raise UserError(f'Cannot read {self.uri}/{name}: {error}.') from error

  def put(self, path: pathlib.Path, name: str) -> None:
    """Copies a file into the store, where it appears whole.

    Raises:
      UserError: it can't be written.
    """
    data = path.read_bytes()
    try:
      with self.system.open_output_stream(f'{self.root}/{name}') as target:
        target.write(data)
    except OSError as error:
      raise UserError(f'Cannot write {self.uri}/{name}: {error}.') from error


@functools.lru_cache(maxsize=64)
def open_store(uri: str) -> ObjectStore:
  """Opens a folder by its URI, such as s3://bucket/photos.

  Raises:
    UserError: no file system serves it, or it has options behind a '?', which
      would be taken for a part of the folder's name.
  """
  plain, mark, options = uri.partition('?')
  if mark and '=' in options:
    raise UserError(
      f'{uri} has options, which are not read from an address; give {plain},'
      ' and the options in the environment, such as AWS_ENDPOINT_URL and'
      ' AWS_DEFAULT_REGION.'
    )
  from pyarrow import fs

  uri = uri.rstrip('/')
  try:
    system, root = fs.FileSystem.from_uri(parse.quote(uri, safe=':/@'))
  except (OSError, ValueError) as error:
    raise UserError(f'Cannot open {uri}: {error}.') from error
  return ObjectStore(uri, system, root.rstrip('/'))


def split(uri: str) -> tuple[str, str]:
  """The URI of a file's folder, and the file's name."""
  folder, _, name = uri.rpartition('/')
  return folder, name

"""Finds the files of a known set: in a folder, in archives, or downloaded."""

from __future__ import annotations

import os
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence

from adafm_jax import files
from adafm_jax.data import known
from adafm_jax.data.known import Download
from adafm_jax.data.prepared import Entry
from adafm_jax.errors import UserError
from adafm_jax.images.folder import find_images

_ARCHIVES = ('.zip', '.tgz', '.tar.gz', '.tar')


def from_source(
  name: str, source: pathlib.Path, scratch: pathlib.Path, *, checked: bool
) -> dict[str, list[pathlib.Path]]:
  """Finds the image files of a set.

  Args:
    name: of the set.
    source: an archive; or a folder with the images, with the official archives,
      or with the folders they unpack to.
    scratch: folder to unpack archives in.
    checked: whether official archives must have their published checksums.

  Returns:
    Paths by split; if the set comes in one folder, all under ''.

  Raises:
    UserError: something is missing, or an archive is damaged, encrypted or
      compressed in an unknown way.
  """
  rule = known.get(name)
  if not os.path.exists(source):
    raise UserError(f'There is no folder or file {source}; {rule.by_hand}.')
  apart = {split: part for split, part in rule.splits.items() if part.names}
  if not apart:
    return {'': _images(_folder(source, scratch / 'all', None))}
  if source.is_file():
    source = _folder(source, scratch / 'all', None)
  found = {}
  for split, part in apart.items():
    place = next(_places(source, part.names), None)
    if place is None:
      raise UserError(
        f'{source} has no {part.names[0]} (a folder or .zip) for split {split}'
        f' of {name}; {rule.by_hand}.'
      )
    official = part.download if checked else None
    found[split] = _images(_folder(place, scratch / split, official))
  return found


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
  """The images in a folder; if it has none, those in the folders below it."""
  return sorted(find_images(folder, deep=True), key=lambda p: (p.stem, p))


def _places(
  source: pathlib.Path, names: Sequence[str]
) -> Iterator[pathlib.Path]:
  """Folders and archives with one of the names, folders first."""
  for name in names:
    if (source / name).is_dir():
      yield source / name
  for name in names:
    for suffix in _ARCHIVES:
      if (source / f'{name}{suffix}').is_file():
        yield source / f'{name}{suffix}'


def _folder(
  place: pathlib.Path, scratch: pathlib.Path, official: Download | None
) -> pathlib.Path:
  """The folder itself, or the folder that the archive was unpacked to."""
  if place.is_dir():
    return place
  if official and official.sha256:
    _check_archive(place, official)
  try:
    if zipfile.is_zipfile(place):
      with zipfile.ZipFile(place) as archive:
        archive.extractall(scratch)
    elif tarfile.is_tarfile(place):
      with tarfile.open(place) as tar:
        tar.extractall(scratch, filter='data')
    else:
      raise UserError(f'{place} is neither a folder nor an archive.')
  except (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
  ) as error:
    raise UserError(f'Cannot unpack {place}: {error}.') from error
  except RuntimeError as error:  # encrypted, or compressed in an unknown way
    raise UserError(
      f'Cannot unpack {place} here ({str(error).rstrip(".")}); unpack it'
      ' yourself, and give the folder.'
    ) from error
  return scratch


def _check_archive(path: pathlib.Path, official: Download) -> None:
  size = path.stat().st_size
  if size == official.size:
    if files.sha256(path) == official.sha256:
      return
    size_is = 'the right size but another checksum'
  else:
    size_is = f'{size:,} bytes, not {official.size:,}'
  raise UserError(
    f'{path} differs from {official.url}: it has {size_is}; download it'
    ' again, or prepare it as it is with --unchecked.'
  )


def download(name: str, folder: pathlib.Path) -> pathlib.Path:
  """Downloads the official archives of a set with TFDS.

  Args:
    name: of the set.
    folder: where archives are kept; existing ones are not downloaded again.

  Returns:
    The archive; or, if there are several, a folder with all of them.

  Raises:
    UserError: there is no official address, or it can't be reached; the
      message says where to put the files by hand.
  """
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.download import checksums

  rule = known.get(name)
  wanted = [part.download for part in rule.splits.values() if part.download]
  if not wanted:
    given = '--source' in rule.by_hand  # as of any folder
    raise UserError(
      f'{name} has no archive to download: {rule.by_hand}'
      f'{"" if given else ", and give it with --source"}.'
    )
  infos = {
    d.url: checksums.UrlInfo(d.size, d.sha256, d.url.rpartition('/')[2])
    for d in wanted
    if d.sha256
  }
  linked = folder / name
  try:
    manager = tfds.download.DownloadManager(
      download_dir=folder, url_infos=infos, dataset_name=name
    )
    linked.mkdir(parents=True, exist_ok=True)
    paths = []
    for d in wanted:
      fetched = pathlib.Path(manager.download(d.url))
      paths.append(linked / d.url.rpartition('/')[2])
      paths[-1].unlink(missing_ok=True)
      paths[-1].symlink_to(fetched.resolve())
  except Exception as error:  # requests', urllib3's, TFDS's and the system's
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise UserError(
      f'Cannot download {name} ({reason}); {rule.by_hand}, and give it with'
      ' --source.'
    ) from error
  return paths[0] if len(paths) == 1 else linked


def divide(
  name: str, entries: Sequence[Entry], holdout: int
) -> tuple[dict[str, list[Entry]], list[str]]:
  """Splits a set that comes in one folder.

  Args:
    name: of the set.
    entries: all its images, sorted by name.
    holdout: number of training images, the last by name, for split 'valid'.

  Returns:
    (entries by split, without empty splits; sentences on images left out).

  Raises:
    UserError: there are no training images left.
  """
  rule = known.get(name)
  if 'train' not in rule.splits:
    return {next(iter(rule.splits)): list(entries)}, []
  apart: dict[str, list[Entry]] = {}
  notes = []
  if name == 'bsds':
    apart['cbsd68'] = [e for e in entries if e.name in known.CBSD68]
    crops = frozenset().union(*known.BSD_CROPS.values())
    gone = [e.name for e in entries if e.name in crops]
    if gone:
      notes.append(
        f'left out of training: {", ".join(gone)}, which Set5 has a crop of'
      )
    test = known.CBSD68 | crops
    entries = [e for e in entries if e.name not in test]
  if len(entries) <= holdout:
    raise UserError(
      f'--holdout is {holdout}, but there are only {len(entries)} training'
      ' image(s); hold out fewer.'
    )
  cut = len(entries) - holdout
  splits = {'train': list(entries[:cut]), 'valid': list(entries[cut:])} | apart
  return {k: v for k, v in splits.items() if v}, notes

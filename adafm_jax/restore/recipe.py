"""What a result was made with, kept in its file, so that it can be repeated."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib

from PIL import Image
from PIL.ExifTags import IFD, Base

from adafm_jax.errors import UserError
from adafm_jax.images import exif as exifs
from adafm_jax.images import formats
from adafm_jax.images import photo as photos
from adafm_jax.images.metadata import Metadata

KEY = 'adafm'  # of the text in a picture's metadata
# Of those fields that are no text.
_TYPES = {
  'level': int | float | None,
  'estimated': bool | None,
  'strength': int | float,
  'self_ensemble': bool,
  'mask_sha256': str | None,
  'quality': int | None,
  'runtime': str | None,
}
SIDECAR = '.recipe.json'  # behind the name of a file that can't carry text


@dataclasses.dataclass(frozen=True)
class Recipe:
  """All that fixes a result, but for the picture itself.

  Attributes:
    adafm_jax: version of this package.
    model: name or file name of the model.
    model_sha256: checksum of its file.
    task: of the model.
    level: in the task's unit; None where a strength was given.
    strength: in [0, 1].
    self_ensemble: whether eight orientations were averaged.
    mask_sha256: checksum of the mask's file, or None.
    source: name of the picture's file.
    source_sha256: checksum of it.
    estimated: whether the level was, or was given; None where there is none,
      and in recipes of version 0.1.0.
    quality: of files with loss, 1 to 100; None in recipes of version 0.1.0, as
      is the next one.
    runtime: what computed: 'jax' or 'openvino'.
  """

  adafm_jax: str
  model: str
  model_sha256: str
  task: str
  level: float | None
  strength: float
  self_ensemble: bool
  mask_sha256: str | None
  source: str
  source_sha256: str
  estimated: bool | None = None
  quality: int | None = None
  runtime: str | None = None

  def to_json(self) -> str:
    """The fields as one line of JSON."""
    return json.dumps(dataclasses.asdict(self))


def fits_into(target: pathlib.Path) -> bool:
  """Whether the format of a result carries text."""
  kind = formats.FORMATS.get(formats.of_path(target))
  return kind is not None and kind.metadata


def sidecar(target: pathlib.Path) -> pathlib.Path:
  """Where the recipe of a result is kept that can't carry one."""
  return target.with_name(target.name + SIDECAR)


def places(target: pathlib.Path, kept: bool) -> tuple[pathlib.Path, ...]:
  """The files that a restoration writes.

  Args:
    target: the result.
    kept: whether it carries a recipe, by which there may be a sidecar.
  """
  beside = kept and not fits_into(target)
  return (target, sidecar(target)) if beside else (target,)


def read(path: str) -> Recipe:
  """Reads the recipe in a restored picture, or in a JSON file.

  Raises:
    UserError: there is no such file, it holds no recipe, or a broken one.
  """
  file = pathlib.Path(path)
  if not os.path.isfile(file):
    raise UserError(f'There is no file {path}.')
  if os.path.isfile(sidecar(file)):
    file = sidecar(file)
  text = _text(file)
  if text is None:
    raise UserError(
      f'{path} holds no recipe; pictures restored with --recipe do.'
    )
  try:
    found = Recipe(**json.loads(text))
    for field, value in dataclasses.asdict(found).items():
      if not isinstance(value, _TYPES.get(field, str)):
        raise TypeError(f'{field} is {type(value).__name__}')
    return found
  except (ValueError, TypeError, RecursionError) as error:
    raise UserError(f'The recipe in {path} is broken ({error}).') from error


def leave_out(metadata: Metadata) -> Metadata:
  """Metadata of a picture without the recipe that it was made with."""
  kept = tuple(item for item in metadata.text if item[0] != KEY)
  metadata = metadata._replace(text=kept)
  exif, entries, comment = _comment(metadata)
  if _from_comment(comment) is None:
    return metadata
  before = '\n'.join(comment.splitlines()[:-1])
  entries[Base.UserComment] = exifs.coded(before, exif.endian)
  if not before:
    del entries[Base.UserComment]
  return metadata._replace(exif=exif.tobytes())


def follow(path: str, model_sha256: str, mask_sha256: str | None) -> Recipe:
  """Reads a recipe that is to be followed.

  Args:
    path: of a restored picture, or a JSON file.
    model_sha256: checksum of the model at hand.
    mask_sha256: of the mask, if one is given.

  Raises:
    UserError: as `read`; or it is the recipe of another model or mask.
  """
  found = read(path)
  if found.model_sha256 != model_sha256:
    raise UserError(
      f'The recipe in {path} is of the model {found.model} with SHA-256'
      f' {found.model_sha256[:12]}...; --model has {model_sha256[:12]}...'
    )
  if found.mask_sha256 != mask_sha256:
    if mask_sha256 is None:
      change = 'was made with a mask: give it with --mask'
    elif found.mask_sha256 is None:
      change = 'was made without a mask: leave --mask out'
    else:
      change = 'was made with another mask than that of --mask: give it'
    raise UserError(f'The result of the recipe in {path} {change}.')
  return found


def _text(file: pathlib.Path) -> str | None:
  if file.suffix == '.json':
    try:
      return file.read_text('utf-8')
    except (OSError, ValueError) as error:
      raise UserError(f'Cannot read the recipe {file}: {error}.') from error
  metadata = photos.read_photo(file).metadata
  if KEY in (texts := dict(metadata.text)):
    return texts[KEY]
  return _from_comment(_comment(metadata)[2])


def _comment(metadata: Metadata) -> tuple[Image.Exif, dict, str]:
  """EXIF data, its entries of EXIF's own, and the comment among them."""
  exif = Image.Exif()
  exif.load(metadata.exif or b'')
  entries = exif.get_ifd(IFD.Exif)
  comment = exifs.comment(entries.get(Base.UserComment), exif.endian)
  return exif, entries, comment


def _from_comment(comment: str) -> str | None:
  """The recipe's JSON in a comment; None if there is none.

  It is on the last line, behind what the photographer wrote.
  """
  try:
    return json.loads(comment.splitlines()[-1])[KEY]
  except (ValueError, TypeError, KeyError, IndexError, RecursionError):
    return None

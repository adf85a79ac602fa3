"""Released models, found by name: their weights lie beside registry.json.

Needs neither JAX nor the weights until a model is loaded.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import pathlib
from typing import TYPE_CHECKING

from adafm_jax import files
from adafm_jax.errors import UserError

if TYPE_CHECKING:
  from adafm_jax.model import Model

FOLDER = pathlib.Path(__file__).parent
REGISTRY = 'registry.json'


@dataclasses.dataclass(frozen=True)
class Entry:
  """A released model.

  Attributes:
    name: what users call it by.
    file: its file's name, in this folder.
    sha256: checksum of the file.
    description: what it is for, one line.
    licence: of the weights, such as 'Apache-2.0'.
    quality: what was measured, one line with data set, protocol and unit.
  """

  name: str
  file: str
  sha256: str
  description: str
  licence: str
  quality: str

  @property
  def path(self) -> pathlib.Path:
    """Where the weights are."""
    return FOLDER / self.file


def entries() -> dict[str, Entry]:
  """The released models by name, in the registry's order.

  Raises:
    UserError: the registry is not one that this version wrote.
  """
  path = FOLDER / REGISTRY
  try:
    found = [Entry(**fields) for fields in json.loads(path.read_text('utf-8'))]
  except (OSError, ValueError, TypeError) as error:
    raise UserError(
      f'Cannot read the list of released models {path} ({error}); install'
      ' adafm_jax again.'
    ) from error
  return {entry.name: entry for entry in found}


def locate(model: str | os.PathLike[str]) -> pathlib.Path:
  """The file of a model given by name or by path.

  A text without folder and suffix is a name; './NAME' is a file whatever it is
  called.

  Args:
    model: name of a released model, or path of a model file.

  Returns:
    The path. That of a released model has been checked against its checksum.

  Raises:
    UserError: no released model has this name, or its file is damaged.
  """
  if not _is_name(model):
    return pathlib.Path(model)
  name = os.fspath(model)
  known = entries()
  if name not in known:
    raise UserError(_unknown(name, list(known)))
  entry = known[name]
  _check(entry)
  return entry.path


def load(model: str | os.PathLike[str]) -> Model:
  """Loads a model by name or path: `adafm_jax.load_model`.

  Args:
    model: name of a released model (`adafm models` lists them), or path of a
      model file.

  Returns:
    The model, weights and all, as NumPy arrays.

  Raises:
    UserError: the model is unknown, or its file is broken, see
      `model.load`.
  """
  from adafm_jax.model import Model

  return Model.load(locate(model))


def _is_name(model: str | os.PathLike[str]) -> bool:
  return (
    isinstance(model, str)
    and model == pathlib.Path(model).name
    and not pathlib.Path(model).suffix
  )


def _unknown(name: str, known: list[str]) -> str:
  close = difflib.get_close_matches(name.lower(), known, cutoff=0.5)
  if close:
    hint = f'did you mean {" or ".join(close)}?'
  elif known:
    hint = f'there are {", ".join(known)} (see `adafm models`).'
  else:
    hint = 'none come with this version.'
  return (
    f'There is no released model {name!r}: {hint} A model file is given by its'
    ' path, ending in .safetensors.'
  )


def _check(entry: Entry) -> None:
  """Raises UserError unless the weights are those that were registered."""
  if not entry.path.is_file():
    raise UserError(
      f'The weights of model {entry.name!r} are missing ({entry.path}); install'
      ' adafm_jax again.'
    )
  if (found := files.sha256(entry.path)) != entry.sha256:
    raise UserError(
      f'{entry.path} is not the released model {entry.name!r}: its SHA-256 is'
      f' {found[:12]}..., not {entry.sha256[:12]}...; install adafm_jax again.'
    )

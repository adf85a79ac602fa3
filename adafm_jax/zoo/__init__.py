"""Released models by name; their weights are beside registry.json.

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
class Released:
  """A released model.

  Attributes:
    name: by which users call it.
    file: name of the file in this folder.
    sha256: checksum of the file.
    description: one line.
    licence: of the weights, e.g. 'Apache-2.0'.
    quality: measurements in one line, with data set, protocol and unit.
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


def entries() -> dict[str, Released]:
  """The released models by name, in the registry's order.

  Raises:
    UserError: the registry is missing or damaged.
  """
  path = FOLDER / REGISTRY
  try:
    found = [
      Released(**fields) for fields in json.loads(path.read_text('utf-8'))
    ]
  except (OSError, ValueError, TypeError) as error:
    raise UserError(
      f'Cannot read the list of released models {path} ({error}); install'
      ' adafm_jax again.'
    ) from error
  return {entry.name: entry for entry in found}


def locate(model: str | os.PathLike[str]) -> pathlib.Path:
  """The file of a model given by name or by path.

  Text without folder and suffix is a name; './NAME' is always a file.

  Args:
    model: name of a released model, or path of a model file.

  Returns:
    The path. The file of a released model has the right checksum.

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
    The model, with weights as NumPy arrays.

  Raises:
    UserError: the model is unknown, or its file is damaged, see `Model.load`.
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
    hint = f'choose one of {", ".join(known)} (see `adafm models`).'
  else:
    hint = 'none come with this version.'
  return (
    f'There is no released model {name!r}: {hint} Give a model file by its'
    ' path, ending in .safetensors.'
  )


def _check(entry: Released) -> None:
  """Raises UserError unless the file has the registered checksum."""
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

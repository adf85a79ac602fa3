"""Files in the authors' naming: PyTorch's .pth, or safetensors without it.

A safetensors file written here keeps the model's header in its metadata, so
that converting it back needs no levels and loses nothing.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.model_file import file as model_file
from adafm_jax.model_file import header as headers
from adafm_jax.model_file.header import Header
from adafm_jax.version import __version__

SAFETENSORS = model_file.SUFFIX
TORCH = ('.pth', '.pt')
KEY = 'adafm_header'  # of the metadata; FORMAT would mean our own naming


def check(path: str | os.PathLike[str]) -> None:
  """Checks what needs no PyTorch: that a file is there, and its suffix.

  Raises:
    UserError: there is none, it is a folder, or its format is not known.
  """
  if os.path.isdir(path):
    raise UserError(f'{path} is a folder; give a file.')
  if not os.path.exists(path):
    raise UserError(f'There is no file {path}.')
  _check_suffix(path)


def read(
  path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], Header | None]:
  """Reads a state dict.

  Args:
    path: of a safetensors file, by its suffix, or of a state dict saved by
      `torch.save`.

  Returns:
    name -> float32 array, and the header that `write` kept, if any.

  Raises:
    UserError: the file is missing, has another suffix or holds no state dict,
      or PyTorch is needed and missing.
  """
  check(path)
  if suffix(path) != SAFETENSORS:
    return read_pth(path), None
  tensors, metadata = model_file.read_tensors(path)
  kept = metadata.get(KEY)
  return tensors, None if kept is None else model_file.parse_header(path, kept)


def write(
  path: str | os.PathLike[str],
  state: Mapping[str, np.ndarray],
  header: Header,
  written: files.Written | None = None,
) -> None:
  """Writes a state dict, whole or not at all.

  Args:
    path: ends in .safetensors, .pth or .pt.
    state: name -> float32 array.
    header: of the model, for a safetensors file.
    written: see `files.atomic_path`.

  Raises:
    UserError: the suffix is not one of these, PyTorch is needed and missing, or
      the file can't be written.
  """
  if suffix(path) == SAFETENSORS:
    text = json.dumps(headers.to_json(header), allow_nan=False)
    model_file.write_tensors(path, state, {KEY: text}, written)
    return
  _check_suffix(path)
  torch = _torch('Writing')
  tensors = {name: torch.from_numpy(x.copy()) for name, x in state.items()}
  with files.atomic_path(path, written) as temporary:
    torch.save(tensors, temporary)


def read_pth(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """Reads a .pth file without running code in it (weights_only).

  Args:
    path: of a state dict saved by `torch.save`.

  Returns:
    name -> float32 array.

  Raises:
    UserError: PyTorch isn't installed, or the file holds no state dict.
  """
  torch = _torch('Reading')
  try:
    state = torch.load(path, map_location='cpu', weights_only=True)
  except FileNotFoundError as error:
    raise UserError(f'There is no file {path}.') from error
  except Exception as error:  # a damaged file makes PyTorch raise anything
    raise UserError(
      f'{path} is not a state dict saved by PyTorch, is truncated, or holds'
      ' code, which is not run.'
    ) from error
  if not isinstance(state, Mapping) or not all(
    isinstance(name, str) and isinstance(value, torch.Tensor)
    for name, value in state.items()
  ):
    raise UserError(
      f'{path} does not hold a state dict: it must map names to tensors.'
    )
  try:
    return {
      name: value.detach().float().numpy() for name, value in state.items()
    }
  except (RuntimeError, TypeError) as error:  # sparse, quantized, meta
    raise UserError(f'{path} holds tensors that are not dense.') from error


def provenance(*paths: str | os.PathLike[str]) -> dict[str, Any]:
  """The origin of a converted model, for its model file.

  Args:
    *paths: of one file, or of the files of a basic and an adapted model.
  """
  found = [pathlib.Path(path) for path in paths]
  facts = {
    'source': "converted from the authors' PyTorch weights",
    'file': found[-1].name,
    'sha256': files.sha256(found[-1]),
    'adafm_jax': __version__,
  }
  if len(found) > 1:
    facts['basic_file'] = found[0].name
    facts['basic_sha256'] = files.sha256(found[0])
  return facts


def suffix(path: str | os.PathLike[str]) -> str:
  """What says the format of a file, in lower case."""
  return pathlib.Path(path).suffix.lower()


def _check_suffix(path: str | os.PathLike[str]) -> None:
  if suffix(path) not in (SAFETENSORS, *TORCH):
    raise UserError(
      f'{path} has no suffix of a known format: use .pth or .pt (PyTorch), or'
      f' {SAFETENSORS}.'
    )


def _torch(what: str) -> Any:
  try:
    import torch  # the extra 'torch': gigabytes that nothing else needs
  except ImportError as error:
    raise UserError(
      f'{what} .pth files needs PyTorch: pip install'
      " 'adafm_jax[torch]'; a safetensors file of the same names does not."
    ) from error
  return torch

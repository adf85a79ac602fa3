"""A model as one self-describing .safetensors file.

The tensors are the parameters, 'block_00/conv_1/kernel' and so on. The key
'adafm' of the file's metadata holds a JSON header: the architecture, the levels
between which the model restores, its lambda curve and its provenance. Reading
the header needs neither JAX nor the weights.

Formats: 1 has straight paths, 2 layer curves (see `legacy`), 3 bent paths.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from adafm_jax import errors, files
from adafm_jax.errors import UserError
from adafm_jax.model_file import legacy
from adafm_jax.model_file.header import DTYPES, FORMAT, Header, parse, to_json

SUFFIX = '.safetensors'


def read_header(path: str | os.PathLike[str]) -> Header:
  """Reads the header of a model file, without the weights.

  Raises:
    UserError: the file is missing, is not a model file, or has an unknown
      version.
  """
  with _open(path) as file:
    return _header(path, file)


def read(
  path: str | os.PathLike[str],
  check: Callable[[Header, dict[str, tuple[int, ...]]], None],
) -> tuple[Header, dict[str, np.ndarray]]:
  """Reads a whole model file.

  Args:
    path: of the file.
    check: called with the header and the tensors' shapes before any tensor is
      read; raises UserError if they do not fit.

  Returns:
    The header, and the tensors by name as float32.

  Raises:
    UserError: see `read_header`; or a tensor is not finite or of another dtype.
  """
  with _open(path) as file:
    found, shapes = _header(path, file), _shapes(file)
    curve_shape, checked = None, found
    if (
      legacy.LAYER_CURVE in shapes
      and json.loads(file.metadata()[FORMAT])['version'] == 2
    ):
      curve_shape = shapes.pop(legacy.LAYER_CURVE)
      straight = dataclasses.replace(found.arch, path='line', bends=0)
      checked = dataclasses.replace(found, arch=straight)
    check(checked, shapes)
    tensors = {name: _read(path, file, name) for name in shapes}
    if curve_shape and found.arch.bends:
      wanted = (found.arch.adafm_layers, found.arch.bends)
      if curve_shape != wanted:
        raise UserError(
          f'{path}: Tensor {legacy.LAYER_CURVE} has shape {list(curve_shape)};'
          f' it must be {list(wanted)}.'
        )
      curve = _read(path, file, legacy.LAYER_CURVE)
      tensors |= legacy.bends_of(tensors, curve)
  _check_finite(path, tensors)
  return found, tensors


def write(
  path: str | os.PathLike[str],
  header: Header,
  tensors: Mapping[str, np.ndarray],
  *,
  dtype: str,
  written: files.Written | None = None,
) -> None:
  """Writes a model file, whole or not at all; see `Model.save`.

  Args:
    path: of the file.
    tensors: float arrays by name.
    dtype: of the tensors in the file, 'float32' or 'float16'.
    written: see `files.atomic_path`.

  Raises:
    UserError: a tensor is not finite in that dtype, the provenance isn't JSON,
      or the file can't be written.
  """
  if dtype not in DTYPES.values():
    raise UserError(f'Weights are saved as float32 or float16, not as {dtype}.')
  with np.errstate(over='ignore'):  # infinity is refused below
    stored = {
      name: np.ascontiguousarray(x, dtype) for name, x in tensors.items()
    }
  _check_finite(path, stored)
  try:
    text = json.dumps(to_json(header), allow_nan=False)
  except (TypeError, ValueError) as error:
    raise UserError(
      f'Cannot write {path}: its provenance must be JSON ({error}).'
    ) from error
  write_tensors(path, stored, {FORMAT: text}, written)


def read_tensors(
  path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  """Reads any safetensors file of float tensors, and its metadata.

  Raises:
    UserError: the file is missing or isn't a safetensors file, or a tensor is
      not finite or of another type.
  """
  with _open(path) as file:
    tensors = {name: _read(path, file, name) for name in _shapes(file)}
    metadata = dict(file.metadata() or {})
  _check_finite(path, tensors)
  return tensors, metadata


def write_tensors(
  path: str | os.PathLike[str],
  tensors: Mapping[str, np.ndarray],
  metadata: dict[str, str],
  written: files.Written | None = None,
) -> None:
  """Writes a safetensors file, see `files.atomic_path`."""
  # Not save_file, which sets the mode to 0600.
  data = safetensors.numpy.save(dict(tensors), metadata)
  files.write_bytes(path, data, written)


def is_model(path: str | os.PathLike[str]) -> bool:
  """Whether a safetensors file has the header of a model file.

  Raises:
    UserError: the file is missing, or isn't a safetensors file.
  """
  with _open(path) as file:
    return FORMAT in (file.metadata() or {})


def read_shapes(path: str | os.PathLike[str]) -> dict[str, tuple[int, ...]]:
  """The shape of each tensor by its name, without reading the weights.

  Raises:
    UserError: the file is missing, or isn't a safetensors file.
  """
  with _open(path) as file:
    return _shapes(file)


@contextlib.contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[Any]:
  """Opens a safetensors file, reading its header alone."""
  try:
    open(path, 'rb').close()  # safetensors says of any failure: not found
    with safetensors.safe_open(path, 'numpy') as file:
      yield file
  except FileNotFoundError as error:
    raise UserError(f'There is no model file {path}.') from error
  except OSError as error:
    reason = error.strerror or error
    raise UserError(f'Cannot read the model file {path}: {reason}.') from error
  except safetensors.SafetensorError as error:
    raise UserError(
      f'{path} is not a whole safetensors file ({error}); it may be truncated,'
      ' or not be a model file.'
    ) from error


def _header(path: str | os.PathLike[str], file: Any) -> Header:
  """The JSON header of an open file."""
  text = (file.metadata() or {}).get(FORMAT)
  if text is None:
    raise UserError(
      f'{path} is a safetensors file, but not a model file: its metadata has'
      f' no {FORMAT!r} header.'
    )
  return parse_header(path, text)


def parse_header(path: str | os.PathLike[str], text: str) -> Header:
  """Parses the JSON of a header; errors name the file."""
  try:
    return parse(text)
  except UserError as error:
    raise UserError([f'{path}: {line}' for line in error.problems]) from error


def _shapes(file: Any) -> dict[str, tuple[int, ...]]:
  names = list(file.keys())
  return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def _read(path: str | os.PathLike[str], file: Any, name: str) -> np.ndarray:
  """One tensor as float32, copied out of the mapped file."""
  dtype = file.get_slice(name).get_dtype()
  if dtype not in DTYPES:
    raise UserError(
      f'{path}: Tensor {name} holds {dtype}; it must hold F32 or F16.'
    )
  return np.array(file.get_tensor(name), np.float32)


def _check_finite(
  path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray]
) -> None:
  bad = [
    name for name, x in sorted(tensors.items()) if not np.isfinite(x).all()
  ]
  if bad:
    raise UserError(
      f'{path}: weights must be finite numbers of the type they are saved in;'
      f' {errors.listed(bad, 3)} ({len(bad)} of {len(tensors)} tensors) are'
      ' not.'
    )

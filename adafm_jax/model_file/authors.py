"""Converts the authors' PyTorch checkpoints, in both directions.

Their network is one flattened `Sequential`, so layers are named by position.
Convs hold [out, in, k, k]. AdaFM layers ('transformer') hold g - I as
[C, 1, k, k]; ours hold the same as [k, k, 1, C]. Pixel shuffle has the same
channel order in both.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.models import parameters
from adafm_jax.models.architecture import Architecture
from adafm_jax.models.restorer import Params
from adafm_jax.version import __version__

_FIRST_CONV = re.compile(r'model\.1\.sub\.(\d+)\.res\.0\.weight')
_MOST_NAMES = 8  # listed if a state dict doesn't fit


def from_authors(
  state: Mapping[str, np.ndarray],
) -> tuple[Architecture, Params]:
  """Converts a state dict of the authors' basic model or AdaFM-Net.

  Args:
    state: name -> float array. Without 'transformer' names it is a basic model,
      with kernel 0.

  Returns:
    The architecture, and its parameters as a nested dict of float32 arrays.

  Raises:
    UserError: names are missing or unexpected, or shapes don't fit together.
  """
  arch = infer_architecture(state)
  names = _parameter_names(arch)
  _check_names(state.keys(), names.values())
  flat = {}
  for ours, theirs in names.items():
    value = np.asarray(state[theirs], np.float32)
    if value.ndim == 4:
      value = np.ascontiguousarray(value.transpose(2, 3, 1, 0))
    flat[ours] = value
  parameters.check({name: x.shape for name, x in flat.items()}, arch)
  return arch, parameters.unflatten(flat)


def to_authors(params: Params, arch: Architecture) -> dict[str, np.ndarray]:
  """The inverse of `from_authors`, for use in the authors' code.

  Args:
    params: of the architecture.
    arch: of any placement but 'activation', which their code does not support.

  Returns:
    name -> float32 array.

  Raises:
    UserError: the placement is 'activation', or params don't fit arch.
  """
  flat = parameters.flatten(params)
  parameters.check({name: x.shape for name, x in flat.items()}, arch)
  state = {}
  for ours, theirs in _parameter_names(arch).items():
    value = np.asarray(flat[ours], np.float32)
    if value.ndim == 4:
      value = np.ascontiguousarray(value.transpose(3, 2, 0, 1))
    state[theirs] = value
  return state


def infer_architecture(state: Mapping[str, np.ndarray]) -> Architecture:
  """Infers the network's sizes from a state dict's names and shapes.

  Raises:
    UserError: it isn't a state dict of the authors' network.
  """
  blocks = len(list(filter(_FIRST_CONV.fullmatch, state)))
  head = np.shape(state.get('model.0.weight', 0))
  if not blocks or len(head) != 4:
    raise UserError(
      "This is not a state dict of the authors' network: it needs"
      ' model.0.weight with four axes and residual blocks'
      f' model.1.sub.0.res.0.weight ..., but has {_some(sorted(state))}.'
    )
  adafm = np.shape(state.get('model.1.sub.0.res.1.transformer.weight', 0))
  trunk = f'model.1.sub.{blocks + 1}.transformer.weight' in state
  arch = Architecture(
    features=head[0],
    blocks=blocks,
    channels=head[1],
    kernel=adafm[-1] if adafm else 0,
    placement='block+trunk' if trunk else 'block',
  )
  if found := arch.problems():
    raise UserError(found)
  return arch


def read_pth(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """Reads a .pth file without running code in it (weights_only).

  Args:
    path: of a state dict saved by `torch.save`.

  Returns:
    name -> float32 array.

  Raises:
    UserError: PyTorch isn't installed, or the file holds no state dict.
  """
  try:
    import torch  # the extra 'torch': gigabytes that nothing else needs
  except ImportError as error:
    raise UserError(
      "Reading .pth files needs PyTorch: pip install 'adafm_jax[torch]'."
    ) from error
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
    isinstance(value, torch.Tensor) for value in state.values()
  ):
    raise UserError(
      f'{path} does not hold a state dict: it must map names to tensors.'
    )
  return {name: value.float().numpy() for name, value in state.items()}


def provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
  """The origin of a converted model, for its model file."""
  path = pathlib.Path(path)
  checksum = files.sha256(path)
  source = "converted from the authors' PyTorch weights"
  return {
    'source': source,
    'file': path.name,
    'sha256': checksum,
    'adafm_jax': __version__,
  }


def _parameter_names(arch: Architecture) -> dict[str, str]:
  """Our name of every parameter -> the authors' name."""
  return {
    f'{ours}/{kind}': f'{theirs}.{their_kind}'
    for ours, theirs in _layer_names(arch).items()
    for kind, their_kind in (('kernel', 'weight'), ('bias', 'bias'))
  }


def _layer_names(arch: Architecture) -> dict[str, str]:
  if arch.kernel and arch.placement == 'activation':
    raise UserError(
      "The authors' network has AdaFM layers before activations only; a network"
      " with placement 'activation' can't be converted."
    )
  names = {'head': 'model.0', 'trunk': f'model.1.sub.{arch.blocks}'}
  for i in range(arch.blocks):
    block = f'model.1.sub.{i}.res'
    names[f'block_{i:02d}/conv_1'] = f'{block}.0'
    names[f'block_{i:02d}/conv_2'] = f'{block}.3'
    if arch.kernel:
      names[f'block_{i:02d}/adafm_1'] = f'{block}.1.transformer'
      names[f'block_{i:02d}/adafm_2'] = f'{block}.4.transformer'
  if arch.kernel and arch.placement == 'block+trunk':
    names['trunk_adafm'] = f'model.1.sub.{arch.blocks + 1}.transformer'
  return names | {'upsample': 'model.2', 'hidden': 'model.5', 'tail': 'model.7'}


def _check_names(found, wanted) -> None:
  """Raises UserError unless the state dict has exactly the wanted names."""
  problems = []
  if missing := sorted(set(wanted) - set(found)):
    problems.append(f'The state dict lacks {_some(missing)}.')
  if unexpected := sorted(set(found) - set(wanted)):
    problems.append(
      f'The state dict has unexpected entries: {_some(unexpected)}.'
    )
  if problems:
    raise UserError(problems)


def _some(names: list[str]) -> str:
  """The first few names, and how many more there are."""
  more = len(names) - _MOST_NAMES
  shown = ', '.join(names[:_MOST_NAMES]) or 'no names at all'
  return f'{shown} and {more} more' if more > 0 else shown

"""Converts the authors' PyTorch checkpoints, in both directions.

Their network is one flattened `Sequential`, so layers are named by position.
Convs hold [out, in, k, k]. AdaFM layers ('transformer') hold g - I as
[C, 1, k, k]; ours hold the same as [k, k, 1, C]. Pixel shuffle has the same
channel order in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from adafm_jax.errors import UserError
from adafm_jax.models import parameters
from adafm_jax.models.architecture import Architecture
from adafm_jax.models.restorer import Params

_FIRST_CONV = re.compile(r'model\.1\.sub\.(\d+)\.res\.0\.weight')
_ADAFM = '.transformer.'  # in the name of an AdaFM layer
_PARALLEL = 'module.'  # before every name of a network in DataParallel
_MAX_NAMES = 8  # listed if a state dict doesn't fit


def from_authors(
  state: Mapping[str, np.ndarray],
) -> tuple[Architecture, Params]:
  """Converts a state dict of the authors' basic model or AdaFM-Net.

  Args:
    state: name -> float array; all names may begin with DataParallel's
      'module.'. Without 'transformer' names it is a basic model, with kernel 0.

  Returns:
    The architecture, and its parameters as a nested dict of float32 arrays.

  Raises:
    UserError: names are missing or unexpected, or shapes don't fit together.
  """
  state = without_parallel(state)
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


def without_parallel(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Strips the 'module.' that DataParallel puts before every name."""
  if not all(name.startswith(_PARALLEL) for name in state):
    return dict(state)
  return {name.removeprefix(_PARALLEL): x for name, x in state.items()}


def to_authors(params: Params, arch: Architecture) -> dict[str, np.ndarray]:
  """The inverse of `from_authors`, for use in the authors' code.

  Args:
    params: of the architecture.
    arch: of any placement but 'activation', and on a straight path: their code
      supports neither.

  Returns:
    name -> float32 array, in the order of the network.

  Raises:
    UserError: the placement is 'activation', the path is bent, or params don't
      fit arch.
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


def join(
  basic: Mapping[str, np.ndarray], adapted: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
  """Joins a basic model's state dict and its adaptation's.

  Args:
    basic: of the start level, without AdaFM layers.
    adapted: AdaFM layers, with or without the backbone.

  Returns:
    name -> array of both.

  Raises:
    UserError: `basic` has AdaFM layers, `adapted` has none, or their backbones
      differ.
  """
  layers = {name: x for name, x in adapted.items() if _ADAFM in name}
  if any(_ADAFM in name for name in basic) or not layers:
    raise UserError(
      'Of two files the first must be a basic model, without AdaFM layers'
      f' (names with {_ADAFM!r}), and the second must have them.'
    )
  again = adapted.keys() - layers.keys()
  other = [
    name
    for name in sorted(again)
    if name in basic and not np.array_equal(basic[name], adapted[name])
  ]
  if other or again - basic.keys():
    raise UserError(
      'The two files hold different backbones, so the second was not adapted'
      ' from the first:'
      f' {_some(other or sorted(again - basic.keys()))}.'
    )
  return {**basic, **layers}


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
  if arch.bends:
    raise UserError(
      "The authors' network has straight paths only, and this one's are bent"
      f' ({arch.path}, {arch.bends} bends): convert it with --path line, which'
      ' is the same at both trained levels.'
    )
  names = {'head': 'model.0'}
  for i in range(arch.blocks):
    block = f'model.1.sub.{i}.res'
    names[f'block_{i:02d}/conv_1'] = f'{block}.0'
    names[f'block_{i:02d}/conv_2'] = f'{block}.3'
    if arch.kernel:
      names[f'block_{i:02d}/adafm_1'] = f'{block}.1.transformer'
      names[f'block_{i:02d}/adafm_2'] = f'{block}.4.transformer'
  names['trunk'] = f'model.1.sub.{arch.blocks}'
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
  more = len(names) - _MAX_NAMES
  shown = ', '.join(names[:_MAX_NAMES]) or 'no names at all'
  return f'{shown} and {more} more' if more > 0 else shown

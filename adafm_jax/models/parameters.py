"""Parameters by name: {'head': {'bias': x}} and {'head/bias': x}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from adafm_jax.errors import raise_all
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture


def flatten(params: restorer.Params) -> dict[str, np.ndarray]:
  """Nested parameters as arrays by name, such as 'block_00/conv_1/kernel'.

  Their elements are in C order: safetensors writes others in a wrong order.
  """
  flat = traverse_util.flatten_dict(params, sep='/')
  return {name: np.asarray(value, order='C') for name, value in flat.items()}


def unflatten(flat: Mapping[str, np.ndarray]) -> restorer.Params:
  """The inverse of `flatten`."""
  return traverse_util.unflatten_dict(flat, sep='/')


def check(
  shapes: Mapping[str, tuple[int, ...]], arch: Architecture, where: str = ''
) -> None:
  """Checks that tensors are those of an architecture, no more and no fewer.

  Args:
    shapes: of the tensors, by name.
    arch: the architecture that they should fit.
    where: start of each sentence, such as a file's name and a colon.

  Raises:
    UserError: with a sentence for each tensor that is missing, unexpected or
      of another shape; only the first few if there are many.
  """
  expected = restorer.parameter_shapes(arch)
  wanted = traverse_util.flatten_dict(expected, sep='/')
  problems = [
    f'{where}Tensor {name} is missing.'
    for name in sorted(wanted.keys() - shapes.keys())
  ]
  problems += [
    f'{where}Tensor {name} is not part of this {arch}.'
    for name in sorted(shapes.keys() - wanted.keys())
  ]
  problems += [
    f'{where}Tensor {name} has shape {list(shapes[name])}; it must be'
    f' {list(wanted[name].shape)}.'
    for name in sorted(wanted.keys() & shapes.keys())
    if tuple(shapes[name]) != wanted[name].shape
  ]
  raise_all(problems, limit=8)


def insert_adafm(
  params: Mapping[str, Any], arch: Architecture
) -> restorer.Params:
  """Adds AdaFM layers at identity, or bends of zero (paper section 3.4).

  Args:
    params: of the same network without AdaFM layers, or on a straight path.
    arch: the architecture with AdaFM layers, and perhaps bends.

  Returns:
    Parameters of `arch` that compute the same as before at every strength.

  Raises:
    UserError: those given are not of such a network, see `check`.
  """
  wanted = traverse_util.flatten_dict(restorer.parameter_shapes(arch), sep='/')
  added = {
    name: jnp.zeros(like.shape, like.dtype)
    for name, like in wanted.items()
    if 'adafm' in name
  }
  filled = added | traverse_util.flatten_dict(params, sep='/')
  check({name: value.shape for name, value in filled.items()}, arch)
  return unflatten(filled)

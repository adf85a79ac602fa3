"""StableHLO files: a network that JAX runs without this package.

`jax.export.deserialize(bytes).call(image, strength)` runs one, on CPUs, CUDA
GPUs and TPUs. Batch, height and width are symbols, the weights constants.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import jax
import jax.numpy as jnp
from jax import export as jax_export

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.model_file.header import Header
from adafm_jax.models import restorer

PLATFORMS = ('cpu', 'cuda', 'tpu')
# The size of features in two forms that JAX cannot tell to be equal: of the
# convolution at stride 2, and of a map of strengths.
_HALF = 'floordiv(mod({0}, 2) + {0} - 2, 2) == floordiv({0} + 1, 2) - 1'


def write(
  path: str | os.PathLike[str],
  header: Header,
  params: Any,
  *,
  as_map: bool,
  written: files.Written | None = None,
) -> None:
  """Writes the network, whole or not at all.

  Args:
    path: of the file.
    header: of the model.
    params: its weights.
    as_map: whether strength is a map [B, H, W], and not one value an image.
    written: see `files.atomic_path`.

  Raises:
    UserError: the package flatbuffers is missing, or the file can't be written.
  """
  if importlib.util.find_spec('flatbuffers') is None:
    raise UserError(
      'StableHLO files need the package flatbuffers: pip install'
      " 'adafm_jax[stablehlo]'."
    )
  data = build(header, params, as_map=as_map)
  files.write_bytes(path, data, written)


def build(header: Header, params: Any, *, as_map: bool) -> bytes:
  """See `write`."""
  arch = header.arch
  apply = restorer.make_apply(arch, lowering='portable')
  batch, height, width = jax_export.symbolic_shape(
    'b, h, w', constraints=[_HALF.format(side) for side in 'hw']
  )
  image = jax.ShapeDtypeStruct((batch, height, width, arch.channels), 'float32')
  shape = (batch, height, width) if as_map else (batch,)
  strength = jax.ShapeDtypeStruct(shape, 'float32')
  constant = jax.tree.map(jnp.asarray, params)

  def adafm(image, strength):
    return apply(constant, image, strength)

  exported = jax_export.export(jax.jit(adafm), platforms=PLATFORMS)
  return bytes(exported(image, strength).serialize())


def about(header: Header, *, as_map: bool) -> str:
  """What the file takes, in words."""
  span = f'0 to 1: {header.levels}'
  if not header.arch.kernel:
    span = 'which changes nothing: the model has one level'
  return (
    f'images [B, H, W, {header.arch.channels}] and strength'
    f' {"[B, H, W]" if as_map else "[B]"} ({span}), for'
    f' {", ".join(PLATFORMS)}'
  )

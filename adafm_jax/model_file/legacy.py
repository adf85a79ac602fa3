"""Reads model files of formats 1 and 2 as format 3.

Format 2 could hold one curve a layer: layer l applied its filter K_l at
s + s (1 - s) (c_l0 + c_l1 s + ...). That is the path 'poly' whose bends are
multiples of the end's filter, B_lj = c_lj K_l.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LAYER_CURVE = 'layer_curve'  # name of the tensor c, and of the field n


def path_of(arch: Mapping[str, Any]) -> dict[str, Any]:
  """The architecture's JSON in format 3."""
  fields = dict(arch)
  bends = fields.pop(LAYER_CURVE, 0)
  return {**fields, 'path': 'poly' if bends else 'line', 'bends': bends}


def bends_of(
  tensors: Mapping[str, np.ndarray], curve: np.ndarray
) -> dict[str, np.ndarray]:
  """The bends that a layer curve stands for.

  Args:
    tensors: of the model, by name.
    curve: float32 [AdaFM layers, n], layers in the order of the network.

  Returns:
    `bend_kernel` and `bend_bias` of each layer, by name.
  """
  names = sorted(x for x in tensors if x.split('/')[-2].startswith('adafm'))
  names += sorted(x for x in tensors if x.startswith('trunk_adafm/'))
  layers = list(dict.fromkeys(name.rpartition('/')[0] for name in names))
  return {
    f'{layer}/bend_{kind}': np.multiply.outer(
      factors, tensors[f'{layer}/{kind}']
    )
    for layer, factors in zip(layers, curve, strict=True)
    for kind in ('kernel', 'bias')
  }

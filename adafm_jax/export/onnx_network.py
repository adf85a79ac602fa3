"""The network as ONNX operators, on [N, C, H, W] in place of [B, H, W, C].

It computes what `models.restorer` does. Two things are put differently, with
the same result. The last row and column are repeated always, not only where a
size is odd: of an even size the first convolution, at stride 2, never sees
them, and so no size need be known. And a 1x1 AdaFM layer is x (1 + g) + c,
where g and c hold the strength.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from adafm_jax.engine import run as engine
from adafm_jax.export.onnx_graph import Graph
from adafm_jax.models import path as paths
from adafm_jax.models.architecture import Architecture

Params = dict[str, Any]

# Of the four axes, first before and then after: one row and one column.
_ONE_MORE = (0, 0, 0, 0, 0, 0, 1, 1)


def add_network(
  graph: Graph,
  params: Params,
  arch: Architecture,
  image: str,
  strength: str | None,
) -> str:
  """Adds the network.

  Args:
    graph: to add to.
    params: weights.
    arch: the network's sizes.
    image: float32 [N, C, H, W] in [0, 1], any H and W.
    strength: float32 [N, 1, 1, 1], or a map of `halve_map`; None where the
      network has one strength: no AdaFM layers, or layers whose filters
      `at_strength` has combined.

  Returns:
    float32 [N, C, h, w], not clipped, h and w the next even sizes.
  """
  modulated = _Modulated(graph, arch, strength)
  x = graph.node('Pad', image, graph.numbers(*_ONE_MORE), mode='edge')
  x = _cast(graph, x, graph.dtype)
  x = head = _conv(graph, x, params['head'], 'head', stride=2)
  for i in range(arch.blocks):
    name = f'block_{i:02d}'
    x = _block(graph, x, params[name], name, modulated)
  x = _conv(graph, x, params['trunk'], 'trunk')
  if 'trunk_adafm' in params:
    x = modulated(x, params['trunk_adafm'], 'trunk_adafm')
  x = graph.node('Add', x, head)
  x = _conv(graph, x, params['upsample'], 'upsample')
  x = graph.node('DepthToSpace', x, blocksize=2, mode='CRD')
  x = graph.node('Relu', x)
  x = graph.node('Relu', _conv(graph, x, params['hidden'], 'hidden'))
  return _cast(graph, _conv(graph, x, params['tail'], 'tail'), np.float32)


def halve_map(graph: Graph, strength: str) -> str:
  """A map [N, 1, H, W] at the size of the features: means of 2x2 pixels."""
  wide = graph.node('Pad', strength, graph.numbers(*_ONE_MORE), mode='edge')
  return graph.node('AveragePool', wide, kernel_shape=[2, 2], strides=[2, 2])


def at_strength(
  params: Params, arch: Architecture, strength: float
) -> tuple[Params, Architecture]:
  """The network of one strength: without AdaFM layers, if they are 1x1.

  Others keep a filter K and bias b each, those of the strength.

  Args:
    params: weights.
    arch: their architecture.
    strength: in [0, 1].
  """
  if not arch.kernel:
    return params, arch
  arch_there, folded = engine.fold(
    arch, params, np.asarray(strength, np.float32)
  )
  if not arch_there.kernel:
    return folded, arch_there
  weights = paths.weights(jnp.float32(strength), arch.path, arch.bends)

  def combine(name: str, part: Params) -> Params:
    if 'adafm' in name:
      return _combined(part, np.asarray(weights))
    if 'kernel' in part:
      return part
    return {inner: combine(inner, value) for inner, value in part.items()}

  straight = dataclasses.replace(arch, path='line', bends=0)
  return combine('', params), straight


def _combined(layer: Params, weights: np.ndarray) -> Params:
  """One filter and one bias in place of those of the end and the bends."""
  found = {}
  for kind in ('kernel', 'bias'):
    terms = np.asarray(layer[kind])[None]
    if len(weights) > 1:
      terms = np.concatenate([terms, layer[f'bend_{kind}']])
    found[kind] = np.tensordot(weights, terms, 1)
  return found


def _block(graph, x, params, name, modulated) -> str:
  """A residual block, see `restorer.ResidualBlock`."""
  before = modulated.arch.placement != 'activation'

  def adafm(y, index, here):
    layer = f'adafm_{index}'
    if not here or layer not in params:
      return y
    return modulated(y, params[layer], f'{name}/{layer}')

  y = _conv(graph, x, params['conv_1'], f'{name}/conv_1')
  y = graph.node('Relu', adafm(y, 1, before))
  y = adafm(y, 1, not before)
  y = _conv(graph, y, params['conv_2'], f'{name}/conv_2')
  return graph.node('Add', x, adafm(y, 2, before))


class _Modulated:
  """Adds AdaFM layers, which share what the strength gives for each bend."""

  def __init__(self, graph: Graph, arch: Architecture, strength: str | None):
    self.arch = arch
    self._graph = graph
    self._phi = ''  # [N, 1 + bends, 1 or h, 1 or w]; '' at a fixed strength
    if strength:
      phi = _path_weights(graph, strength, arch)
      self._phi = _cast(graph, phi, graph.dtype)

  def __call__(self, x: str, layer: Params, name: str) -> str:
    """X + sum_t phi_t (K_t * x + b_t), see `modulation.AdaFM`."""
    if not self._phi:
      filters = np.array(layer['kernel'])
      middle = self.arch.kernel // 2
      filters[middle, middle] += 1
      return _depthwise(self._graph, x, filters, layer['bias'], name)
    kernels, biases = np.asarray(layer['kernel'])[None], [layer['bias']]
    if self.arch.bends:
      kernels = np.concatenate([kernels, layer['bend_kernel']])
      biases = [*biases, *layer['bend_bias']]
    if self.arch.kernel == 1:
      return self._gain(x, kernels[:, 0, 0, 0], np.array(biases), name)
    return self._filters(x, kernels, np.array(biases), name)

  def _gain(self, x, kernels, biases, name) -> str:
    """X (1 + g) + c, for 1x1 filters."""
    graph = self._graph

    def mixed(terms, kind):  # [1 + bends, C] -> [N, C, 1 or h, 1 or w]
      weights = graph.weights(terms.T[..., None, None], f'{name}/{kind}')
      return graph.node('Conv', self._phi, weights)

    one = graph.weights(1.0, f'{name}/one')
    gain = graph.node('Add', mixed(kernels, 'kernel'), one)
    scaled = graph.node('Mul', x, gain)
    return graph.node('Add', scaled, mixed(biases, 'bias'))

  def _filters(self, x, kernels, biases, name) -> str:
    """One depthwise convolution for each bend, and one for the end."""
    graph, total = self._graph, x
    for t, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
      bend = f'{name}/bend_{t}' if t else name
      moved = _depthwise(graph, x, kernel, bias, bend)
      phi = self._phi
      if len(kernels) > 1:
        phi = graph.node('Gather', phi, graph.numbers(t), axis=1)
      total = graph.node('Add', total, graph.node('Mul', moved, phi))
    return total


def _path_weights(graph: Graph, s: str, arch: Architecture) -> str:
  """`models.path.weights` along axis 1: [N, 1, ...] to [N, 1 + bends, ...]."""
  if not arch.bends:
    return s
  if arch.path == 'hats':
    anchors = np.arange(1, arch.bends + 1, dtype=np.float32)
    along = graph.node('Mul', s, graph.number(arch.bends + 1))
    apart = graph.node(
      'Sub', along, graph.constant(anchors.reshape(1, -1, 1, 1))
    )
    below = graph.node('Sub', graph.number(1), graph.node('Abs', apart))
    return graph.node('Concat', s, graph.node('Relu', below), axis=1)
  bend = graph.node('Mul', s, graph.node('Sub', graph.number(1), s))
  terms = [s, bend]
  for _ in range(arch.bends - 1):
    terms.append(graph.node('Mul', terms[-1], s))
  return graph.node('Concat', *terms, axis=1)


def _conv(graph: Graph, x: str, layer: Params, name: str, stride=1) -> str:
  """A 3x3 convolution; at stride 2 without the pixel after, see `layers`."""
  after = 2 - stride
  return graph.node(
    'Conv',
    x,
    *_kernel_and_bias(graph, layer['kernel'], layer['bias'], name),
    kernel_shape=[3, 3],
    pads=[1, 1, after, after],
    strides=[stride, stride],
  )


def _depthwise(graph: Graph, x: str, kernel, bias, name: str) -> str:
  """Filters every channel with its own filter, [k, k, 1, C]."""
  side = kernel.shape[0]
  return graph.node(
    'Conv',
    x,
    *_kernel_and_bias(graph, kernel, bias, name),
    kernel_shape=[side, side],
    pads=[side // 2] * 4,
    group=kernel.shape[-1],
  )


def _kernel_and_bias(graph: Graph, kernel, bias, name: str) -> tuple[str, str]:
  """[k, k, in, out] becomes [out, in, k, k]."""
  turned = np.transpose(kernel, (3, 2, 0, 1))
  return (
    graph.weights(turned, f'{name}/kernel'),
    graph.weights(bias, f'{name}/bias'),
  )


def _cast(graph: Graph, x: str, dtype: Any) -> str:
  """To or from the type that the network computes in, if it isn't float32."""
  return x if graph.dtype == np.float32 else graph.cast(x, dtype)

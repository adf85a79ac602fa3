"""The basic model and AdaFM-Net (paper Figure 4) as pure functions.

Parameter names are a contract: checkpoints, the freeze rule, model files and
the conversion of the authors' weights depend on them. Backbone: `head`,
`block_00`, ... with `conv_1` and `conv_2` each, `trunk`, `upsample`, `hidden`,
`tail`. AdaFM layers: `adafm_1` and `adafm_2` in each block, `trunk_adafm`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from adafm_jax.errors import UserError, raise_all
from adafm_jax.models import layers, modulation
from adafm_jax.models import strength as strengths
from adafm_jax.models.architecture import EVERYWHERE, OUTER, Architecture
from adafm_jax.models.border import Border, WholeImage

Params = dict[str, Any]
Apply = Callable[
  [Params, jax.typing.ArrayLike, jax.typing.ArrayLike], jax.Array
]

# (architecture, lowering, name) -> a module, called as an AdaFM layer is.
Layer = Callable[[Architecture, str, str], Any]

# Patterns for whole names such as 'block_03/adafm_1/kernel'. Each parameter
# matches exactly one; the freeze rules of the stages are made of them.
ADAFM_PARAMETERS = r'(.*/adafm_[12]|[a-z]+_adafm)/(kernel|bias)'
BEND_PARAMETERS = r'(.*/adafm_[12]|[a-z]+_adafm)/bend_(kernel|bias)'
BACKBONE_PARAMETERS = (
  r'(head|block_\d\d+/conv_[12]|trunk|upsample|hidden|tail)/(kernel|bias)'
)


def make_adafm(
  arch: Architecture, lowering: str, name: str
) -> modulation.AdaFM:
  """An AdaFM layer of the network; called inside a linen module."""
  return modulation.AdaFM(
    arch.kernel, arch.path, arch.bends, lowering, name=name
  )


class ResidualBlock(nn.Module):
  """conv, ReLU, conv, add, with AdaFM layers where `placement` puts them.

  Attributes:
    arch: the network's sizes.
    dtype: compute dtype.
    lowering: of the filters, see `modulation.depthwise` and `layers.Conv`.
    layer: makes what stands where AdaFM layers do.
  """

  arch: Architecture
  dtype: jax.typing.DTypeLike
  lowering: str
  layer: Layer = make_adafm

  @nn.compact
  def __call__(
    self, x: jax.Array, strength: jax.Array, border: Border
  ) -> jax.Array:
    """Maps [B, h, w, C] to the same shape.

    Args:
      x: features.
      strength: [AdaFM layers of this block, 1 or B, 1 or h, 1 or w, 1].
      border: gives what lies around the features.
    """
    arch = self.arch
    before = arch.kernel and arch.placement != 'activation'
    after = arch.kernel and arch.placement == 'activation'

    def conv(x, name):
      around = border.extend(x, 1, 1)
      return layers.conv3x3(
        around, arch.features, name, dtype=self.dtype, lowering=self.lowering
      )

    def adafm(x, index):
      name = f'adafm_{index + 1}'
      layer = self.layer(arch, self.lowering, name)
      return layer(x, strength[index], border)

    lag = border.lag
    y = conv(x, 'conv_1')
    y = adafm(y, 0) if before else y
    y = nn.relu(y)
    y = adafm(y, 0) if after else y
    y = conv(y, 'conv_2')
    y = adafm(y, 1) if before else y
    return border.align(x, lag) + y


class Restorer(nn.Module):
  """The whole network; if `arch.kernel` is 0, it has no AdaFM layers.

  Attributes:
    arch: the network's sizes.
    dtype: compute dtype; parameters, input and output stay float32.
    lowering: of the filters, see `modulation.depthwise` and `layers.Conv`.
    layer: makes what stands where AdaFM layers do.
  """

  arch: Architecture
  dtype: jax.typing.DTypeLike = jnp.float32
  lowering: str = 'auto'
  layer: Layer = make_adafm

  @nn.compact
  def __call__(
    self, image: jax.Array, strength: jax.Array, border: Border
  ) -> jax.Array:
    """Maps an image of even sizes to one of the same shape.

    Args:
      image: [B, H, W, C].
      strength: as `strength.spread` returns it.
      border: at the size of the image, to which it returns.

    Returns:
      The restored image, which lags by `border.lag`.
    """
    arch = self.arch
    per_block = 1 if arch.placement == 'activation' else 2
    count = max(arch.adafm_layers, 1)
    strength = jnp.broadcast_to(strength, (count, *strength.shape[1:]))

    def conv(x, features, name, stride=1):
      around = border.extend(x, 1, 2 - stride)
      made = layers.conv3x3(
        around,
        features,
        name,
        stride=stride,
        dtype=self.dtype,
        lowering=self.lowering,
      )
      if not arch.kernel or arch.placement != EVERYWHERE:
        return made
      own = strength[2 * arch.blocks + OUTER.index(name)]
      if name in ('hidden', 'tail'):  # at full resolution
        for axis in (1, 2):
          own = own if own.shape[axis] == 1 else jnp.repeat(own, 2, axis)
      adafm = self.layer(arch, self.lowering, f'{name}_adafm')
      return adafm(made, own, border)

    x = image.astype(self.dtype)
    head = conv(x, arch.features, 'head', stride=2)
    border.halve()
    x, lag = head, border.lag
    for i in range(arch.blocks):
      name = f'block_{i:02d}'
      block = ResidualBlock(
        arch, self.dtype, self.lowering, self.layer, name=name
      )
      x = block(x, strength[per_block * i : per_block * (i + 1)], border)
    x = conv(x, arch.features, 'trunk')
    if arch.kernel and arch.placement == 'block+trunk':
      adafm = self.layer(arch, self.lowering, 'trunk_adafm')
      x = adafm(x, strength[-1], border)
    x = conv(x + border.align(head, lag), 4 * arch.features, 'upsample')
    x = nn.relu(layers.pixel_shuffle(x))
    border.double()
    x = nn.relu(conv(x, arch.features, 'hidden'))
    return conv(x, arch.channels, 'tail').astype(image.dtype)


def make_apply(
  arch: Architecture,
  *,
  dtype: jax.typing.DTypeLike = jnp.float32,
  lowering: str = 'auto',
) -> Apply:
  """The network as a pure function, ready for jit, vmap and grad.

  Args:
    arch: the network's sizes.
    dtype: compute dtype, float32 or bfloat16.
    lowering: of the filters, see `modulation.depthwise` and `layers.Conv`.
      'auto' and 'train' choose for JAX's default backend, when traced;
      'portable' when compiled for another.

  Returns:
    apply(params, image, strength) -> image. image: [B, H, W, C] float in
    [0, 1], any H and W; strength: float in [0, 1] in one of the forms of
    `strength.FORMS`, ignored by the basic model. The result has image's shape
    and dtype and is not clipped. Strength 0 gives the basic model's result bit
    for bit. It raises UserError if the image or strength has another form.

  Raises:
    UserError: an argument has an impossible value.
  """
  _check(arch)
  if jnp.dtype(dtype) not in (jnp.float32, jnp.bfloat16):
    raise UserError(f'A network computes in float32 or bfloat16, not {dtype}.')
  if lowering not in modulation.LOWERINGS:
    raise UserError(
      f'The lowering is {lowering!r}; it must be one of'
      f' {", ".join(modulation.LOWERINGS)}.'
    )
  module = Restorer(arch, dtype, lowering)

  def apply(params, image, strength):
    image = jnp.asarray(image)
    if image.ndim != 4 or image.shape[-1] != arch.channels:
      raise UserError(
        f'The network restores images [B, H, W, {arch.channels}]; this one has'
        f' shape {list(image.shape)}.'
      )
    if not jnp.issubdtype(image.dtype, jnp.floating):
      raise UserError(
        f'The network restores float images in [0, 1]; this one is'
        f' {image.dtype}. (Model.restore takes it.)'
      )
    _, height, width, _ = image.shape
    spread = strengths.spread(strength, arch.adafm_layers, image.shape)
    even = layers.pad_to_even(image)
    out: Any = module.apply({'params': params}, even, spread, WholeImage())
    return out[:, :height, :width]

  return apply


def _check(arch: Architecture) -> None:
  """Raises UserError if there is no such network."""
  if not isinstance(arch, Architecture):
    raise UserError(
      f'A network has an Architecture, not a {type(arch).__name__} (a model has'
      ' it as model.arch).'
    )
  if arch.placement == EVERYWHERE:  # of experiments; no model file has it
    arch = dataclasses.replace(arch, placement='block')
  raise_all(arch.problems())


def init(key: jax.Array, arch: Architecture, *, scale: float = 0.1) -> Params:
  """Fresh parameters: Kaiming normal (fan-in), zero biases, AdaFM at identity.

  Args:
    key: of `jax.random.key`.
    arch: the network's sizes.
    scale: factor on the initial weights; 0.1 is the authors'.

  Returns:
    A nested dict of float32 arrays.

  Raises:
    UserError: the architecture has an impossible value.
  """
  _check(arch)
  image = jnp.zeros((1, 2, 2, arch.channels), jnp.float32)
  strength = jnp.zeros((1, 1, 1, 1, 1), jnp.float32)
  variables = Restorer(arch).init(key, image, strength, WholeImage())
  # Biases and AdaFM layers are zero at any scale.
  return jax.tree.map(lambda leaf: scale * leaf, variables['params'])


@functools.lru_cache(maxsize=64)
def parameter_shapes(arch: Architecture) -> Params:
  """The parameters' shapes and dtypes, without computing anything.

  Found once for an architecture, since tracing a large network takes 0.2 s: all
  callers share the result, and none may change it.
  """
  return jax.eval_shape(lambda: init(jax.random.key(0), arch))


def backbone(params: Mapping[str, Any]) -> Params:
  """Inverts `parameters.insert_adafm`: the parameters of the basic model."""
  return {
    name: backbone(leaf) if isinstance(leaf, Mapping) else leaf
    for name, leaf in params.items()
    if 'adafm' not in name
  }

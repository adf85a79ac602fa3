"""All networks by their description: AdaFM-Net, and those beside it."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from adafm_jax.models import (
  arcnn,
  dncnn,
  ends,
  layers,
  normalization,
  restorer,
  sft,
  srresnet,
)
from adafm_jax.models import strength as strengths
from adafm_jax.models.architecture import EVERYWHERE, Architecture
from adafm_jax.models.border import WholeImage


@dataclasses.dataclass(frozen=True)
class Peer(Architecture):
  """A network that the paper compares with, or that a user might.

  It counts as an architecture without AdaFM layers, so whatever runs a basic
  model runs it too; what it computes only this module knows. No model file
  holds one.

  Attributes:
    kind: a key of `KINDS` or `ENDS`.
    features: channels of the hidden feature maps.
    blocks: residual blocks; convolutions of DnCNN.
    channels: of the images.
    kernel: side of AdaFM filters in ARCNN; other kinds have none.
  """

  kernel: int = 0
  kind: str = ''

  @property
  def folds(self) -> bool:
    """See `Architecture`."""
    return False

  @property
  def basic(self) -> Architecture:
    """The basic model of the same size."""
    return Architecture(self.features, self.blocks, self.channels, kernel=0)


class Made(NamedTuple):
  """A linen module and how to call it.

  Attributes:
    module: of the network.
    arguments: (image of any size, strength) -> what the module takes.
  """

  module: nn.Module
  arguments: Callable[[jax.Array, jax.typing.ArrayLike], tuple[Any, ...]]


def _srresnet(peer: Peer, dtype, learning: bool) -> Made:
  sizes = (peer.features, peer.blocks, peer.channels)
  module = srresnet.SRResNet(*sizes, learning, dtype)

  def arguments(image, _):
    extra = [(0, -side % srresnet.SCALE) for side in image.shape[1:3]]
    return (jnp.pad(image, ((0, 0), *extra, (0, 0)), mode='edge'),)

  return Made(module, arguments)


def _layered(peer: Peer, dtype, layer, called: str, *, shown=False) -> Made:
  """The basic model with a layer after every conv of the residual blocks.

  With `shown`, layers are given the image beside the strength.
  """
  arch = dataclasses.replace(peer.basic, kernel=1)

  def make(arch, lowering, name):
    return layer(name=name.replace('adafm', called))

  module = restorer.Restorer(arch, dtype, layer=make)

  def arguments(image, strength):
    spread = strengths.spread(strength, arch.adafm_layers, image.shape)
    even = layers.pad_to_even(image)
    return even, sft.give(spread, even) if shown else spread, WholeImage()

  return Made(module, arguments)


KINDS: dict[str, Callable[[Peer, Any, bool], Made]] = {
  'arcnn': lambda peer, dtype, _: Made(
    arcnn.ARCNN(peer.features, peer.channels, peer.kernel, dtype),
    lambda image, strength: (image, strength),
  ),
  'dncnn': lambda peer, dtype, learning: Made(
    dncnn.DnCNN(peer.features, peer.blocks, peer.channels, learning, dtype),
    lambda image, strength: (image,),
  ),
  'srresnet': _srresnet,
  'batch': lambda peer, dtype, learning: _layered(
    peer,
    dtype,
    lambda name: normalization.BatchNorm(learning, name=name),
    'norm',
  ),
  'instance': lambda peer, dtype, _: _layered(
    peer,
    dtype,
    lambda name: normalization.ConditionalInstanceNorm(name=name),
    'norm',
  ),
  'sft': lambda peer, dtype, _: _layered(
    peer,
    dtype,
    lambda name: sft.SpatialTransform(name=name),
    'sft',
    shown=True,
  ),
}


# Two trained networks as one: the kind of both ('' is the basic model), and the
# way between them. In AdaBN they differ in their means and variances alone.
ENDS = {
  'interpolate': ('', 'interpolate'),
  'blend': ('', 'blend'),
  'adabn': ('batch', 'interpolate'),
}


def make_apply(
  network: Architecture,
  *,
  dtype: jax.typing.DTypeLike = jnp.float32,
  learning: bool = False,
  swept: bool = False,
) -> restorer.Apply:
  """A network as a pure function, see `restorer.make_apply`.

  Args:
    network: its description.
    dtype: compute dtype, float32 or bfloat16.
    learning: whether it is differentiated; batch norm then normalises by the
      batch.
    swept: whether it runs under `vmap` over strengths. On a bent path the
      filters are then others for each, and grouped convolutions would have as
      many groups as there are strengths times channels.
  """
  if not isinstance(network, Peer):
    lowering = 'train' if learning else 'auto'
    if swept and network.bends:
      lowering = 'shifted'
    return restorer.make_apply(network, dtype=dtype, lowering=lowering)
  if network.kind in ENDS:
    inner, way = ENDS[network.kind]
    both = dataclasses.replace(network, kind=inner) if inner else network.basic
    return ends.make_apply(make_apply(both, dtype=dtype), way)
  module, arguments = KINDS[network.kind](network, dtype, learning)

  def apply_peer(params, image, strength):
    image = jnp.asarray(image)
    out: Any = module.apply({'params': params}, *arguments(image, strength))
    return out[:, : image.shape[1], : image.shape[2]]

  return apply_peer


def init(
  key: jax.Array, network: Architecture, *, scale: float = 0.1
) -> restorer.Params:
  """Fresh parameters: Kaiming normal (fan-in), zero biases.

  Args:
    key: of `jax.random.key`.
    network: its description; not one of two ends.
    scale: factor on the initial filters; 0.1 is the authors'.
  """
  if not isinstance(network, Peer):
    return restorer.init(key, network, scale=scale)
  module, arguments = KINDS[network.kind](network, jnp.float32, False)
  image = jnp.zeros((1, 8, 8, network.channels), jnp.float32)
  params = module.init(key, *arguments(image, 0.0))['params']

  def scaled(path, leaf):
    return scale * leaf if path[-1].key == 'kernel' else leaf

  return jax.tree_util.tree_map_with_path(scaled, params)


def count_weights(network: Architecture, params: restorer.Params) -> int:
  """How many numbers are trained: without batch norm's means and variances.

  Two ends that differ in those alone count once. `params` may be shapes.
  """
  if isinstance(network, Peer) and network.kind == 'adabn':
    params = params['start']
  measured = re.compile(normalization.MEASURED_PARAMETERS)
  flat = traverse_util.flatten_dict(params, sep='/')
  return sum(x.size for name, x in flat.items() if not measured.fullmatch(name))


def measure_statistics(
  network: Peer,
  params: restorer.Params,
  batches: Sequence[jax.Array | np.ndarray],
) -> restorer.Params:
  """Sets the means and variances of batch norm to those of images.

  Args:
    network: with batch norm.
    params: of the network.
    batches: degraded images [B, H, W, C], all batches of one size.

  Returns:
    The parameters; only `mean` and `variance` differ.
  """
  statistics = _statistics(network)
  found = [jax.device_get(statistics(params, batch)) for batch in batches]
  return normalization.merge(params, found)


@functools.lru_cache(maxsize=8)
def _statistics(network: Peer) -> Callable[..., dict[str, Any]]:
  module, arguments = KINDS[network.kind](network, jnp.float32, True)

  @jax.jit
  def statistics(params, image):
    variables = {'params': params}
    collection = normalization.STATISTICS
    _, found = module.apply(
      variables, *arguments(image, 0.0), mutable=[collection]
    )
    return found[collection]

  return statistics


def runs_in_tiles(network: Architecture) -> bool:
  """Whether `engine.tiles` knows the network; others run on whole images."""
  return not isinstance(network, Peer) and network.placement != EVERYWHERE


def shares_weights(network: Architecture) -> bool:
  """Whether all strengths use the same weights, and so one batched pass."""
  if not isinstance(network, Peer) or network.kind not in ENDS:
    return True
  return ENDS[network.kind][1] != 'interpolate'

"""AdaFM on a network of your own: a second level for frozen weights.

  python examples/wrap_your_network.py

`DnCNN` below stands for any Flax linen network that is already trained; its
code is not changed. `with_adafm` puts an AdaFM layer after its convolutions
while it runs, and `train` then trains these layers alone, at strength 1, for
the second level. At strength 0 the network is unchanged, bit for bit.
docs/wrap.md explains each step.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from adafm_jax.config.stages import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.data import sources
from adafm_jax.degrade import noise as noises
from adafm_jax.models import border, modulation
from adafm_jax.train import optim

START, END = 15.0, 75.0  # noise sigma of 255

# Rules must cover every parameter by its path; the first match counts.
ALL: optim.Rules = (('train', r'.*'),)
ADAFM_ALONE: optim.Rules = (
  ('train', r'.*/adafm/(kernel|bias)'),
  ('freeze', r'.*'),
)

Apply = Callable[[Any, jax.Array, jax.typing.ArrayLike], jax.Array]
Insert = Callable[[Any, jax.Array], Any]
Pair = tuple[jax.Array, jax.Array]  # clean and degraded
Batches = Iterator[Pair]


class DnCNN(nn.Module):
  """Your network: it predicts the noise and subtracts it.

  Attributes:
    features: channels of its hidden feature maps.
    depth: convolutions.
  """

  features: int = 16
  depth: int = 5

  @nn.compact
  def __call__(self, image: jax.Array) -> jax.Array:
    """Maps [B, H, W, C] to the same shape."""
    x = image
    for _ in range(self.depth - 1):
      x = nn.relu(nn.Conv(self.features, (3, 3))(x))
    return image - nn.Conv(image.shape[-1], (3, 3))(x)


def with_adafm(
  network: nn.Module,
  *,
  kernel_size: int = 1,
  where: Callable[[nn.Conv], bool] = lambda conv: True,
) -> tuple[Apply, Insert]:
  """Puts AdaFM layers after the convolutions of a linen network.

  Args:
    network: yours; it is called as network(image).
    kernel_size: side of the AdaFM filters, odd.
    where: which `nn.Conv` layers get one, for example by name.

  Returns:
    apply(params, image, strength) -> output, a pure function; strength is in
    [0, 1], one value or one per image. And insert(params, image) -> params,
    which adds AdaFM layers at identity: an `adafm` in each convolution's
    parameters.
  """

  def call(variables, image, strength, **options):
    values = jnp.asarray(strength, jnp.float32).reshape(-1, 1, 1, 1)

    def behind_conv(call_next, arguments, keywords, context):
      y = call_next(*arguments, **keywords)
      conv = context.module
      if (
        not isinstance(conv, nn.Conv)
        or context.method_name != '__call__'
        or not where(conv)
      ):
        return y
      adafm = modulation.AdaFM(kernel_size, name='adafm')
      return adafm(y, values, border.WholeImage())

    with nn.intercept_methods(behind_conv):
      return network.apply(variables, image, **options)

  def apply(params, image, strength):
    return call({'params': params}, image, strength)

  def insert(params, image):
    # Existing parameters are kept; missing ones are created, at zero.
    options = {'mutable': ['params'], 'rngs': {'params': jax.random.key(0)}}
    _, grown = call({'params': params}, image, 0.0, **options)
    return grown['params']

  return apply, insert


def train(
  apply: Apply,
  params: Any,
  batches: Batches,
  *,
  rules: optim.Rules,
  strength: float,
  steps: int,
  learning_rate: float = 3e-3,
) -> Any:
  """Trains the parameters that the rules name, at one strength, with L1 loss.

  Args:
    apply: of `with_adafm`.
    params: with AdaFM layers.
    batches: pairs (clean, degraded), float32 [B, H, W, C] in [0, 1].
    rules: `ADAFM_ALONE` for the adaptation.
    strength: 1 for the adaptation.
    steps: number of batches.
    learning_rate: of Adam at the start; it falls to zero along a cosine.

  Returns:
    The parameters; frozen ones are unchanged.
  """
  labels = optim.label_parameters(params, rules)
  print(optim.describe(params, labels))
  stage = StageConfig(
    steps=steps, learning_rate=learning_rate, schedule='cosine', b2=0.99
  )
  optimizer = optim.make_optimizer(stage, labels)

  @jax.jit
  def step(params, state, clean, degraded):
    def loss(params):
      params = optim.stop_frozen(params, labels)  # no gradients for frozen ones
      return jnp.abs(apply(params, degraded, strength) - clean).mean()

    updates, state = optimizer.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state

  state = optimizer.init(params)
  for _, (clean, degraded) in zip(range(steps), batches, strict=False):
    params, state = step(params, state, clean, degraded)
  return params


def noisy_patches(split: str, sigma: float, *, batch: int = 8) -> Batches:
  """Endless pairs (clean, noisy) cut from scikit-image's photographs."""
  loaded = sources.load(f'photos:{split}', field='split', channels=3)
  bank = jax.tree.map(jnp.asarray, banks.build([x.pixels for x in loaded]))
  for step in itertools.count():
    key = jax.random.fold_in(jax.random.key(1), step)
    yield _draw(key, bank, sigma, batch)


@functools.partial(jax.jit, static_argnames='batch')
def _draw(key, bank, sigma, batch):
  place, grain = jax.random.split(key)
  clean = banks.sample(place, bank, batch, 48).astype(jnp.float32) / 255
  return clean, noises.add_noise(grain, clean, sigma, protocol='clipped')


@functools.partial(jax.jit, static_argnames='apply')
def psnr(
  apply: Apply, params: Any, pair: Pair, strengths: jax.Array
) -> jax.Array:
  """PSNR in dB of a pair (clean, noisy) at each strength, in one pass."""
  clean, noisy = pair
  restored = jax.vmap(apply, (None, None, 0))(params, noisy, strengths)
  error = jnp.mean(jnp.square(restored - clean[None]), axis=(1, 2, 3, 4))
  return -10 * jnp.log10(error)


def main(steps: int = 600) -> None:
  """Trains a network for sigma 15, adapts it to 75, and measures both."""
  network = DnCNN()
  image = jnp.zeros((1, 8, 8, 3), jnp.float32)
  yours = network.init(jax.random.key(0), image)['params']
  apply, insert = with_adafm(network, kernel_size=3)
  params = insert(yours, image)
  # Your network is already trained; this one is trained first.
  params = train(
    apply,
    params,
    noisy_patches('train', START),
    rules=ALL,
    strength=0.0,
    steps=steps,
  )
  params = train(
    apply,
    params,
    noisy_patches('train', END),
    rules=ADAFM_ALONE,
    strength=1.0,
    steps=steps,
  )
  print('PSNR      strength 0  0.5    1')
  strengths = jnp.array([0.0, 0.5, 1.0])
  for sigma in (START, 40.0, END):
    pair = next(noisy_patches('evaluate', sigma, batch=64))
    found = psnr(apply, params, pair, strengths)
    print(f'sigma {sigma:2g}  ', '  '.join(f'{x:5.2f}' for x in found))


if __name__ == '__main__':
  main()

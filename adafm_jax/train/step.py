"""The training step: draw patches, degrade, loss, optimizer, average.

The step is one function for one device or many: the batch is sharded over
the mesh axis `data`, everything else is replicated, and the random draws
depend on the seed and the step alone, so that any number of devices or
processes sees the same global batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from adafm_jax.config.stages import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.degrade import noise as noises
from adafm_jax.models import restorer
from adafm_jax.train import optim


class TrainState(NamedTuple):
  """What a checkpoint holds; a pytree.

  Attributes:
    step: int32 [], steps done.
    params: the weights.
    ema: their moving average, or {} if it is turned off.
    opt_state: the optimizer's.
  """

  step: jax.Array
  params: restorer.Params
  ema: restorer.Params
  opt_state: Any


# Images on the device, or batches read from disk.
Feed = banks.Bank | Iterator[jax.Array]


class Points(NamedTuple):
  """What a stage learns: levels, and the strength that will serve each.

  Attributes:
    level: float32 [N], in the task's unit; a step draws one for each patch.
    strength: float32 [N] in [0, 1].
    weight: float32 [N], factor on the errors of a patch.
  """

  level: np.ndarray
  strength: np.ndarray
  weight: np.ndarray

  @classmethod
  def single(cls, level: float, strength: float) -> Points:
    """One level for all patches."""
    return cls(*np.array([[level], [strength], [1]], np.float32))


class Metrics(NamedTuple):
  """Sums over the steps of one dispatch; divide by `steps`.

  Attributes:
    loss: float32 [], sum of the steps' losses, image range [0, 1].
    mse: float32 [], sum of the steps' mean squared errors.
    steps: int32 [].
    bad_step: int32 [], the first step whose loss was not finite, or -1.
  """

  loss: jax.Array
  mse: jax.Array
  steps: jax.Array
  bad_step: jax.Array


@dataclasses.dataclass(frozen=True)
class StageConstants:
  """Everything about a stage that is constant in the compiled step.

  Attributes:
    apply: the network, see `restorer.make_apply`.
    stage: steps, batch, patch, schedule.
    labels: 'train' or 'freeze' for each parameter.
    points: levels and strengths. The basic stage has one level, at strength 0;
      the adaptation has one, at strength 1.
    noise: protocol of the noise that is drawn on the device, see
      `noise.add_noise`; None if images come with one degraded partner per
      point.
    mesh: devices, one axis `data`.
  """

  apply: restorer.Apply
  stage: StageConfig
  labels: Any
  points: Points
  noise: str | None
  mesh: Mesh

  @property
  def optimizer(self) -> optax.GradientTransformation:
    """See `optim.make_optimizer`."""
    return optim.make_optimizer(self.stage, self.labels)

  def shard(self, batch: jax.Array) -> jax.Array:
    """Splits the leading axis over the mesh."""
    sharding = NamedSharding(self.mesh, PartitionSpec('data'))
    return jax.lax.with_sharding_constraint(batch, sharding)


def init_state(
  constants: StageConstants, params: restorer.Params
) -> TrainState:
  """The state before the first step."""
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    # A copy: both are donated, and a buffer can be donated only once.
    ema=jax.tree.map(jnp.copy, params) if constants.stage.ema else {},
    opt_state=constants.optimizer.init(params),
  )


def draw_batch(
  constants: StageConstants, key: jax.Array, source: banks.Bank | jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Draws the batch of one step.

  Args:
    constants: of the stage.
    key: of the run and step.
    source: training images, or patches as `banks.sample` draws them.

  Returns:
    (clean, degraded, which): float32 [batch, patch, patch, C] in [0, 1], and
    the index of each patch's point, int32 [batch], or [1] if there is only one.
  """
  place, grain, draw = jax.random.split(key, 3)
  stage, count = constants.stage, len(constants.points.level)
  which = jnp.zeros((1,), jnp.int32)
  if count > 1:
    which = jax.random.randint(draw, (stage.batch,), 0, count)
  if isinstance(source, banks.Bank):
    pixels = banks.sample(place, source, stage.batch, stage.patch)
  else:
    pixels = source
  pixels = constants.shard(pixels).astype(jnp.float32) / 255
  if constants.noise is None:
    clean, *partners = jnp.split(pixels, 1 + count, axis=-1)
    if count == 1:
      return clean, partners[0], which
    index = which.reshape(1, -1, 1, 1, 1)
    degraded = jnp.take_along_axis(jnp.stack(partners), index, axis=0)[0]
    return clean, degraded, which
  sigma = jnp.asarray(constants.points.level)[which]
  sigma = sigma if count > 1 else sigma[0]
  noisy = noises.add_noise(grain, pixels, sigma, protocol=constants.noise)
  return pixels, constants.shard(noisy), which


def train_step(
  constants: StageConstants,
  key: jax.Array,
  source: banks.Bank | jax.Array,
  state: TrainState,
) -> tuple[TrainState, jax.Array, jax.Array]:
  """Takes one optimizer step.

  Args:
    constants: of the stage.
    key: of the run; the step number is folded in.
    source: see `draw_batch`.
    state: before the step.

  Returns:
    The new state, and the loss and mean squared error before the update.
  """
  step_key = jax.random.fold_in(key, state.step)
  clean, degraded, which = draw_batch(constants, step_key, source)
  strength = jnp.asarray(constants.points.strength)[which]
  if len(strength) == 1:
    strength = strength[0]
  weight = jnp.asarray(constants.points.weight)[which].reshape(-1, 1, 1, 1)

  def loss_fn(params):
    params = optim.stop_frozen(params, constants.labels)
    error = constants.apply(params, degraded, strength) - clean
    size = jnp.abs if constants.stage.loss == 'l1' else jnp.square
    return jnp.mean(size(weight * error)), jnp.mean(jnp.square(error))

  (loss, mse), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
  updates, opt_state = constants.optimizer.update(
    grads, state.opt_state, state.params
  )
  params = optax.apply_updates(state.params, updates)
  new_state = TrainState(
    step=state.step + 1,
    params=params,
    ema=_average(constants.stage.ema, state, params),
    opt_state=opt_state,
  )
  return new_state, loss, mse


def _average(decay: float, state: TrainState, params: Any) -> Any:
  """Updates the moving average, which follows faster in early steps.

  Written as a difference, so that a frozen weight's average stays exact.
  """
  if not decay:
    return {}
  age = state.step.astype(jnp.float32)
  rate = 1 - jnp.minimum(decay, (1 + age) / (10 + age))
  return jax.tree.map(lambda e, p: e + rate * (p - e), state.ema, params)


Dispatch = Callable[[TrainState, Feed, int], tuple[TrainState, Metrics]]


def make_dispatch(
  constants: StageConstants, key: jax.Array, per_call: int
) -> Dispatch:
  """Compiles many steps into one call.

  Args:
    constants: of the stage.
    key: of the run.
    per_call: 1 calls each step separately; more loops on the device. Use 1 for
      batches read from disk, and on the CPU, where XLA runs convolutions inside
      a loop on one thread.

  Returns:
    dispatch(state, feed, steps) -> (state, metrics). The state passed in is
    donated. One compilation serves every number of steps, and the arithmetic of
    a step does not depend on where a dispatch begins or ends.
  """

  def body(_, carry, source):
    state, metrics = carry
    step = state.step
    state, loss, mse = train_step(constants, key, source, state)
    bad = (metrics.bad_step < 0) & ~jnp.isfinite(loss)
    return state, Metrics(
      loss=metrics.loss + loss,
      mse=metrics.mse + mse,
      steps=metrics.steps + 1,
      bad_step=jnp.where(bad, step, metrics.bad_step),
    )

  replicated = NamedSharding(constants.mesh, PartitionSpec())

  @jax.jit(donate_argnums=(0, 1), out_shardings=replicated)
  def one(state, metrics, source):
    return body(0, (state, metrics), source)

  @jax.jit(donate_argnums=(0, 1), out_shardings=replicated)
  def many(state, metrics, bank, steps):
    return jax.lax.fori_loop(
      0, steps, lambda i, carry: body(i, carry, bank), (state, metrics)
    )

  one_by_one = _shares_threads(constants.mesh)

  def dispatch(state, feed, steps):
    metrics = _no_metrics(replicated)
    if per_call > 1:
      return many(state, metrics, feed, steps)
    for _ in range(steps):
      source = feed if isinstance(feed, banks.Bank) else next(feed)
      state, metrics = one(state, metrics, source)
      if one_by_one:
        jax.block_until_ready(metrics)
    return state, metrics

  return dispatch


def _shares_threads(mesh: Mesh) -> bool:
  """Whether several devices are simulated on one CPU, with one thread pool.

  The first devices of a step hold threads while they wait for the others, and
  the next step may hold the threads that those need. With several steps in
  flight, training would stall until XLA ends the process.
  """
  local = mesh.local_mesh.devices.ravel()
  return len(local) > 1 and local[0].platform == 'cpu'


def _no_metrics(sharding: NamedSharding) -> Metrics:
  """Metrics of zero steps, on the mesh."""
  zero, none = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32)
  return Metrics(*jax.device_put((zero, zero + 0, none, none - 1), sharding))

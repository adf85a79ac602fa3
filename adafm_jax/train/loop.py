"""The training loop of one stage: evaluate, save, step, log the step before.

In this order a checkpoint holds exactly what was evaluated, nothing is
stepped that the next start would not repeat, and the host reads the numbers
of a dispatch only when the next one is already under way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp

from adafm_jax.config import RunConfig
from adafm_jax.data.bank import Bank
from adafm_jax.errors import UserError
from adafm_jax.models.restorer import Params
from adafm_jax.train import logs
from adafm_jax.train.checkpoint import Store
from adafm_jax.train.step import Dispatch, Metrics, TrainState

# Named values to be written to the events, from the weights.
Validate = Callable[[Params], Iterable[tuple[str, float]]]


def released(state: TrainState) -> Params:
  """The weights that are evaluated and handed on: the average, if any."""
  return state.ema or state.params


def run(
  name: str,
  state: TrainState,
  bank: Bank,
  *,
  dispatch: Dispatch,
  stop: int,
  config: RunConfig,
  per_call: int,
  store: Store,
  events: logs.Events,
  validate: Validate,
) -> TrainState:
  """Trains from state.step to `stop`.

  Args:
    name: of the stage, for the console.
    state: where to begin; donated.
    bank: training images on the device.
    dispatch: compiled steps, see `step.make_dispatch`.
    stop: number of steps of the stage.
    config: intervals.
    per_call: most steps of one compiled call.
    store: where checkpoints go.
    events: where scalars go.
    validate: measures weights on held-out images.

  Returns:
    The state after the last step, saved and waited for by the caller.

  Raises:
    UserError: the loss, or a weight to be saved, is NaN or infinite.
  """
  start = step = int(state.step)
  clock = logs.Clock(step)
  pending: tuple[int, Metrics] | None = None

  def settle():
    nonlocal pending
    if pending:
      _report(
        name, *pending, stop=stop, clock=clock, events=events, store=store
      )
    pending = None

  while True:
    begun = step > start
    last = step == stop
    if begun and (last or step % config.evaluate_every == 0):
      settle()
      values = dict(validate(released(state)))
      shown = '  '.join(f'{k} {v:.2f} dB' for k, v in values.items())
      logs.say(f'{name} {step}: validation {shown}')
      events.scalars(step, {f'validation/{k}': v for k, v in values.items()})
      clock.read(step)
    if begun and (last or step % config.checkpoint_every == 0):
      settle()
      _check_finite(name, step, state, store)
      store.save(step, state)
    if last:
      return state
    due = step % config.log_every == 0
    if due and per_call == 1:
      settle()  # single steps keep the host busy: it would come to it late
    after = _next_boundary(step, stop, config, per_call)
    state, metrics = dispatch(state, bank, after - step)
    if due:
      settle()  # while the new dispatch runs
    elif pending:
      metrics = _merge(pending[1], metrics)
    step, pending = after, (after, metrics)


def _next_boundary(
  step: int, stop: int, config: RunConfig, per_call: int
) -> int:
  """Where the dispatch from `step` ends; depends on nothing but the step."""
  every = [config.log_every, config.evaluate_every, config.checkpoint_every]
  if per_call > 1:
    every.append(per_call)
  return min(stop, *((step // n + 1) * n for n in every))


@jax.jit
def _merge(a: Metrics, b: Metrics) -> Metrics:
  """Metrics of two dispatches, one after the other."""
  return Metrics(
    loss=a.loss + b.loss,
    mse=a.mse + b.mse,
    steps=a.steps + b.steps,
    bad_step=jnp.where(a.bad_step >= 0, a.bad_step, b.bad_step),
  )


def _report(
  name: str,
  step: int,
  metrics: Metrics,
  *,
  stop: int,
  clock: logs.Clock,
  events: logs.Events,
  store: Store,
) -> None:
  """Waits for a dispatch, checks it, writes its line and its events."""
  metrics = jax.device_get(metrics)
  if metrics.bad_step >= 0:
    raise _diverged(name, int(metrics.bad_step), 'loss', store)
  loss = float(metrics.loss / metrics.steps)
  psnr = -10 * math.log10(max(float(metrics.mse / metrics.steps), 1e-12))
  rate = clock.read(step)
  logs.say(
    f'{name} {step}/{stop}  {rate:.1f} steps/s  ETA'
    f' {logs.duration((stop - step) / rate)}  loss {loss:.4f}  PSNR'
    f' {psnr:.2f} dB'
  )
  events.scalars(
    step, {'train/loss': loss, 'train/psnr': psnr, 'train/steps_per_s': rate}
  )


@jax.jit
def _all_finite(tree):
  leaves = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]
  return jnp.all(jnp.stack(leaves))


def _check_finite(
  name: str, step: int, state: TrainState, store: Store
) -> None:
  """Keeps a broken state from replacing a good checkpoint."""
  if not _all_finite((state.params, state.ema)):
    raise _diverged(name, step - 1, 'update', store)


def _diverged(name: str, step: int, what: str, store: Store) -> UserError:
  kept = (
    f'the checkpoint of step {store.latest} is kept'
    if store.latest is not None
    else 'there is no earlier checkpoint'
  )
  return UserError(
    f'Stage {name} stopped: the {what} of step {step} (counted from 0) was NaN'
    f' or infinite; {kept}; a lower learning rate or a longer warm-up would be'
    ' right.'
  )

"""The training loop of one stage: evaluate, save, step, log the step before.

In this order a checkpoint holds exactly what was evaluated, no step is taken
that a resumed run would not repeat, and the host reads the metrics of a
dispatch only while the next one is running.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp

from adafm_jax.config.fields import RunConfig
from adafm_jax.errors import UserError
from adafm_jax.models.restorer import Params
from adafm_jax.train import logs
from adafm_jax.train.checkpoint import Checkpoints
from adafm_jax.train.step import Dispatch, Feed, Metrics, TrainState

# Measures weights: yields (name, value) pairs for the events.
Validate = Callable[[Params], Iterable[tuple[str, float]]]


def released(state: TrainState) -> Params:
  """The weights to evaluate and release: the moving average, if any."""
  return state.ema or state.params


@dataclasses.dataclass(kw_only=True)
class Loop:
  """The loop of one stage.

  Attributes:
    name: of the stage, for the console.
    dispatch: compiled steps, see `step.make_dispatch`.
    stop: number of steps of the stage.
    config: intervals.
    per_call: at most this many steps in one compiled call.
    store: for checkpoints.
    events: for scalars.
    validate: measures weights on held-out images.
  """

  name: str
  dispatch: Dispatch
  stop: int
  config: RunConfig
  per_call: int
  store: Checkpoints
  events: logs.Events
  validate: Validate
  _clock: logs.Clock = dataclasses.field(init=False)
  _pending: tuple[int, Metrics] | None = dataclasses.field(
    init=False, default=None
  )

  def run(self, state: TrainState, feed: Feed) -> TrainState:
    """Trains from state.step to `stop`.

    Args:
      state: to start from; donated.
      feed: training images on the device, or the batches from that step on.

    Returns:
      The state after the last step. Its checkpoint may not be written yet.

    Raises:
      UserError: the loss, or a weight to be saved, is NaN or infinite.
    """
    start = step = int(state.step)
    self._clock = logs.Clock(step)
    while True:
      last = step == self.stop
      if step > start and (last or step % self.config.evaluate_every == 0):
        self._evaluate(step, state)
      if step > start and (last or step % self.config.checkpoint_every == 0):
        self._save(step, state)
      if last:
        return state
      step, state = self._advance(step, state, feed)

  def _advance(
    self, step: int, state: TrainState, feed: Feed
  ) -> tuple[int, TrainState]:
    """Dispatches steps up to the next boundary, and logs the ones before."""
    due = step % self.config.log_every == 0
    if due and self.per_call == 1:
      self._log()  # now: single steps keep the host busy until the boundary
    after = _next_boundary(step, self.stop, self.config, self.per_call)
    state, metrics = self.dispatch(state, feed, after - step)
    if due:
      self._log()  # while the new dispatch runs
    elif self._pending:
      metrics = _merge(self._pending[1], metrics)
    self._pending = (after, metrics)
    return after, state

  def _evaluate(self, step: int, state: TrainState) -> None:
    self._log()
    values = dict(self.validate(released(state)))
    shown = '  '.join(f'{k} {v:.2f} dB' for k, v in values.items())
    logs.say(f'{self.name} {step}: validation {shown}')
    scalars = {f'validation/{k}': v for k, v in values.items()}
    self.events.scalars(step, scalars)
    self._clock.read(step)

  def _save(self, step: int, state: TrainState) -> None:
    """Saves the state, unless it is broken: it would replace a good one."""
    self._log()
    if not _all_finite((state.params, state.ema)):
      raise self._diverged(step - 1, 'update')
    self.store.save(step, state)

  def _log(self) -> None:
    """Waits for the pending dispatch, checks it, and logs its metrics."""
    if self._pending is None:
      return
    step, metrics = self._pending
    self._pending = None
    metrics = jax.device_get(metrics)
    if metrics.bad_step >= 0:
      raise self._diverged(int(metrics.bad_step), 'loss')
    loss = float(metrics.loss / metrics.steps)
    psnr = -10 * math.log10(max(float(metrics.mse / metrics.steps), 1e-12))
    rate = self._clock.read(step)
    left = logs.duration((self.stop - step) / rate)
    logs.say(
      f'{self.name} {step}/{self.stop}  {rate:.1f} steps/s  ETA {left}  loss'
      f' {loss:.3g}  PSNR {psnr:.2f} dB'
    )
    scalars = {'loss': loss, 'psnr': psnr, 'steps_per_s': rate}
    self.events.scalars(step, {f'train/{k}': v for k, v in scalars.items()})

  def _diverged(self, step: int, what: str) -> UserError:
    latest = self.store.latest
    kept = (
      'there is no earlier checkpoint'
      if latest is None
      else f'the checkpoint of step {latest} is kept'
    )
    return UserError(
      f'Stage {self.name} stopped: the {what} of step {step} (counted from 0)'
      f' was NaN or infinite; {kept}; try a lower learning rate or a longer'
      ' warm-up.'
    )


def _next_boundary(
  step: int, stop: int, config: RunConfig, per_call: int
) -> int:
  """Where the dispatch from `step` ends; depends on the step alone."""
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


@jax.jit
def _all_finite(tree):
  leaves = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]
  return jnp.all(jnp.stack(leaves))

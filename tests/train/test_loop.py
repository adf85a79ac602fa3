"""The loop with a network of one weight, or with none at all."""

import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_models
from tensorboardX.proto import event_pb2

from adafm_jax.config.fields import RunConfig
from adafm_jax.data import bank as banks
from adafm_jax.errors import UserError
from adafm_jax.train import checkpoint, logs, loop
from adafm_jax.train import mesh as meshes
from adafm_jax.train import step as steps
from adafm_jax.train.step import Metrics, TrainState


class _Clock:
  """Stands for the `time` module: time passes only where a test says so."""

  def __init__(self):
    self.now = 100.0

  def monotonic(self):
    return self.now


@pytest.fixture
def clock(monkeypatch):
  fake = _Clock()
  monkeypatch.setattr(logs, 'time', fake)
  return fake


class _Recorder:
  """Stands for the devices, the store and the events; prints what is asked."""

  latest = None

  def __init__(self, clock, seconds_a_step=0.25):
    self._clock = clock
    self._seconds = seconds_a_step
    self.scalars_of = {}

  def dispatch(self, state, bank, count):
    """Step k (from 0) has the loss k / 1000 and the squared error 0.01."""
    del bank
    begin = int(state.step)
    print(f'dispatch {begin} {begin + count}')
    self._clock.now += self._seconds * count
    losses = np.arange(begin, begin + count) / 1000
    metrics = Metrics(
      jnp.float32(losses.sum()),
      jnp.float32(0.01 * count),
      jnp.int32(count),
      jnp.int32(-1),
    )
    return state._replace(step=jnp.int32(begin + count)), metrics

  def save(self, step, state):
    assert int(state.step) == step
    print(f'save {step}')

  def validate(self, params):
    yield 'psnr_sigma_15', float(params['w'])

  def scalars(self, step, values):
    self.scalars_of.setdefault(step, {}).update(values)


def _run(recorder, *, start=0, stop=20, per_call=1, **config):
  state = TrainState(jnp.int32(start), {'w': jnp.float32(31.5)}, {}, ())
  fields = {'log_every': 5, 'evaluate_every': 10, 'checkpoint_every': 10}
  return loop.Loop(
    name='basic',
    dispatch=recorder.dispatch,
    stop=stop,
    config=RunConfig(**{**fields, **config}),
    per_call=per_call,
    store=recorder,
    events=recorder,
    validate=recorder.validate,
  ).run(state, None)


def _heads(text, words=3):
  """How the lines begin, up to the steps a second."""
  return [' '.join(line.split()[:words]) for line in text.splitlines()]


ORDER = {
  1: ['dispatch 0', 'basic 5/20', 'dispatch 5', 'basic 10/20'],
  # On accelerators a line is logged while the next call runs.
  5: ['dispatch 0', 'dispatch 5', 'basic 5/20', 'basic 10/20'],
}


@pytest.mark.parametrize('per_call', ORDER)
def test_order_is_log_evaluate_save_step(clock, capsys, per_call):
  _run(_Recorder(clock), per_call=per_call)
  lines = _heads(capsys.readouterr().out, 2)
  first, second = lines[:6], lines[6:]
  assert first == [*ORDER[per_call], 'basic 10:', 'save 10']
  later = {'0': '10', '5': '15', '5/20': '15/20', '10/20': '20/20'}
  later |= {'10:': '20:', '10': '20'}
  shifted = [x.split()[0] + ' ' + later[x.split()[1]] for x in first]
  assert second == shifted


def test_a_resumed_run_continues_with_what_was_left(clock, capsys):
  options = {'log_every': 4, 'evaluate_every': 10, 'checkpoint_every': 6}
  _run(_Recorder(clock), per_call=3, **options)
  whole = _heads(capsys.readouterr().out)
  _run(_Recorder(clock), start=12, per_call=3, **options)
  rest = _heads(capsys.readouterr().out)
  calls = [line for line in whole if line.startswith('dispatch')]
  again = [line for line in rest if line.startswith('dispatch')]
  assert calls[calls.index(again[0]) :] == again
  assert 'save 12' not in rest  # nor evaluated again
  assert whole[-2:] == rest[-2:] == ['basic 20: validation', 'save 20']


def test_calls_end_at_every_multiple_and_the_last_step(clock, capsys):
  _run(
    _Recorder(clock),
    stop=23,
    per_call=8,
    log_every=10,
    evaluate_every=7,
    checkpoint_every=100,
  )
  lines = capsys.readouterr().out.splitlines()
  ends = [int(line.split()[2]) for line in lines if line.startswith('disp')]
  assert ends == [7, 8, 10, 14, 16, 20, 21, 23]
  assert [line for line in lines if line.startswith('save')] == ['save 23']


def test_a_finished_stage_does_nothing(clock, capsys):
  state = _run(_Recorder(clock), start=20)
  assert int(state.step) == 20
  assert capsys.readouterr().out == ''


def test_line_tells_rate_time_left_and_means_since_the_last_one(clock, capsys):
  recorder = _Recorder(clock, seconds_a_step=2.0)
  _run(recorder, stop=600, per_call=4, log_every=10, evaluate_every=600)
  lines = capsys.readouterr().out.splitlines()
  # Steps 10 to 19 in calls of 2, 4 and 4: their mean loss is 14.5 / 1000; an
  # error of 0.01 is 20 dB; one call is in flight already.
  (line,) = [x for x in lines if x.startswith('basic 20/')]
  assert line == (
    'basic 20/600  0.5 steps/s  ETA 19:20  loss 0.0145  PSNR 20.00 dB'
  )
  scalars = recorder.scalars_of[20]
  assert scalars['train/loss'] == pytest.approx(0.0145, rel=1e-5)
  assert scalars['train/psnr'] == pytest.approx(20.0, rel=1e-5)
  assert scalars['train/steps_per_s'] == pytest.approx(0.5)
  assert recorder.scalars_of[600]['validation/psnr_sigma_15'] == 31.5
  assert 'basic 600: validation psnr_sigma_15 31.50 dB' in lines


def test_time_of_validation_is_not_counted_as_steps(clock, capsys):
  recorder = _Recorder(clock)
  validate = recorder.validate

  def slow(params):
    clock.now += 1000
    return validate(params)

  recorder.validate = slow
  _run(recorder)
  (line,) = [
    x for x in capsys.readouterr().out.splitlines() if x.startswith('basic 15/')
  ]
  assert '4.0 steps/s' in line


@pytest.mark.parametrize(
  ('seconds', 'text'),
  [(0, '0:00'), (59.6, '1:00'), (3599, '59:59'), (3661, '1:01:01')],
)
def test_durations(seconds, text):
  assert logs.duration(seconds) == text


def test_released_weights_are_the_average_if_there_is_one():
  state = TrainState(jnp.int32(0), {'w': 1.0}, {}, ())
  assert loop.released(state) == {'w': 1.0}
  assert loop.released(state._replace(ema={'w': 2.0})) == {'w': 2.0}


# From here on with real steps, checkpoints and event files.


def _real(**stage):
  """A constants, its first state and a bank, of one weight."""
  constants = tiny_models.make_constants(
    tiny_models.one_weight, {'w': 'train'}, batch=2, patch=4, **stage
  )
  state = steps.init_state(constants, {'w': jnp.float32(0.5)})
  bank = banks.build([np.full((6, 9, 3), 200, np.uint8)])
  return constants, *meshes.replicate((state, bank), constants.mesh)


def _train(folder, *, stop, wrap=lambda dispatch: dispatch, **stage):
  constants, state, bank = _real(steps=stop, **stage)
  dispatch = wrap(steps.make_dispatch(constants, jax.random.key(0), 1))
  with (
    checkpoint.Checkpoints(folder / 'checkpoints', 2) as store,
    logs.Events(folder / 'events', 0) as events,
  ):
    state = store.restore(state) if store.latest else state
    return loop.Loop(
      name='basic',
      dispatch=dispatch,
      stop=stop,
      config=RunConfig(log_every=5, evaluate_every=10, checkpoint_every=5),
      per_call=1,
      store=store,
      events=events,
      validate=lambda params: [('psnr', 10 * float(params['w']))],
    ).run(state, bank)


def _kept(folder):
  """Newest step and weights in a folder of checkpoints."""
  _, state, _ = _real(steps=1)
  with checkpoint.Checkpoints(folder / 'checkpoints', 2) as store:
    return store.latest, store.restore(state)


def _poison(before):
  """Breaks the weight right before a step, inside a dispatch or at its end."""

  def wrap(dispatch):
    def poisoned(state, bank, count):
      begin = int(state.step)
      state, metrics = dispatch(state, bank, min(count, before - begin))
      state = state._replace(params={'w': jnp.float32(np.inf)})
      if left := begin + count - before:
        state, last = dispatch(state, bank, left)
        metrics = jax.tree.map(jnp.add, metrics, last)
        metrics = metrics._replace(bad_step=last.bad_step)
      return state, metrics

    return lambda state, bank, count: (
      poisoned(state, bank, count)
      if int(state.step) < before <= int(state.step) + count
      else dispatch(state, bank, count)
    )

  return wrap


def test_a_diverging_run_stops_and_keeps_the_last_good_checkpoint(tmp_path):
  with pytest.raises(UserError) as caught:
    _train(tmp_path, stop=20, learning_rate=1e-2, wrap=_poison(8))
  sentence = str(caught.value)
  assert 'Stage basic stopped: the loss of step 8 (counted from 0)' in sentence
  assert 'the checkpoint of step 5 is kept' in sentence
  assert 'lower learning rate' in sentence
  step, state = _kept(tmp_path)
  assert step == int(state.step) == 5
  assert 0.5 < float(state.params['w']) < 0.6


def test_broken_weights_are_never_saved(tmp_path):
  # Step 9's update is broken and no loss has seen it when step 10 is due.
  with pytest.raises(UserError, match=r'the update of step 9 .* step 5 is'):
    _train(tmp_path, stop=20, wrap=_poison(10))
  assert _kept(tmp_path)[0] == 5


def test_without_a_checkpoint_the_sentence_says_so(tmp_path):
  with pytest.raises(UserError, match='there is no earlier checkpoint'):
    _train(tmp_path, stop=20, wrap=_poison(2))


def _events(folder):
  """Reads TensorBoard files as their format is: length, crc, record, crc."""
  found = {}
  for path in sorted(folder.iterdir()):
    data = path.read_bytes()
    while data:
      (length,) = struct.unpack('<Q', data[:8])
      event = event_pb2.Event.FromString(data[12 : 12 + length])
      data = data[16 + length :]
      for value in event.summary.value:
        found.setdefault(value.tag, {})[event.step] = value.simple_value
  return found


def test_events_and_checkpoints_hold_what_the_run_did(tmp_path, capsys):
  state = _train(tmp_path, stop=20, learning_rate=1e-2)
  w = float(state.params['w'])
  found = _events(tmp_path / 'events')
  assert set(found) == {
    'train/loss',
    'train/psnr',
    'train/steps_per_s',
    'validation/psnr',
  }
  assert list(found['train/loss']) == [5, 10, 15, 20]
  assert list(found['validation/psnr']) == [10, 20]
  assert found['validation/psnr'][20] == pytest.approx(10 * w, rel=1e-6)
  (line,) = [
    x for x in capsys.readouterr().out.splitlines() if x.startswith('basic 15/')
  ]
  assert f'loss {found["train/loss"][15]:.3g} ' in line
  # A weight of 0.5 doubles the error of a grey of 200 / 255, at first.
  assert 0.3 < found['train/loss'][5] < 0.4
  assert found['train/loss'][20] < found['train/loss'][5]
  step, kept = _kept(tmp_path)
  assert step == 20
  assert float(kept.params['w']) == w
  assert sorted(p.name for p in (tmp_path / 'checkpoints').iterdir()) == [
    '15',
    '20',
  ]

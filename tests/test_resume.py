"""Real runs, killed without warning and resumed: the same weights, bit for bit.

The quickstart, shrunk by overrides, as a user starts and resumes it.
"""

import json
import random
import signal
import threading
import time

import numpy as np
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
import small_runs
import small_sets

from adafm_jax.models import parameters
from adafm_jax.train import workdir as workdirs

TIMEOUT = 240  # seconds; a run that hangs is killed


def _arguments(smooth_images):
  return small_runs.arguments(
    smooth_images,
    stage={'batch': 2, 'warmup': 5, 'learning_rate': 2e-3, 'ema': 0.9},
    train__steps=60,
    adapt__steps=40,
    run__log_every=5,
    run__checkpoint_every=10,
    run__evaluate_every=30,
  )


def _start(workdir, arguments=(), **options):
  command = [*small_runs.MAIN, *arguments, '--workdir', workdir]
  return small_runs.start(command, **options)


def _kill(process):
  process.send_signal(signal.SIGKILL)


def _drive(process, *, line=None, seconds=None, writing=None):
  """Runs a process to its end, or kills it.

  Args:
    process: from `_start`.
    line: kill when a line begins so.
    seconds: kill after that time.
    writing: kill while a checkpoint is being written in this folder.

  Returns:
    (exit code, output).
  """
  timers = [threading.Timer(TIMEOUT, _kill, [process])]
  if seconds is not None:
    timers.append(threading.Timer(seconds, _kill, [process]))
  if writing is not None:
    watcher = threading.Thread(target=_kill_in_write, args=(process, writing))
    watcher.start()
  for timer in timers:
    timer.start()
  output = []
  try:
    for text in process.stdout:
      output.append(text)
      if line is not None and text.startswith(line):
        _kill(process)
  finally:
    for timer in timers:
      timer.cancel()
    code = process.wait()
    process.stdout.close()
  return code, ''.join(output)


def _kill_in_write(process, folder):
  """Kills it when it has begun its second checkpoint and not ended it."""
  seen = set()
  while process.poll() is None:
    if folder.is_dir():
      seen |= {p.name for p in folder.glob('*tmp*')}
      if len(seen) >= 2 and list(folder.glob('*tmp*')):
        _kill(process)
        return
    time.sleep(1e-4)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory, smooth_images):
  return _whole_run(tmp_path_factory.mktemp('whole'), smooth_images)


def _whole_run(workdir, smooth_images, **options):
  code, output = _drive(_start(workdir, _arguments(smooth_images), **options))
  assert code == 0, output
  return workdir


def _results(workdir):
  tensors = safetensors.numpy.load_file(workdir / 'model.safetensors')
  return tensors, json.loads((workdir / 'metrics.json').read_text())


def _assert_same(workdir, other):
  """Model and metrics; the training's own numbers follow from the model."""
  (tensors, metrics), (wanted, wanted_metrics) = map(_results, (workdir, other))
  assert tensors.keys() == wanted.keys()
  for name, tensor in tensors.items():
    np.testing.assert_array_equal(tensor, wanted[name], err_msg=name)
  assert metrics == wanted_metrics


def test_killed_twice_it_reaches_the_same_weights(
  tmp_path, smooth_images, uninterrupted
):
  checkpoints = tmp_path / 'checkpoints'
  first, output = _drive(
    _start(tmp_path, _arguments(smooth_images)), writing=checkpoints / 'basic'
  )
  assert first == -signal.SIGKILL, output
  second, output = _drive(_start(tmp_path), line='adapt 35/40')
  assert second == -signal.SIGKILL, output
  assert 'basic: resuming from step' in output
  last, output = _drive(_start(tmp_path))
  assert last == 0, output
  assert 'basic: done before' in output
  assert 'adapt: resuming from step' in output
  _assert_same(tmp_path, uninterrupted)
  # Nothing is left of the checkpoint that was cut short.
  assert sorted(p.name for p in (checkpoints / 'basic').iterdir()) == [
    '50',
    '60',
  ]


@pytest.mark.slow
def test_a_streamed_run_killed_twice_reaches_the_same_weights(
  tmp_path, smooth_images
):
  """Every start reads with another number of worker processes."""
  data_dir = tmp_path / 'data'
  small_sets.make_set(data_dir, source=smooth_images, holdout=1, side=0)
  fields = {
    'data.train': 'tfds:image_folder/train',
    'data.data_dir': data_dir,
    'data.placement': 'stream',
  }
  overrides = [f'--config.{name}={value}' for name, value in fields.items()]
  arguments = _arguments(smooth_images) + overrides
  code, output = _drive(
    _start(tmp_path / 'whole', [*arguments, '--config.run.workers=0'])
  )
  assert code == 0, output
  assert 'training images are read from disk' in output
  workdir = tmp_path / 'killed'
  arguments.append('--config.run.workers=2')
  first, output = _drive(
    _start(workdir, arguments), writing=workdir / 'checkpoints/basic'
  )
  assert first == -signal.SIGKILL, output
  arguments.append('--config.run.workers=1')
  second, output = _drive(_start(workdir, arguments), line='adapt 25/40')
  assert second == -signal.SIGKILL, output
  assert 'basic: resuming from step' in output
  last, output = _drive(_start(workdir))
  assert last == 0, output
  assert 'adapt: resuming from step' in output
  _assert_same(workdir, tmp_path / 'whole')
  device, output = _drive(
    _start(workdir, [*arguments, '--config.data.placement=device'])
  )
  assert device == 2
  assert "data.placement: 'stream' -> 'device'" in output


def test_the_backbone_is_the_basic_models_and_adafm_has_moved(uninterrupted):
  """By a run's own files: the adaptation changes AdaFM layers alone."""
  tensors, _ = _results(uninterrupted)
  config = workdirs.open_workdir(None, uninterrupted)
  basic = _basic_weights(uninterrupted, config)
  moved = {name for name in tensors if 'adafm' in name}
  assert set(basic) == set(tensors) - moved
  for name, weight in basic.items():
    np.testing.assert_array_equal(tensors[name], weight, err_msg=name)
  assert all(np.abs(tensors[n]).max() > 1e-4 for n in tensors if 'adafm' in n)


def _basic_weights(workdir, config):
  """The averaged weights in the last checkpoint of the basic stage."""
  folder = workdir / 'checkpoints/basic' / str(config.train.steps) / 'default'
  with ocp.StandardCheckpointer() as reader:
    return parameters.flatten(reader.restore(folder)['ema'])


@pytest.mark.slow
def test_a_finished_run_trains_no_more(uninterrupted):
  before = _results(uninterrupted)
  code, output = _drive(_start(uninterrupted))
  assert code == 0, output
  assert 'basic: done before' in output
  assert 'adapt: done before' in output
  after = _results(uninterrupted)
  for name, tensor in before[0].items():
    np.testing.assert_array_equal(tensor, after[0][name])


def test_another_config_is_refused_and_the_difference_shown(
  smooth_images, uninterrupted
):
  others = ['--config.seed=1', '--config.adapt.learning_rate=0.5']
  code, output = _drive(
    _start(uninterrupted, _arguments(smooth_images) + others)
  )
  assert code == 2
  assert output.startswith('error: ')
  assert output.count('\n') == 1
  assert 'seed: 0 -> 1' in output
  assert 'adapt.learning_rate: 0.002 -> 0.5' in output
  assert 'model.features' not in output


@pytest.mark.slow
def test_killed_at_many_random_moments(tmp_path, smooth_images):
  """Moments are parts of the time that a whole run takes on this machine."""
  whole, killed = tmp_path / 'whole', tmp_path / 'killed'
  began = time.monotonic()
  _whole_run(whole, smooth_images, optimize=True)
  duration = time.monotonic() - began
  arguments = _arguments(smooth_images)
  parts = random.Random(0)
  kills = 0
  # The first run compiles what the others find compiled, and takes longer.
  moments = [parts.uniform(0.03, 0.25) * duration for _ in range(8)]
  for moment in [*moments, None]:
    process = _start(killed, arguments, optimize=True)
    code, output = _drive(process, seconds=moment)
    if code == 0:
      break
    assert code == -signal.SIGKILL, output
    kills += 1
    if (killed / 'config.json').exists():
      arguments = ()
  assert code == 0, output
  assert kills >= 2
  _assert_same(killed, whole)


@pytest.mark.slow
def test_killed_in_every_checkpoint(tmp_path, smooth_images, uninterrupted):
  folder = tmp_path / 'checkpoints/adapt'
  arguments = _arguments(smooth_images)
  kills = 0
  while True:
    code, output = _drive(_start(tmp_path, arguments), writing=folder)
    arguments = ()
    if code == 0:
      break
    assert code == -signal.SIGKILL, output
    kills += 1
    assert kills < 20
  assert kills >= 2
  _assert_same(tmp_path, uninterrupted)


def test_all_weights_go_on_learning_from_a_released_model(
  uninterrupted, smooth_images, tmp_path
):
  given = uninterrupted / 'model.safetensors'
  arguments = [
    *_arguments(smooth_images),
    f'--config.model.init={given}',
    *[f'--config.{name}.steps=0' for name in ('train', 'adapt')],
    *[f'--config.{name}.warmup=0' for name in ('train', 'adapt')],
    *['--config.joint.steps=8', '--config.joint.batch=2'],
    *['--config.joint.patch=16', '--config.joint.learning_rate=2e-3'],
  ]
  code, output = _drive(_start(tmp_path, arguments))
  assert code == 0, output
  assert 'joint: 8/8' in output or 'joint 8/8' in output, output
  before, after = (
    safetensors.numpy.load_file(folder / 'model.safetensors')
    for folder in (uninterrupted, tmp_path)
  )
  assert before.keys() == after.keys()
  assert all(np.any(before[name] != after[name]) for name in before)
  assert (tmp_path / 'calibration_joint.json').exists()
  again, output = _drive(_start(tmp_path))
  assert again == 0
  assert 'joint: done before' in output

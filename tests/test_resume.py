"""Real runs, killed without warning and resumed: the same weights, bit for bit.

The quickstart, shrunk by overrides, as a user starts and resumes it.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
from PIL import Image

from adafm_jax.prepare import prepare
from adafm_jax.prepare.request import Request
from adafm_jax.train import workdir

ROOT = pathlib.Path(__file__).parents[1]
TIMEOUT = 240  # seconds; a run that hangs is killed


def _arguments(images):
  """The quickstart at a hundredth of its size."""
  fields = {
    'model.features': 4,
    'model.blocks': 1,
    'model.init_scale': 1.0,
    'data.train': images,
    'data.heldout': '',
    'data.holdout': 1,
    'run.log_every': 5,
    'run.checkpoint_every': 10,
    'run.evaluate_every': 30,
    'run.validate_images': 1,
    'evaluate.sets': '',
    'evaluate.levels': '15',
    'evaluate.ssim': 'false',
    'calibrate.levels': '15,45,75',
    'calibrate.order': 1,
    'calibrate.grid': '0,0.5,1',
    'sweep.strengths': '0,1',
    'sweep.images': 1,
    'train.steps': 60,
    'adapt.steps': 40,
  }
  for stage in ('train', 'adapt'):
    fields |= {
      f'{stage}.batch': 2,
      f'{stage}.patch': 16,
      f'{stage}.warmup': 5,
      f'{stage}.learning_rate': 2e-3,
      f'{stage}.ema': 0.9,
    }
  overrides = [f'--config.{name}={value}' for name, value in fields.items()]
  return ['--config', 'configs/quickstart.py', *overrides]


def _start(workdir, arguments=(), *, optimize=False):
  environment = {
    **os.environ,
    'JAX_PLATFORMS': 'cpu',
    'XLA_FLAGS': '',
    # Off, compiling takes a third of the time; slow tests have it on.
    'JAX_DISABLE_MOST_OPTIMIZATIONS': str(not optimize),
  }
  return subprocess.Popen(
    [sys.executable, '-m', 'adafm_jax.main', *arguments, '--workdir', workdir],
    cwd=ROOT,
    env=environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


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
def images(tmp_path_factory):
  folder = tmp_path_factory.mktemp('images')
  rng = np.random.default_rng(0)
  for i in range(4):
    y, x = np.mgrid[: 30 + i, :41]
    waves = [np.sin(a * x + b * y) for a, b in rng.uniform(0.1, 0.5, (3, 2))]
    pixels = np.rint(127 + 100 * np.stack(waves, -1)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / f'{i}.png')
  return folder


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory, images):
  return _whole_run(tmp_path_factory.mktemp('whole'), images)


@pytest.fixture(scope='module')
def optimized(tmp_path_factory, images):
  return _whole_run(tmp_path_factory.mktemp('fast'), images, optimize=True)


def _whole_run(workdir, images, **options):
  code, output = _drive(_start(workdir, _arguments(images), **options))
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
  tmp_path, images, uninterrupted
):
  checkpoints = tmp_path / 'checkpoints'
  first, output = _drive(
    _start(tmp_path, _arguments(images)), writing=checkpoints / 'basic'
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
def test_a_streamed_run_killed_twice_reaches_the_same_weights(tmp_path, images):
  """Every start reads with another number of worker processes."""
  data_dir = tmp_path / 'data'
  prepare.prepare(Request('image_folder', data_dir, images, holdout=1, side=0))
  fields = {
    'data.train': 'tfds:image_folder/train',
    'data.data_dir': data_dir,
    'data.placement': 'stream',
  }
  overrides = [f'--config.{name}={value}' for name, value in fields.items()]
  arguments = _arguments(images) + overrides
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
  config = workdir.open_workdir(None, uninterrupted)
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
    ema = reader.restore(folder)['ema']
  return {
    '/'.join(entry.key for entry in path): np.asarray(leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(ema)
  }


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
  images, uninterrupted
):
  others = ['--config.seed=1', '--config.adapt.learning_rate=0.5']
  code, output = _drive(_start(uninterrupted, _arguments(images) + others))
  assert code == 2
  assert output.startswith('error: ')
  assert output.count('\n') == 1
  assert 'seed: 0 -> 1' in output
  assert 'adapt.learning_rate: 0.002 -> 0.5' in output
  assert 'model.features' not in output


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(3))
def test_killed_at_many_random_moments(tmp_path, images, optimized, seed):
  """Delays grow, so that in the end every part of a run is interrupted."""
  delays = random.Random(seed)
  kills = 0
  for attempt in range(100):
    arguments = (
      () if (tmp_path / 'config.json').exists() else _arguments(images)
    )
    process = _start(tmp_path, arguments, optimize=True)
    code, output = _drive(process, seconds=delays.uniform(2, 5 + attempt / 2))
    if code == 0:
      break
    assert code == -signal.SIGKILL, output
    kills += 1
  assert kills >= 3
  _assert_same(tmp_path, optimized)


@pytest.mark.slow
@pytest.mark.parametrize('stage', ['basic', 'adapt'])
def test_killed_in_every_checkpoint(tmp_path, images, uninterrupted, stage):
  folder = tmp_path / 'checkpoints' / stage
  arguments = _arguments(images)
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

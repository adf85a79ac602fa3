"""Many devices, and many processes, learn what one does."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
import safetensors.numpy
import shared_measuring
import small_runs
import small_sets
import tiny_models
from jax.sharding import Mesh

from adafm_jax.data import bank as banks
from adafm_jax.errors import UserError
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import mesh as meshes
from adafm_jax.train import optim
from adafm_jax.train import step as steps
from adafm_jax.train.checkpoint import Checkpoints

ARCH = Architecture(features=4, blocks=1, kernel=3)
TIMEOUT = 150  # seconds


def _train(stage, mesh, count=10, store=None):
  """Losses of some steps, and the state after them.

  With a store, it goes on from what that holds, and saves the state.
  """
  arch = ARCH if stage == 'adapt' else ARCH.basic
  params = tiny_models.random_params(arch)
  constants = tiny_models.make_constants(
    restorer.make_apply(arch),
    optim.label_parameters(params, optim.STAGE_RULES[stage]),
    strength=stage == 'adapt',
    mesh=mesh,
    steps=10,
    batch=16,
    patch=12,
    learning_rate=1e-3,
    ema=0.5,
  )
  rng = np.random.default_rng(1)
  images = [rng.integers(0, 256, (15, 21 + i, 3), np.uint8) for i in range(5)]
  bank = meshes.replicate(banks.build(images), mesh)
  losses = []
  fresh = steps.init_state(constants, params)
  state = steps.TrainState(*meshes.replicate(fresh, mesh))
  if store and store.latest is not None:
    state = store.restore(state)
  dispatch = steps.make_dispatch(constants, jax.random.key(0), 1)
  for _ in range(count):
    state, metrics = dispatch(state, bank, 1)
    losses.append(float(metrics.loss))
  if store:
    store.save(int(state.step), state)
  return np.array(losses), state


@pytest.mark.parametrize('stage', ['basic', 'adapt'])
def test_eight_devices_learn_what_one_does(stage):
  one = Mesh(np.array(jax.devices()[:1]), ('data',))
  losses, state = _train(stage, meshes.make_mesh())
  wanted, wanted_state = _train(stage, one)
  assert len(wanted_state.step.devices()) == 1
  for leaf in jax.tree.leaves(state):
    assert len(leaf.devices()) == 8
    copies = [np.asarray(shard.data) for shard in leaf.addressable_shards]
    for copy in copies[1:]:  # replicas may never drift apart
      np.testing.assert_array_equal(copies[0], copy)
  np.testing.assert_allclose(losses, wanted, rtol=1e-6)
  assert np.ptp(wanted) > 1e-3 * wanted.mean()  # the batches do differ
  # A step moves a weight by up to 1e-3.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5),
    jax.device_get(state.params),
    jax.device_get(wanted_state.params),
  )


@pytest.mark.parametrize('stage', ['basic', 'adapt'])
def test_a_checkpoint_goes_on_with_fewer_devices(tmp_path, stage):
  losses, seen = [], []
  for count, done in ((8, 4), (2, 3), (1, 3)):
    mesh = Mesh(np.array(jax.devices()[:count]), ('data',))
    with Checkpoints(tmp_path / stage, 3) as store:
      kept = store.latest
      if kept is not None:  # restored as it was saved, bit for bit
        like = jax.tree.map(np.zeros_like, seen[-1])
        found = store.restore(steps.TrainState(*meshes.replicate(like, mesh)))
        assert len(jax.tree.leaves(found)[0].devices()) == count
        jax.tree.map(np.testing.assert_array_equal, found, seen[-1])
      made, state = _train(stage, mesh, done, store)
    losses += list(made)
    seen.append(jax.device_get(state))
  assert [int(state.step) for state in seen] == [4, 7, 10]
  one = Mesh(np.array(jax.devices()[:1]), ('data',))
  wanted, whole = _train(stage, one)
  np.testing.assert_allclose(losses, wanted, rtol=1e-6)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5),
    seen[-1].params,
    jax.device_get(whole.params),
  )


def test_the_batch_is_split_over_the_devices():
  """By what is compiled: no device holds more than its eighth of the batch."""
  mesh = meshes.make_mesh()
  seen = []

  def apply(params, image, strength):
    del strength
    jax.debug.inspect_array_sharding(image, callback=seen.append)
    return image * params['w'].reshape(1, 1, 1, 1)

  params = {'w': np.float32(1)}
  constants = tiny_models.make_constants(
    apply, {'w': 'train'}, mesh=mesh, steps=1, batch=16, patch=12
  )
  bank = meshes.replicate(banks.build([np.zeros((15, 21, 3), np.uint8)]), mesh)
  state = steps.TrainState(
    *meshes.replicate(steps.init_state(constants, params), mesh)
  )
  steps.make_dispatch(constants, jax.random.key(0), 1)(state, bank, 1)
  assert seen[0].shard_shape((16, 12, 12, 3)) == (2, 12, 12, 3)


def test_replicating_keeps_values_on_every_device():
  mesh = meshes.make_mesh()
  tree = {'a': np.arange(6, dtype=np.float32).reshape(2, 3), 'b': np.int32(7)}
  placed = meshes.replicate(tree, mesh)
  for name, leaf in placed.items():
    assert len(leaf.devices()) == 8
    for shard in leaf.addressable_shards:
      np.testing.assert_array_equal(shard.data, tree[name])


def test_a_batch_that_devices_cannot_share_is_reported():
  mesh = meshes.make_mesh()
  meshes.check_batch('train', 24, mesh)
  with pytest.raises(UserError, match=r'adapt\.batch is 12, which 8 devices'):
    meshes.check_batch('adapt', 12, mesh)


# From here on real processes, started as a user starts them.


def _arguments(images):
  return small_runs.arguments(
    images,
    stage={'steps': 10, 'batch': 4, 'warmup': 2, 'learning_rate': 1e-3},
    run__log_every=1,
    run__checkpoint_every=8,
    run__evaluate_every=10,
  )


def _start(command):
  """A process group of its own, so that all of it can be killed."""
  return small_runs.start(command, start_new_session=True)


def _finish(process, timeout=TIMEOUT):
  """(exit code, output); kills the whole group after the time."""
  try:
    output, _ = process.communicate(timeout=timeout)
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, signal.SIGKILL)
    process.wait()
  return process.returncode, output


def _local(count, *arguments):
  return _start(['bash', 'launch/local.sh', str(count), *arguments])


def _losses(output):
  """{(stage, step): loss} of the console's lines."""
  lines = re.findall(r'^(basic|adapt) (\d+)/\d+ .* loss (\S+)', output, re.M)
  return {(stage, int(step)): float(loss) for stage, step, loss in lines}


@pytest.mark.parametrize(
  ('placement', 'where'),
  [
    ('device', 'kept on the device'),
    pytest.param('stream', 'read from disk', marks=pytest.mark.slow),
  ],
)
def test_two_processes_learn_what_one_does(
  tmp_path, smooth_images, placement, where
):
  arguments = _arguments(smooth_images)
  if placement == 'stream':
    data = tmp_path / 'data'
    small_sets.make_set(data, source=smooth_images, holdout=1)
    arguments += [
      '--config.data.train=tfds:image_folder/train',
      f'--config.data.data_dir={data}',
      '--config.data.placement=stream',
      '--config.run.workers=0',
    ]
  arguments += ['--workdir']
  code, output = _finish(_local(2, *arguments, tmp_path / 'two'))
  assert code == 0, output
  one = _start([*small_runs.MAIN, *arguments, tmp_path / 'one'])
  code, one_output = _finish(one)
  assert code == 0, one_output
  assert '2 x cpu, 2 process(es)' in output
  assert ' 1 process(es)' in one_output
  # Each line once: the other process is silent.
  for words in (f'training images are {where}', 'basic 10/10', 'done in'):
    assert output.count(words) == 1
  losses, wanted = _losses(output), _losses(one_output)
  assert len(wanted) == 20
  assert losses.keys() == wanted.keys()
  for key, loss in losses.items():
    assert abs(loss - wanted[key]) < 1.5e-4, key  # one in the last place shown
  _assert_same_files(tmp_path / 'two', tmp_path / 'one')
  for stage in ('basic', 'adapt'):  # process 0 alone writes
    assert len(list((tmp_path / 'two' / 'events' / stage).iterdir())) == 1


def _assert_close(found, wanted):
  """JSON values that are the same but for rounding in the weights."""
  if isinstance(wanted, dict):
    assert found.keys() == wanted.keys()
    found, wanted = ([x[key] for key in wanted] for x in (found, wanted))
  if isinstance(wanted, list):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
      _assert_close(a, b)
  else:
    assert found == (
      pytest.approx(wanted, abs=1e-3) if isinstance(wanted, float) else wanted
    )


def _assert_same_files(folder, other):
  names = {path.name for path in other.iterdir()}
  assert names == {path.name for path in folder.iterdir()}
  assert {'model.safetensors', 'metrics.json', 'sweep.png'} <= names
  tensors, wanted = (
    safetensors.numpy.load_file(f / 'model.safetensors')
    for f in (folder, other)
  )
  assert tensors.keys() == wanted.keys()
  for name, tensor in tensors.items():
    np.testing.assert_allclose(
      tensor, wanted[name], rtol=1e-5, atol=1e-5, err_msg=name
    )
  for name in ('metrics.json', 'calibration.json'):
    found = [json.loads((f / name).read_text()) for f in (folder, other)]
    if name == 'calibration.json':  # weights that rounding alone tells apart
      assert all(len(x['asked'].pop('weights')) == 16 for x in found)
    _assert_close(*found)
  config, other_config = (
    json.loads((f / 'config.json').read_text()) for f in (folder, other)
  )
  assert config == other_config


@pytest.mark.parametrize('count', [2, 4])  # one of four has no image
def test_processes_that_share_the_measuring_find_what_one_does(count):
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    place = f'127.0.0.1:{free.getsockname()[1]}'
  paths = f'{small_runs.ROOT}{os.pathsep}{small_runs.ROOT / "tests"}'
  command = [sys.executable, '-m', 'shared_measuring', place, str(count)]
  running = [
    subprocess.Popen(
      [*command, str(i)],
      env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': paths},
      stdout=subprocess.PIPE,
      text=True,
      start_new_session=True,
    )
    for i in range(count)
  ]
  found = [_finish(process) for process in running]
  assert {code for code, _ in found} == {0}
  wanted = json.loads(shared_measuring.figures())
  for _, output in found:
    figures = json.loads(output.splitlines()[-1])  # after what gloo says
    names = figures.pop('gathered')
    assert names == [['0', '1', '2'][i::count] for i in range(count)]
    assert figures == {name: wanted[name] for name in figures}
  assert len(wanted['scores'][0]['images']) == shared_measuring.COUNT


def test_a_users_mistake_in_all_processes_is_reported_once(
  tmp_path, smooth_images
):
  arguments = [*_arguments(smooth_images), '--config.adapt.batch=5']
  code, output = _finish(_local(2, *arguments, '--workdir', tmp_path / 'run'))
  assert code == 2, output
  assert output.count('error: adapt.batch is 5, which 2 devices') == 1


@pytest.mark.slow
def test_when_the_main_process_fails_nobody_waits(tmp_path, smooth_images):
  # Found only at the end, by process 0 alone: a result cannot be written.
  workdir = tmp_path / 'run'
  (workdir / 'model.safetensors').mkdir(parents=True)
  arguments = [*_arguments(smooth_images), '--workdir', workdir]
  code, output = _finish(_local(2, *arguments))
  assert code == 2, output
  assert re.search('^error: .*model.safetensors', output, re.M), output


def _pid_of(process, workdir):
  """The process that was started as number `process` of a run."""
  for folder in pathlib.Path('/proc').glob('[0-9]*'):
    with contextlib.suppress(OSError):
      words = (folder / 'cmdline').read_bytes().split(b'\0')
      wanted = [b'--process', str(process).encode()]
      ours = str(workdir).encode() in words and b'--process' in words
      at = words.index(b'--process') if ours else 0
      if ours and words[at : at + 2] == wanted:
        return int(folder.name)
  raise AssertionError(f'process {process} is not there')


def _wait_for_checkpoint(workdir):
  store = workdir / 'checkpoints' / 'basic'
  for _ in range(TIMEOUT * 10):
    if store.is_dir() and any(p.name.isdigit() for p in store.iterdir()):
      return
    time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_a_run_whose_process_dies_or_stalls_starts_again(
  tmp_path, smooth_images, number
):
  steps = 400
  arguments = [
    *_arguments(smooth_images),
    f'--config.train.steps={steps}',
    '--config.run.log_every=50',
  ]
  workdir = tmp_path / 'run'
  run = _local(2, '--restarts', '2', *arguments, '--workdir', workdir)
  _wait_for_checkpoint(workdir)
  os.kill(_pid_of(1, workdir), number)
  began = time.monotonic()
  code, output = _finish(run, TIMEOUT + meshes.SILENCE)
  assert code == 0, output
  assert 'starting again from the last checkpoint (1 of 2)' in output
  assert re.search(r'^basic: resuming from step \d+', output, re.M)
  assert (workdir / 'model.safetensors').exists()
  if number == signal.SIGSTOP:
    assert time.monotonic() - began > meshes.SILENCE / 2


@pytest.mark.slow
@pytest.mark.parametrize(('count', 'then'), [(2, 2), (4, 1)])
def test_a_process_killed_and_resumed_on_others_changes_no_loss(
  tmp_path, smooth_images, count, then
):
  """As many processes, one of which is killed; then as many go on."""
  arguments = [
    *_arguments(smooth_images),
    '--config.train.steps=120',
    '--config.run.log_every=8',  # as often as a checkpoint is kept
    '--config.run.evaluate_every=120',
  ]
  one = _start([*small_runs.MAIN, *arguments, '--workdir', tmp_path / 'one'])
  code, output = _finish(one)
  assert code == 0, output
  wanted = _losses(output)
  workdir = tmp_path / 'run'
  run = _local(count, *arguments, '--workdir', workdir)
  _wait_for_checkpoint(workdir)
  os.kill(_pid_of(count - 1, workdir), signal.SIGKILL)
  code, output = _finish(run)
  assert code != 0, output
  losses = _losses(output)
  assert 0 < len(losses) < len(wanted)
  code, output = _finish(_local(then, '--workdir', workdir))
  assert code == 0, output
  assert re.search(r'^basic: resuming from step \d+', output, re.M), output
  again = _losses(output)
  assert losses | again == pytest.approx(wanted, abs=1.5e-4)
  _assert_same_files(workdir, tmp_path / 'one')

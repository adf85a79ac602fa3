import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from full_disk import full_disk

from adafm_jax import files
from adafm_jax.config import parse as configs
from adafm_jax.errors import UserError
from adafm_jax.train import checkpoint, logs
from adafm_jax.train import workdir as workdirs
from adafm_jax.train.step import TrainState


def test_a_workdir_is_one_process_s(tmp_path):
  program = (
    'import sys, pathlib; from adafm_jax.train import workdir\n'
    'with workdir.locked(pathlib.Path(sys.argv[1])):\n'
    '  print("held", flush=True); sys.stdin.read()'
  )
  other = subprocess.Popen(
    [sys.executable, '-c', program, str(tmp_path / 'run')],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
  )
  with other:
    assert other.stdout.readline() == b'held\n'
    with (
      pytest.raises(UserError, match='Another process trains'),
      workdirs.locked(tmp_path / 'run'),
    ):
      pass
    other.kill()
  with workdirs.locked(tmp_path / 'run'):
    assert (tmp_path / 'run').is_dir()


def test_how_a_run_proceeds_may_change(tmp_path):
  config = configs.parse({'run': {'log_every': 5}})
  workdirs.open_workdir(config, tmp_path)
  changed = configs.parse({'run': {'log_every': 50}})
  assert workdirs.open_workdir(changed, tmp_path) == changed


def _begin(workdir, *names, step=3):
  """A workdir in which stages have checkpoints."""
  files.write_json(workdir / 'config.json', {})
  for name in names:
    with checkpoint.Checkpoints(workdir / 'checkpoints' / name, 1) as store:
      store.save(step, _state(step))


def test_a_run_that_learnt_nothing_may_change(tmp_path):
  _begin(tmp_path)
  changed = configs.parse({'train': {'learning_rate': 1e-5}})
  assert workdirs.open_workdir(changed, tmp_path) == changed
  _begin(tmp_path, 'basic')
  with pytest.raises(
    UserError, match=r'train\.learning_rate: 0\.0001 -> 1e-05'
  ):
    workdirs.open_workdir(changed, tmp_path)


def test_images_may_be_read_from_another_place(tmp_path):
  _begin(tmp_path, 'basic')
  moved = configs.parse({'data': {'train': '/new', 'heldout': '/other'}})
  assert workdirs.open_workdir(moved, tmp_path) == moved


@pytest.mark.parametrize('later', ['adapt', 'joint'])
def test_steps_stay_once_a_later_stage_has_begun(tmp_path, later):
  flat = {'schedule': 'trapezoid'}
  stages = dict.fromkeys(('train', 'adapt', 'path', 'joint'), flat)
  stages['joint'] = flat | {'steps': 20}
  _begin(tmp_path, 'basic', later)
  files.write_json(tmp_path / 'config.json', stages)
  more = stages | {'train': flat | {'steps': 5_000_000}}
  with pytest.raises(UserError, match=f'holds a later stage, {later}'):
    workdirs.open_workdir(configs.parse(more), tmp_path)
  more = stages | {'joint': flat | {'steps': 40}}
  assert workdirs.open_workdir(configs.parse(more), tmp_path).joint.steps == 40


def test_a_workdir_without_a_run_cannot_be_resumed(tmp_path):
  with pytest.raises(UserError, match=r'no run to resume .*config\.json'):
    workdirs.open_workdir(None, tmp_path / 'empty')
  assert not (tmp_path / 'empty').exists()


@pytest.mark.parametrize(
  'text', ['{"seed": 0', '[]', '{"train": 3}', '{"seeds": 1}', '\x00\x01']
)
def test_a_broken_config_file_is_named(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=r'Cannot use .*config\.json'):
    workdirs.open_workdir(None, tmp_path)


def _state(step):
  noise = np.random.default_rng(step).normal(size=(200, 200))
  return TrainState(jnp.int32(step), {'w': jnp.float32(noise)}, {}, {})


# Other writes answer an event loop that orbax has closed by then.
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.usefixtures('unfinished_writes')
def test_a_full_disk_is_one_sentence_and_costs_no_checkpoint(tmp_path, capfd):
  folder = tmp_path / 'checkpoints' / 'basic'
  with checkpoint.Checkpoints(folder, 2) as store:
    store.save(3, _state(3))
  with (
    full_disk(),
    pytest.raises(UserError) as caught,
    workdirs.explaining_full_disk(tmp_path),
    checkpoint.Checkpoints(folder, 2) as store,
  ):
    store.save(4, _state(4))
  (problem,) = caught.value.problems
  assert f'{tmp_path} is full' in problem
  assert 'step 3 of stage basic' in problem
  assert 'Traceback' not in capfd.readouterr().err
  assert [path.name for path in folder.iterdir() if path.is_dir()] == ['3']
  with checkpoint.Checkpoints(folder, 2) as store:
    found = store.restore(_state(0))
    store.save(4, _state(4))  # once there is room
  np.testing.assert_array_equal(found.params['w'], _state(3).params['w'])


def _write_events(folder):
  with logs.Events(folder, 0) as events:
    for step in range(9):
      events.scalars(step, {'loss': 1.0})


def _write_model(folder):
  files.write_bytes(folder / 'model', bytes(200))


@pytest.mark.parametrize('write', [_write_events, _write_model])
def test_so_is_one_that_is_full_of_something_else(write, tmp_path, capfd):
  full = pytest.raises(UserError, match='is full')
  with full_disk(100), full, workdirs.explaining_full_disk(tmp_path):
    write(tmp_path)
  assert capfd.readouterr().err == ''


def test_other_errors_keep_their_traceback(tmp_path):
  with (
    pytest.raises(ZeroDivisionError),
    workdirs.explaining_full_disk(tmp_path),
  ):
    _ = 1 / 0


def test_words_about_a_full_disk_are_not_taken_for_one(tmp_path):
  said = 'photos/No space left on device.png is broken'
  with (
    pytest.raises(RuntimeError, match='is broken'),
    workdirs.explaining_full_disk(tmp_path),
  ):
    raise RuntimeError(said)

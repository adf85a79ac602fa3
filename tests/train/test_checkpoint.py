import jax.numpy as jnp
import numpy as np
import optax
import pytest

from adafm_jax.errors import UserError
from adafm_jax.train.checkpoint import Checkpoints
from adafm_jax.train.step import TrainState

# After a read has failed, the storage's other reads answer an event loop that
# orbax has closed by then; Python can only print that.
pytestmark = pytest.mark.filterwarnings(
  'ignore::pytest.PytestUnraisableExceptionWarning'
)


def _state(step, size=300, optimizer=None, name='w', ema=False):
  params = {name: jnp.full((size, size), float(step))}
  optimizer = optimizer or optax.adam(1e-3)
  average = params if ema else {}
  return TrainState(jnp.int32(step), params, average, optimizer.init(params))


@pytest.fixture
def folder(tmp_path):
  with Checkpoints(tmp_path / 'basic', 3) as store:
    for step in (1, 2, 3):
      store.save(step, _state(step))
  return tmp_path / 'basic'


def _damage(folder, step, pattern='*'):
  """Overwrites the files of a checkpoint."""
  hit = [p for p in (folder / str(step)).rglob(pattern) if p.is_file()]
  assert hit
  for path in hit:
    path.write_bytes(b'damaged')


@pytest.mark.parametrize('pattern', ['*', 'd/*', '_METADATA'])
def test_a_damaged_newest_checkpoint_falls_back(folder, pattern, capsys):
  _damage(folder, 3, pattern)
  with Checkpoints(folder, 3) as store:
    found = store.restore(_state(0))
    assert store.latest == 2
    assert (folder / 'unreadable-3-1').is_dir()  # kept
    store.save(3, _state(30))  # the step can be saved again
  np.testing.assert_array_equal(found.params['w'], np.full((300, 300), 2.0))
  out = capsys.readouterr().out
  assert 'step 3' in out
  assert 'going on from step 2' in out
  with Checkpoints(folder, 3) as store:
    assert int(store.restore(_state(0)).step) == 30


def test_no_whole_checkpoint_is_one_sentence(folder):
  for step in (1, 2, 3):
    _damage(folder, step)
  with Checkpoints(folder, 3) as store, pytest.raises(UserError) as caught:
    store.restore(_state(0))
  (problem,) = caught.value.problems
  assert str(folder) in problem
  assert 'can be read' in problem


@pytest.mark.parametrize(
  'other',
  [
    {'size': 200},
    {'name': 'v'},
    {'ema': True},
    {'optimizer': optax.sgd(1e-3)},
  ],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(folder, other):
  with Checkpoints(folder, 3) as store:
    with pytest.raises(UserError, match=r'step 3 .* does not fit .*--workdir'):
      store.restore(_state(0, **other))
    assert store.latest == 3

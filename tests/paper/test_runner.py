"""Lists at a size that takes seconds: trained, measured, resumed, reported."""

import json
import os

import numpy as np
import pytest
from full_disk import full_disk

from adafm_jax import files
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.paper import learn, lists, runner, systems
from adafm_jax.paper.folder import Folder
from adafm_jax.paper.variation import Variation

pytestmark = pytest.mark.slow  # trains several networks
LIST = """
from adafm_jax.paper.variation import Variation

def get_variations():
  return [
    Variation(task='denoise', start=15, end=75, levels=(45,)),
    Variation(task='denoise', system='basic', start=75),
    Variation(task='denoise', start=15, end=25),
  ]
"""


def fields(images, **others):
  return {
    'preset': 'tiny',
    'data.train': str(images),
    'data.heldout': '',
    'data.holdout': '1',
    'train.batch': '8',
    'adapt.batch': '8',
    **others,
  }


@pytest.fixture(scope='module')
def done(tmp_path_factory, smooth_images):
  """A list that ran to its end: (file, workdir, images)."""
  folder = tmp_path_factory.mktemp('lists')
  file = folder / 'few.py'
  file.write_text(LIST)
  asked = lists.read(str(file), fields(smooth_images))
  assert runner.run(asked, folder / 'w') == []
  return file, folder / 'w', smooth_images


def read(done, **others):
  file, _, images = done
  return lists.read(str(file), fields(images, **others))


def folder_of(done, **values):
  return Folder(done[1], read(done).base, Variation(task='denoise', **values))


def test_a_shared_basic_model_is_trained_once(done):
  names = [x.name for x in (done[1] / 'runs').iterdir()]
  assert sum(x.startswith('denoise-basic-15') for x in names) == 1
  assert len(names) == 4


def test_adaptation_starts_from_the_shared_basic_model(done):
  basic = folder_of(done, system='basic', start=15).params()
  for end in (75, 25):
    adapted = folder_of(done, start=15, end=end).params()
    head = adapted['head']['kernel']
    np.testing.assert_array_equal(head, basic['head']['kernel'])
    assert np.any(adapted['block_00']['adafm_1']['kernel'])


def test_measured_at_the_ends_and_at_the_best_strength_between(done):
  rows = folder_of(done, start=15, end=75).read('measured.json', None)
  assert [row['level'] for row in rows] == [15, 75, 45]
  assert [row['strength'] for row in rows[:2]] == [0, 1]
  search = rows[2]['search']
  assert rows[2]['strength'] == search['best']
  # The result is that of the network at this strength.
  base, v = read(done).base, Variation(task='denoise', start=15, end=75)
  config = systems.configure(base, v)
  params = Folder(done[1], base, v).params()
  (image,) = learn.load(base, v).sets['heldout']
  noise = rows[2]['images'][image.name]
  from adafm_jax.evaluate.protocol import Protocol, make_case

  case = make_case(image, 45.0, Protocol.of('denoise'))
  out = Network(config.arch, params).restore(
    case.degraded[None], rows[2]['strength']
  )[0]
  pixels = np.rint(np.clip(out, 0, 1) * 255)
  error = np.mean((pixels - image.pixels.astype(float)) ** 2)
  np.testing.assert_allclose(noise, 10 * np.log10(255**2 / error), atol=1e-3)


def test_what_is_done_is_not_done_again(done):
  before = {x: x.stat().st_mtime_ns for x in done[1].rglob('*.json')}
  assert runner.run(read(done), done[1]) == []
  assert {x: x.stat().st_mtime_ns for x in done[1].rglob('*.json')} == before


def test_another_config_in_the_same_workdir_is_refused(done):
  asked = read(done, **{'train.learning_rate': '0.5'})
  with pytest.raises(UserError, match=r'train\.learning_rate.*0\.5'):
    runner.run(asked, done[1])


def test_one_failure_does_not_stop_the_others(tmp_path, smooth_images):
  file = tmp_path / 'two.py'
  file.write_text(
    LIST.replace('start=15, end=75, levels=(45,)', 'start=15, end=50')
  )
  asked = lists.read(
    str(file), fields(smooth_images, **{'adapt.learning_rate': '1e38'})
  )
  failed = runner.run(asked, tmp_path / 'w')
  assert len(failed) == 2
  assert all('NaN or infinite' in x for x in failed)
  basic = Folder(
    tmp_path / 'w',
    asked.base,
    Variation(task='denoise', system='basic', start=75),
  )
  assert basic.read('measured.json', [])
  notes = list((tmp_path / 'w' / 'runs').glob('*/failed.txt'))
  assert len(notes) == 2


# As in tests/train/test_workdir.py.
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.usefixtures('unfinished_writes')
def test_a_full_disk_stops_all(done, tmp_path):
  with full_disk(), pytest.raises(UserError) as caught:
    runner.run(read(done), tmp_path / 'w')
  (problem,) = caught.value.problems
  assert f'{tmp_path}/w/runs/denoise-basic-15' in problem
  assert 'is full' in problem
  assert not list((tmp_path / 'w').glob('runs/*/failed.txt'))
  assert not list((tmp_path / 'w').glob('runs/*/checkpoints/*/*tmp'))


def test_a_locked_run_is_left_to_the_other_process(done, monkeypatch):
  """While another process holds a run, this one waits for its results."""
  asked = read(done)
  folder = folder_of(done, start=15, end=25)
  rows = folder.read('measured.json', [])
  (folder.path / 'measured.json').unlink()
  waited = []

  def other_process_finishes(_):
    waited.append(not (folder.path / 'measured.json').exists())
    files.write_json(folder.path / 'measured.json', rows)

  monkeypatch.setattr(runner.time, 'sleep', other_process_finishes)
  with files.locked(folder.path / '.lock', 'busy'):
    assert runner.run(asked, done[1]) == []
  assert waited == [True]
  assert json.loads((folder.path / 'measured.json').read_text()) == rows


def test_what_failed_in_another_process_is_not_tried_again(done, monkeypatch):
  asked = read(done)
  folder = folder_of(done, start=15, end=25)
  rows = folder.read('measured.json', [])
  (folder.path / 'measured.json').unlink()

  def other_process_fails(_):
    files.write_text(folder.path / 'failed.txt', 'the loss is NaN\n')

  monkeypatch.setattr(runner.time, 'sleep', other_process_fails)
  with files.locked(folder.path / '.lock', 'busy'):
    (failed,) = runner.run(asked, done[1])
  assert failed == (
    'denoise 15 -> 25, adafm 1x1 failed in another process: the loss is NaN'
  )
  # Started again, the list tries it again.
  os.utime(folder.path / 'failed.txt', (0, 0))
  assert runner.run(asked, done[1]) == []
  assert folder.read('measured.json', []) == rows
  assert not (folder.path / 'failed.txt').exists()

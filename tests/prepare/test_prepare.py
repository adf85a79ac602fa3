"""Preparation: what it refuses, and what interrupts it."""

import contextlib
import fcntl
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import small_configs
import small_sets
from PIL import Image

from adafm_jax import cli
from adafm_jax.data import prepared, sources
from adafm_jax.errors import UserError
from adafm_jax.prepare import prepare, write
from adafm_jax.train import images as training

ROOT = pathlib.Path(__file__).parents[2]


def test_all_unreadable_files_are_listed(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(5))
  whole = (source / '001.png').read_bytes()
  (source / '001.png').write_bytes(whole[:-40])
  (source / '003.png').write_text('no image')
  small_sets.write(
    source, {'004': small_sets.random_pixels(9, 8, 8, 3)}, '.bmp'
  )
  problems = small_sets.problems_of(tmp_path / 'out', source=source, holdout=1)
  assert len(problems) == 3
  assert '2 images of image_folder are called 004' in problems[0]
  for problem, name in zip(problems[1:], ('001', '003'), strict=True):
    assert f'Cannot read the image {source / name}.png' in problem
  assert small_sets.visible(tmp_path / 'out') == []


def test_a_wrong_folder_does_not_fill_the_screen(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(30))
  problems = small_sets.problems_of(tmp_path / 'out', 'kodak24', source=source)
  assert len(problems) == 21
  assert problems[0].startswith('kodak24 has 24 images in split test, but 30')
  assert problems[-1] == 'There are 12 more of these.'


def test_a_copy_of_a_training_image_does_not_validate(tmp_path):
  images = small_sets.make_images(3)
  images['zzz'] = images['001']
  source = small_sets.write(tmp_path / 'in', images)
  (problem,) = small_sets.problems_of(
    tmp_path / 'out', source=source, holdout=1
  )
  assert 'split valid are in split train too, by their pixels: zzz' in problem


@pytest.mark.parametrize(
  ('fields', 'sentence'),
  [
    ({'dataset': 'div3k'}, "no data set 'div3k'"),
    ({'task': 'dejpeg'}, 'Give --task and --levels together'),
    ({'task': 'denoise', 'levels': (15.0,)}, 'must be dejpeg or sr'),
    ({'task': 'dejpeg', 'levels': (0.0,)}, 'quality'),
    ({'channels': 1}, '--channels is for degraded partners: give --task'),
    ({'step': 0}, '--step is 0; it must be 1 to --side (480)'),
    ({'side': -1}, '--side and --holdout must be 0 or more'),
    ({'holdout': 3}, '--holdout is 3, but there are only 3 training image(s)'),
    ({'called': 'a/b'}, "--name is 'a/b'; use letters"),
    ({'source': pathlib.Path('/absent')}, 'no folder or file /absent'),
  ],
)
def test_requests_that_make_no_sense(tmp_path, fields, sentence):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  problems = small_sets.problems_of(
    tmp_path / 'out', **{'source': source, **fields}
  )
  assert sentence in problems[0]


def test_what_is_prepared_is_replaced_only_if_asked_and_when_whole(tmp_path):
  first = small_sets.write(tmp_path / 'first', small_sets.make_images(3))
  second = small_sets.write(tmp_path / 'second', small_sets.make_images(5))
  where = small_sets.make_set(tmp_path, source=first, holdout=1)
  before = small_sets.files(where)
  (problem,) = small_sets.problems_of(tmp_path, source=second, holdout=1)
  assert 'already prepared' in problem
  assert '--overwrite' in problem
  (second / '002.png').write_text('broken')
  small_sets.problems_of(tmp_path, source=second, holdout=1, overwrite=True)
  assert small_sets.files(where) == before
  (second / '002.png').unlink()
  small_sets.make_set(tmp_path, source=second, holdout=1, overwrite=True)
  assert len(prepared.open_split('image_folder', 'train', tmp_path)) == 3
  assert small_sets.visible(tmp_path) == ['first', 'image_folder', 'second']


@pytest.mark.parametrize('killed', [False, True])
def test_stopped_while_it_replaces_a_set_that_set_is_kept(
  tmp_path, monkeypatch, killed
):
  first = small_sets.write(tmp_path / 'first', small_sets.make_images(3))
  where = small_sets.make_set(tmp_path, source=first, holdout=1)
  before, rename = small_sets.files(where), pathlib.Path.rename

  def stopping(path, target):
    if target == where and path.name != 'replaced':
      raise OSError('the disk is gone')
    return rename(path, target)

  with monkeypatch.context() as patch:
    patch.setattr(pathlib.Path, 'rename', stopping)
    if killed:  # nothing is tidied up
      patch.setattr(prepare, '_empty', lambda *_: None)
    small_sets.problems_of(tmp_path, source=first, holdout=1, overwrite=True)
  assert where.exists() != killed
  (first / '000.png').write_text('broken')
  small_sets.problems_of(tmp_path, source=first, holdout=1, overwrite=True)
  assert small_sets.files(where) == before


def test_one_preparation_of_a_set_at_a_time(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  with (tmp_path / '.preparing-image_folder.lock').open('w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    (problem,) = small_sets.problems_of(tmp_path, source=source, holdout=1)
    assert 'being prepared' in problem
  small_sets.make_set(tmp_path, source=source, holdout=1)


def _start(data_dir, source, *, limit=None):
  """Starts it; `limit` is the size a file may have, in KiB."""
  limits = f'ulimit -f {limit}; ' if limit else ''
  return subprocess.Popen(
    [
      *('bash', '-c', f'{limits}exec "$@"', 'bash'),
      *(sys.executable, '-m', 'adafm_jax.data.prepare'),
      *('--dataset', 'image_folder', '--holdout', '1'),
      *('--source', str(source), '--data_dir', str(data_dir)),
    ],
    cwd=ROOT,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


@pytest.mark.parametrize('option', ['--source', '--data_dir'])
def test_an_empty_path_is_not_the_current_folder(option, here, capsys):
  small_sets.write(here, small_sets.make_images(3))
  with pytest.raises(SystemExit) as ended:
    cli.main(['prepare', '--dataset', 'image_folder', option, ''])
  assert ended.value.code == 2
  assert f'argument {option}: is empty' in capsys.readouterr().err


def test_a_picture_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  real = write.write

  def changed(*arguments):
    first = sorted(source.iterdir())[0]
    Image.fromarray(255 - np.asarray(Image.open(first))).save(first)
    return real(*arguments)

  monkeypatch.setattr(write, 'write', changed)
  made = {'source': source, 'holdout': 1}
  (problem,) = small_sets.problems_of(tmp_path / 'out', **made)
  assert '000.png has changed while it was prepared.' in problem


def test_a_name_that_is_not_utf8_is_named(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  os.rename(source / '001.png', os.fsencode(source) + b'/\xff.png')
  (problem,) = small_sets.problems_of(tmp_path, source=source, holdout=1)
  assert problem.endswith('.png is not UTF-8; rename the file.')


def test_the_command_says_what_it_did(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  process = _start(tmp_path / 'out', source)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == 0, output
  assert 'checking image_folder: 100%' in output
  assert 'preparing image_folder: 100%' in output
  assert '--config.data.train=tfds:image_folder/train' in output
  assert 'Dataset image_folder downloaded' not in output


def test_the_line_to_copy_trains_from_what_was_prepared(tmp_path):
  data_dir = tmp_path / 'D d'
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  made = {'source': source, 'holdout': 1, 'called': 'mine'}
  partners = {**made, 'task': 'dejpeg', 'levels': (80.0, 10.0)}
  where = small_sets.make_set(data_dir, **partners)
  # Training finds partners by the clean set's name, if that is prepared.
  for name in ('mine_dejpeg_y', 'mine'):
    line = prepare.describe(where).splitlines()[-1]
    train, folder = shlex.split(line)[-2:]
    assert train == f'--config.data.train=tfds:{name}/train'
    assert folder == f'--config.data.data_dir={data_dir}'
    fields = {'task': 'dejpeg', 'start': 80.0, 'end': 10.0}
    fields |= {'model__channels': 1, 'train__patch': 8, 'adapt__patch': 8}
    fields |= {'data__train': train.partition('=')[2]}
    config = small_configs.parse(**fields, data__data_dir=str(data_dir))
    assert training.load(config).train.name == 'mine_dejpeg_y'
    if name != 'mine':
      clean = small_sets.make_set(data_dir, **made, side=4, step=4)
      assert 'tfds:mine/train' in prepare.describe(clean)


def test_a_full_disk_leaves_nothing(tmp_path):
  """By the system's limit on the size of a file, which a write then meets."""
  source = small_sets.write(
    tmp_path / 'in',
    {f'{i}': small_sets.random_pixels(i, 300, 300, 3) for i in range(3)},
  )
  process = _start(tmp_path / 'out', source, limit=100)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == 2, output
  errors = [x for x in output.splitlines() if x.startswith('error: ')]
  assert len(errors) == 1
  assert 'Cannot write image_folder' in errors[0]
  assert 'File too large' in errors[0]
  assert 'Traceback' not in output
  assert small_sets.visible(tmp_path / 'out') == []


def _kill_when(process, condition):
  """Kills it at once when something is so; whether it came to that."""
  with process:
    while process.poll() is None:
      if condition():
        process.send_signal(signal.SIGKILL)
        return True
      time.sleep(1e-3)
  return False


def _written(scratch):
  """{file name: bytes} of what is there at this moment."""
  found = {}
  for folder, _, names in os.walk(scratch):  # ignores what is just moved away
    for name in names:
      with contextlib.suppress(FileNotFoundError):
        found[name] = os.path.getsize(os.path.join(folder, name))
  return found


def _content(data_dir):
  """Names and pixels of all records, and what the index says of them."""
  parts = [
    prepared.open_split('image_folder', split, data_dir)
    for split in ('train', 'valid')
  ]
  return [
    (part.identity, part.sizes, [r.tobytes() for r in part.records()])
    for part in parts
  ]


def test_killed_in_the_middle_it_is_prepared_again_to_the_same(tmp_path):
  source = small_sets.write(
    tmp_path / 'in',
    {f'{i:03d}': small_sets.random_pixels(i, 300, 300, 3) for i in range(60)},
  )
  small_sets.make_set(tmp_path / 'whole', source=source, holdout=1)
  data_dir = tmp_path / 'out'
  scratch = data_dir / '.preparing-image_folder'
  moments = [
    scratch.exists,
    lambda: sum(_written(scratch).values()) > 10**6,
    lambda: 'dataset_info.json' in _written(scratch),
  ]
  for moment in moments:
    assert _kill_when(_start(data_dir, source), moment)
    assert prepared.find('image_folder', data_dir) is None
    with pytest.raises(UserError, match='is not prepared in'):
      sources.load(
        'tfds:image_folder', field='x', channels=3, data_dir=str(data_dir)
      )
  process = _start(data_dir, source)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == 0, output
  assert small_sets.visible(data_dir) == ['image_folder']
  assert _content(data_dir) == _content(tmp_path / 'whole')

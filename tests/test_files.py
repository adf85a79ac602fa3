import concurrent.futures
import errno
import json
import os
import shutil
import stat
import time

import pytest

from adafm_jax import files
from adafm_jax.errors import UserError


def _write(path, text):
  with files.atomic_path(path) as temporary:
    assert temporary.parent == path.parent  # else renaming may copy
    assert temporary.suffix == path.suffix
    temporary.write_text(text)


def test_replaces_the_old_file_at_once(tmp_path):
  path = tmp_path / 'new' / 'folder' / 'a.txt'
  _write(path, 'old')
  with files.atomic_path(path) as temporary:
    temporary.write_text('new')
    assert path.read_text() == 'old'
  assert path.read_text() == 'new'
  assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_of_given_files_only(tmp_path):
  left = {}
  for name in ('a-b.png', 'c.png'):
    with files.atomic_path(tmp_path / name) as temporary:
      left[name] = temporary
      temporary.write_text('half')
    left[name].write_text('half')
  files.remove_leftovers([tmp_path / 'a-b.png', tmp_path / 'x' / 'c.png'])
  kept = {tmp_path / 'a-b.png', tmp_path / 'c.png', left['c.png']}
  assert set(tmp_path.iterdir()) == kept


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_an_error_inside_leaves_the_old_file(tmp_path, error):
  path = tmp_path / 'a.txt'
  _write(path, 'old')

  def fail():
    with files.atomic_path(path) as temporary:
      temporary.write_text('half')
      raise error

  with pytest.raises(error):
    fail()
  assert path.read_text() == 'old'
  assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_reported(tmp_path):
  def fail(*why):
    with files.atomic_path(tmp_path / 'a.txt'):
      raise OSError(*why)

  with pytest.raises(
    UserError, match=r'Cannot write .*a\.txt: No space left\.'
  ):
    fail(28, 'No space left')
  with pytest.raises(UserError, match=r'a\.txt: encoder error -2\.'):
    fail('encoder error -2')  # Pillow's kind
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('mask', 'mode'), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_follow_the_umask_in_threads(
  tmp_path, monkeypatch, mask, mode
):
  """The umask belongs to the process: a thread that sets it harms others."""
  umask = os.umask

  def slow(new):  # lets the other thread in while the umask is wrong
    old = umask(new)
    time.sleep(1e-3)
    return old

  monkeypatch.setattr(os, 'umask', slow)
  before = umask(mask)
  try:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
      list(pool.map(lambda i: _write(tmp_path / f'{i}', ''), range(50)))
    assert umask(mask) == mask  # and it is left as it was
  finally:
    umask(before)
  modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()]
  assert modes == [mode] * 50


def test_folders_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  (tmp_path / 'folder').mkdir()
  (tmp_path / 'link').symlink_to('nowhere')
  for name in ('file', 'link'):
    for path in (tmp_path / name / 'x', tmp_path / name / 'new' / 'x'):
      with pytest.raises(UserError, match=f'Cannot .*{name} is not a folder'):
        files.write_text(path, '')
      with (
        pytest.raises(UserError, match=f'Cannot .*{name} is not a folder'),
        files.locked(path, 'busy'),
      ):
        pass
  with pytest.raises(UserError, match=r'Cannot write .*folder: Is a directory'):
    files.write_text(tmp_path / 'folder', '')
  with pytest.raises(UserError, match=r'Cannot write /proc/x'):
    files.write_text('/proc/x', '')  # read-only even for root
  assert {p.name for p in tmp_path.iterdir()} == {'file', 'folder', 'link'}


def test_names_as_long_as_a_name_may_be(tmp_path):
  path = tmp_path / ('長' * 83 + '.png')  # 253 bytes, of at most 255
  _write(path, 'x')
  assert path.read_text() == 'x'


def test_text_and_json(tmp_path):
  files.write_text(tmp_path / 'a.txt', 'λ\n')
  assert (tmp_path / 'a.txt').read_bytes() == b'\xce\xbb\n'
  files.write_json(tmp_path / 'a.json', {'b': [1, None]})
  text = (tmp_path / 'a.json').read_text()
  assert json.loads(text) == {'b': [1, None]}
  assert text.count('\n') > 3
  assert text.endswith('}\n')
  with pytest.raises(ValueError, match='not JSON compliant'):
    files.write_json(tmp_path / 'a.json', float('nan'))
  assert (tmp_path / 'a.json').read_text() == text
  assert files.read_json(tmp_path / 'a.json') == {'b': [1, None]}


@pytest.mark.parametrize('data', [None, b'', b'{"a": ', b'"\xff"'])
def test_json_that_cannot_be_read_is_a_sentence(tmp_path, data):
  if data is not None:
    (tmp_path / 'a.json').write_bytes(data)
  with pytest.raises(UserError, match=r'Cannot read .*a\.json: .'):
    files.read_json(tmp_path / 'a.json')


def test_a_folder_for_results_is_made_or_refused(tmp_path):
  files.make_folder(tmp_path / 'new' / 'folder')
  files.make_folder(tmp_path / 'new' / 'folder')
  assert (tmp_path / 'new' / 'folder').is_dir()
  (tmp_path / 'file').write_bytes(b'')
  for folder in ('file', 'file/in'):
    with pytest.raises(UserError, match=r'Cannot make .*file is not a folder'):
      files.make_folder(tmp_path / folder)
  if os.path.isdir('/sys/kernel') and not os.access('/sys/kernel', os.W_OK):
    with pytest.raises(UserError, match='/sys/kernel cannot be written to'):
      files.make_folder('/sys/kernel')


def test_a_place_that_takes_no_file_is_reported_beforehand(
  tmp_path, monkeypatch
):
  files.check_place(tmp_path / 'new' / 'folder' / 'a.png')
  assert not list(tmp_path.iterdir())
  with pytest.raises(UserError, match=r'its name is longer than \d+ bytes'):
    files.check_place(tmp_path / ('ü' * 150 + '.png'))
  (tmp_path / 'file').write_bytes(b'')
  with pytest.raises(UserError, match='file is not a folder'):
    files.check_place(tmp_path / 'file' / 'a.png')
  if os.path.isdir('/sys/kernel') and not os.access('/sys/kernel', os.W_OK):
    with pytest.raises(UserError, match='/sys/kernel cannot be written to'):
      files.check_place('/sys/kernel/a.png')
  full = shutil.disk_usage(tmp_path)._replace(free=0)
  monkeypatch.setattr(shutil, 'disk_usage', lambda _: full)
  with pytest.raises(UserError, match='there is no space left'):
    files.check_place(tmp_path / 'a.png')


def test_a_lock_is_held_by_one(tmp_path, monkeypatch):
  lock = tmp_path / 'new' / '.lock'
  with (
    files.locked(lock, 'busy'),
    pytest.raises(files.BusyError, match='busy'),
    files.locked(lock, 'busy'),
  ):
    pass
  with files.locked(lock, 'busy'):  # it was released
    pass

  def refuse(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

  monkeypatch.setattr(files.fcntl, 'flock', refuse)
  with (
    pytest.raises(UserError, match='its disk needs locks') as caught,
    files.locked(lock, 'busy'),
  ):
    pass
  assert not isinstance(caught.value, files.BusyError)

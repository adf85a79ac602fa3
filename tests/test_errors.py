import os
import pathlib
import subprocess
import sys

import pytest

from adafm_jax import errors
from adafm_jax.errors import UserError, entry_point

ROOT = pathlib.Path(__file__).parents[1]


def _raise(error):
  raise error


def test_problems_one_or_many():
  assert UserError('a').problems == ['a']
  assert UserError(('a', 'b')).problems == ['a', 'b']
  assert str(UserError(['a', 'b'])) == 'a\nb'
  with pytest.raises(ValueError, match=r'^a$'):  # the callers' own type
    _raise(UserError('a'))


def test_a_long_list_is_cut():
  errors.raise_all([])
  with pytest.raises(UserError) as caught:
    errors.raise_all((f'No {i}.' for i in range(9)), limit=3)
  *shown, last = caught.value.problems
  assert shown == ['No 0.', 'No 1.', 'No 2.']
  assert '6 more' in last
  with pytest.raises(UserError) as caught:
    errors.raise_all(['No a.', 'No b.'], limit=2)
  assert caught.value.problems == ['No a.', 'No b.']
  assert errors.listed(['a', 'b'], 2) == 'a, b'
  assert errors.listed(['a', 'b', 'c'], 2) == 'a, b, ...'


def test_results_become_exit_codes():
  assert entry_point(lambda: None)() == 0
  assert entry_point(lambda code, more=0: code + more)(3, more=4) == 7


def test_a_users_mistake_is_reported_on_stderr(capsys):
  code = entry_point(lambda: _raise(UserError(['No b.', 'No c.'])))()
  assert code == 2
  assert capsys.readouterr() == ('', 'error: No b.\nerror: No c.\n')


def test_control_c(capsys):
  assert entry_point(lambda: _raise(KeyboardInterrupt()))() == 130
  assert capsys.readouterr().err == 'interrupted\n'


def test_a_file_that_the_system_refuses_is_one_sentence(tmp_path, capsys):
  path = tmp_path / ('x' * 300)
  assert entry_point(path.stat)() == 2
  error = capsys.readouterr().err
  assert error.startswith(f'error: Cannot use {path}: ')
  assert error.endswith('.\n')


@pytest.mark.parametrize('error', [ValueError, OSError, RuntimeError])
def test_a_bug_keeps_its_traceback(error):
  with pytest.raises(error):
    entry_point(lambda: _raise(error('bug')))()


def test_a_closed_pipe_is_silent_but_no_success():
  code = (
    'import sys; from adafm_jax.errors import entry_point;'
    "sys.exit(entry_point(lambda: [print('x' * 99) for _ in range(9999)] and 0)"
    '())'
  )
  command = f'{sys.executable} -c "{code}" | head -1; exit ${{PIPESTATUS[0]}}'
  done = subprocess.run(
    ['bash', '-c', command], capture_output=True, text=True, check=False
  )
  assert done.stdout == 'x' * 99 + '\n'
  assert (done.returncode, done.stderr) == (141, '')


@pytest.mark.parametrize('streams', ['1', '2', '1 2'])
def test_work_goes_on_though_nobody_reads(streams, tmp_path):
  code = (
    'import sys, pathlib; from adafm_jax import errors\n'
    'with errors.going_on_unread():\n'
    '  for _ in range(9): print("x", flush=True); print("y", file=sys.stderr)\n'
    'pathlib.Path("done").touch()\n'
  )
  closed = ' '.join(f'{stream}>&9' for stream in streams.split())
  # 9 is a pipe whose reader has left.
  command = f'exec 9> >(:); wait $!; "$0" -c "$1" {closed}'
  done = subprocess.run(
    ['bash', '-c', command, sys.executable, code],
    capture_output=True,
    text=True,
    cwd=tmp_path,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
  )
  assert done.returncode == 0
  assert (tmp_path / 'done').exists()
  assert done.stdout == ('' if '1' in streams else 'x\n' * 9)
  assert done.stderr == ('' if '2' in streams else 'y\n' * 9)


def test_wrapping_keeps_the_name():
  @entry_point
  def command():
    """Its help."""

  assert (command.__name__, command.__doc__) == ('command', 'Its help.')

"""`adafm restore` and files: nothing is lost, half-written or done twice."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import restoring
from PIL import Image

from adafm_jax import cli
from adafm_jax.commands import restore_job
from adafm_jax.restore import pairs as pairing
from adafm_jax.restore import workers

pytestmark = pytest.mark.usefixtures('models_here')


def test_a_name_that_becomes_too_long_is_one_bad_picture(capsys):
  long = 'x' * 249 + '.png'
  for name in ('a.png', long):
    restoring.make(f'in/{name}')
  options = ['--strength', 0.5, '--suffix', '_restored']
  assert restoring.run('in', 'out', *options) == 1
  assert restoring.files('out') == ['a_restored.png']
  assert 'longer than 255 bytes' in capsys.readouterr().err


def test_a_failure_of_the_network_names_its_picture(capsys):
  for name in ('in/a.png', 'in/b.png'):
    restoring.make(name)
  options = ['--strength', 0.5, '--tile', 100_000]
  assert restoring.run('in', 'out', *options) == 1
  lines = capsys.readouterr().err.splitlines()
  errors = [line for line in lines if 'Images ' in line]
  for name, line in zip(('in/a.png', 'in/b.png'), errors, strict=True):
    assert line.startswith(f'error: {name}: Images ')


@pytest.mark.parametrize('option', ['-o', '--json', '--from-recipe'])
def test_names_too_long_for_any_file_are_one_sentence(option, capsys):
  restoring.make('a.png')
  more = [] if option == '--from-recipe' else ['--strength', 0.5]
  long = 'y' * 300
  output = long if option == '-o' else 'out'
  more += [] if option == '-o' else [option, long]
  assert restoring.run('a.png', output, *more) == 2
  lines = capsys.readouterr().err.splitlines()
  assert len(lines) == 1
  assert lines[0].startswith('error: ')


def test_what_exists_is_skipped_and_the_rest_is_finished():
  for i in range(4):
    restoring.make(f'in/{i}.png', seed=i)
  assert restoring.run(['in/0.png', 'in/2.png'], 'out', '--strength', 0.5) == 0
  done = {
    name: os.stat(f'out/{name}').st_mtime_ns for name in restoring.files('out')
  }
  options = ['--strength', 0.5, '--skip-existing', '--json', 'report.json']
  assert restoring.run('in', 'out', *options) == 0
  assert restoring.files('out') == [f'{i}.png' for i in range(4)]
  for name, changed in done.items():
    assert os.stat(f'out/{name}').st_mtime_ns == changed
  pictures, call = restoring.report('report.json')
  assert [x['status'] for x in pictures] == [
    *('skipped', 'restored', 'skipped', 'restored')
  ]
  assert call['counts']['skipped'] == 2


@pytest.mark.parametrize('how', ['SIGINT', 'SIGKILL'])
def test_stopped_at_any_moment_it_is_finished_later(how):
  count = 200
  for i in range(count):
    restoring.make(f'in/{i:03}.png', seed=i, size=(40, 60))
  command = [sys.executable, '-m', 'adafm_jax.cli', 'restore', '-i', 'in']
  command += ['-o', 'out', '-m', 'denoise.safetensors', '--strength', '0.5']
  command += ['--jobs', '2']
  root = pathlib.Path(__file__).parents[2]
  environment = os.environ | {'PYTHONPATH': str(root)}
  process = subprocess.Popen(
    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
  )
  deadline = time.monotonic() + 60
  while not list(pathlib.Path().glob('out/[0-9]*.png')):
    assert time.monotonic() < deadline
    time.sleep(0.01)
  process.send_signal(getattr(signal, how))
  out, _ = process.communicate(timeout=60)
  done = sorted(pathlib.Path().glob('out/[0-9]*.png'))
  assert 0 < len(done) < count
  for path in done:
    assert restoring.read(path).shape == (40, 60, 3)  # whole
  if how == 'SIGINT':
    assert process.returncode == 130
    assert b'--skip-existing' in out
    assert len(restoring.files('out')) == len(done)  # no temporary file is left
  assert restoring.run('in', 'out', '--strength', 0.5, '--skip-existing') == 0
  assert len(list(pathlib.Path().glob('out/[0-9]*.png'))) == count


def test_how_to_finish_depends_on_what_was_there(monkeypatch, capsys):
  for i in range(3):
    restoring.make(f'in/{i}.png', seed=i)
  real = workers.run

  def stopped(*args, **options):
    yield next(real(*args, **options))
    raise KeyboardInterrupt

  for options, skips in (([], True), ([], False), (['--overwrite'], False)):
    with monkeypatch.context() as patch:
      patch.setattr(workers, 'run', stopped)
      code = restoring.run('in', 'out', '--strength', 0.5, *options)
    assert code == 130
    out = capsys.readouterr().out
    assert 'To finish, give the same command' in out
    assert ('--skip-existing' in out) == skips


def test_a_dry_run_writes_nothing(capsys):
  restoring.make('in/a.png')
  pathlib.Path('in/b.png').write_bytes(b'no image')
  before = restoring.files('.')
  assert restoring.run('in', 'out', '--strength', 0.25, '--dry-run') == 1
  assert restoring.files('.') == before
  out = capsys.readouterr().out
  assert 'in/a.png would become out/a.png: Strength 0.25.' in out
  assert '1 planned, 1 failed' in out


def test_a_picture_of_the_users_own_is_not_taken_for_a_result(capsys):
  restoring.make('in/a.png')
  restoring.make('in/a-edited.png', seed=1)
  own = pathlib.Path('in/a-edited.png').read_bytes()
  options = ['--strength', 1, '--suffix=-edited']
  for inputs in ('in', ['in/a.png', 'in/a-edited.png']):
    assert restoring.run(inputs, 'in', *options) == 2
    assert 'a-edited.png' in capsys.readouterr().err
    assert restoring.run(inputs, 'in', *options, '--skip-existing') == 0
    assert 'skipped' in capsys.readouterr().out
  assert pathlib.Path('in/a-edited.png').read_bytes() == own
  assert restoring.files('in') == [
    *('a-edited-edited.png', 'a-edited.png', 'a.png')
  ]


def test_a_call_given_again_replaces_its_results_and_nothing_else(capsys):
  for name in ('album/a.jpg', 'album/b.jpg'):
    restoring.make(name, size=(40, 60))
  options = ['--ext', 'png', '--recipe']
  assert restoring.run('album', 'album', *options, '--strength', 1) == 0
  first = restoring.read('album/a.png')
  assert restoring.run('album', 'album', *options, '--strength', 0) == 0
  assert (restoring.read('album/a.png') != first).any()
  assert restoring.files('album') == ['a.jpg', 'a.png', 'b.jpg', 'b.png']
  # Once it is edited, it is the user's.
  Image.fromarray(first).save('album/a.png')
  before = {
    x: pathlib.Path('album', x).read_bytes() for x in restoring.files('album')
  }
  capsys.readouterr()
  assert restoring.run('album', 'album', *options, '--strength', 1) == 2
  assert 'album/a.png' in capsys.readouterr().err
  assert before == {
    x: pathlib.Path('album', x).read_bytes() for x in restoring.files('album')
  }


def test_a_file_that_appears_during_a_call_is_not_overwritten():
  for name in ('in/a.png', 'in/b.png'):
    restoring.make(name)
  found = pairing.find(['in'], 'out')
  job = restore_job.make_job(restoring.options('--strength', '1'))
  done = workers.run(job, found, threads=1)
  restoring.make('out/a.png', seed=5)
  mine = pathlib.Path('out/a.png').read_bytes()
  first, second = done
  assert (first.status, second.status) == ('failed', 'restored')
  assert 'out/a.png' in first.problem
  assert pathlib.Path('out/a.png').read_bytes() == mine


def test_links_pipes_and_odd_names_among_good_pictures(capsys):
  restoring.make('in/a.png')
  os.symlink('gone.png', 'in/gone.png')
  os.symlink('loop.png', 'in/loop.png')
  os.mkfifo('in/pipe.png')
  odd = os.fsdecode(b'in/z\xe9.png')
  restoring.make('z.png', seed=1)
  os.rename('z.png', odd)
  inputs = ['in', '', 'none.png']
  assert restoring.run(inputs, 'out', '--strength', 1, '--json', 'r.json') == 1
  assert sorted(os.listdir(b'out')) == [b'a.png', b'z\xe9.png']
  captured = capsys.readouterr()
  assert '2 restored, 5 failed' in captured.out
  assert len([x for x in captured.err.splitlines() if 'error:' in x]) == 5
  rows, _ = restoring.report('r.json')
  assert sum(x['status'] == 'failed' for x in rows) == 5


@pytest.mark.parametrize(
  'option', ['--mask', '--from-recipe', '--manifest', '--shard']
)
def test_empty_names_are_reported_and_nothing_is_done(option, capsys):
  restoring.make('a.png')
  assert restoring.run('a.png', 'out', option, '') == 2
  assert f'{option} is empty' in capsys.readouterr().err
  assert not pathlib.Path('out').exists()


def test_the_model_is_not_overwritten():
  restoring.make('a.png')
  os.rename('denoise.safetensors', 'in.png')
  model = pathlib.Path('in.png').read_bytes()
  argv = ['restore', '-i', 'a.png', '-o', 'in.png', '-m', 'in.png']
  assert cli.main([*argv, '--overwrite', '--level', '20']) == 2
  assert pathlib.Path('in.png').read_bytes() == model


def test_null_bytes_and_control_characters_in_names(capsys):
  odd = 'in/new\nline\x1b[2J.png'
  restoring.make(odd)
  assert restoring.run(['a\0b', odd], 'out', '--level', 20, '--json', 'r') == 1
  out = capsys.readouterr().out
  assert 'in/new\\nline\\x1b[2J.png -> out/new\\nline\\x1b[2J.png: ' in out
  assert '\x1b' not in out
  assert restoring.files('out') == [odd.removeprefix('in/')]
  assert [x['status'] for x in restoring.report('r')[0]] == [
    'failed',
    'restored',
  ]
  for wrong in (
    ['-o', 'o\0'],
    ['-o', '-'],
    ['-o', 'o', '--suffix', '\0'],
    ['-o', 'o', '--json', '\0'],
  ):
    argv = ['restore', '-i', odd, '-m', 'denoise.safetensors', *wrong]
    assert cli.main(argv) == 2
    assert capsys.readouterr().err.count('\n') == 1


def test_a_file_that_appears_while_the_network_runs_is_kept(monkeypatch):
  restoring.make('a.png')
  restore = workers.jobs.restore

  def slow(*args):
    pathlib.Path('out/a.png').write_text('mine')
    return restore(*args)

  monkeypatch.setattr(workers.jobs, 'restore', slow)
  assert restoring.run('a.png', 'out/', '--level', 20) == 1
  assert pathlib.Path('out/a.png').read_text() == 'mine'


def test_a_sidecar_that_appears_while_the_network_runs_is_kept(monkeypatch):
  Image.fromarray(restoring.pixels()).save('a.bmp')
  mine = pathlib.Path('out/a.bmp.recipe.json')
  restore = workers.jobs.restore

  def slow(*args):
    mine.write_text('mine')
    return restore(*args)

  monkeypatch.setattr(workers.jobs, 'restore', slow)
  options = ['--level', 20]
  assert restoring.run('a.bmp', 'out/', *options, '--recipe') == 1
  assert mine.read_text() == 'mine'
  assert not pathlib.Path('out/a.bmp').exists()
  assert (
    restoring.run('a.bmp', 'out/', *options) == 0
  )  # which writes no sidecar

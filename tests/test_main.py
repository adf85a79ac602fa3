"""Runs `python -m adafm_jax.main` as a user does; slow to start, so few."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def _main(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'adafm_jax.main', *map(str, arguments)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
    timeout=120,
  )


@pytest.mark.parametrize(
  ('arguments', 'sentences'),
  [
    ([], ['error: Give --workdir DIR']),
    (['--flub', '3'], ['error: unrecognized arguments: --flub 3']),
    (['--workdir'], ['argument --workdir: expected one argument']),
    (['--config', 'configs/x.py'], ["no config file 'configs/x.py'; see conf"]),
    (
      [
        '--config=configs/quickstart.py',
        '--config.train.stesp=3',
        '--config.model.features=abc',
        '--config.adapt.patch=47',
      ],
      [
        'error: There is no config field train.stesp; did you mean train.steps',
        "error: model.features is 'abc'; it must be a whole number.",
        'error: adapt.patch is 47; it must be even.',
      ],
    ),
    (
      ['--config', 'configs/quickstart.py', '--workdir', 'w', '--process', '1'],
      ['error: Give all of --coordinator, --processes and --process, or none.'],
    ),
  ],
)
def test_mistakes(arguments, sentences):
  done = _main(*arguments)
  assert done.returncode == 2
  assert done.stdout == ''
  assert 'Traceback' not in done.stderr
  for sentence in sentences:
    assert sentence in done.stderr
  assert done.stderr.count('error: ') == len(sentences)


def test_super_resolution_without_its_data_set(tmp_path):
  done = _main(
    '--config',
    'configs/sr_x3_x4.py',
    '--workdir',
    tmp_path / 'run',
    f'--config.data.data_dir={tmp_path}',
  )
  assert done.returncode == 2
  assert 'Traceback' not in done.stderr
  (line,) = [x for x in done.stderr.splitlines() if x.startswith('error: ')]
  assert 'put DIV2K_train_HR.zip and DIV2K_valid_HR.zip of https://' in line
  assert 'adafm_jax.data.prepare --dataset div2k --source FOLDER' in line
  assert '--config.data.train=/path' in line
  # Nothing is left that would stop the next try with another data.train.
  assert not (tmp_path / 'run').exists()


def test_a_workdir_without_a_run(tmp_path):
  done = _main('--workdir', tmp_path)
  assert done.returncode == 2
  assert 'Traceback' not in done.stderr
  assert 'holds no run to resume' in done.stderr
  assert not list(tmp_path.iterdir())


def test_help():
  done = _main('--config', 'configs/x.py', '--help')
  assert (done.returncode, done.stderr) == (0, '')
  lines = done.stdout.splitlines()
  assert lines[0].startswith('usage: python -m adafm_jax.main')
  assert max(map(len, lines)) <= 80
  for words in (
    '--workdir DIR',
    '--config.FIELD VALUE',
    'train.steps = 1000000',
  ):
    assert words in done.stdout

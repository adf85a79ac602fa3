"""Runs `python -m adafm_jax.main` as a user does; slow to start, so few."""

import pathlib
import subprocess
import sys

import pytest
import small_runs

from adafm_jax import main as training

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


CONFIG = '--config=configs/quickstart.py'
LISTS = '--config=configs/paper'
WRONG = ('train.stesp=3', 'model.features=abc', 'adapt.patch=47')


@pytest.mark.parametrize(
  ('arguments', 'sentences'),
  [
    ([], ['Give --workdir DIR']),
    (['--flub', '3'], ['unrecognized arguments: --flub 3']),
    (['--config', 'configs/x.py'], ["no config file 'configs/x.py'"]),
    (
      [CONFIG, *(f'--config.{field}' for field in WRONG)],
      ['did you mean train.steps', 'model.features', 'adapt.patch is 47'],
    ),
    ([CONFIG, '--workdir', 'w', '--process', '1'], ['Give all of']),
    ([LISTS, '--config.preset=big', '--workdir', 'w'], ["preset is 'big'"]),
    ([LISTS, '--workdir', 'w', '--process', '1'], ['no --coordinator']),
    ([LISTS], ['Give --workdir DIR']),
  ],
)
def test_mistakes(arguments, sentences, capsys, monkeypatch):
  monkeypatch.chdir(ROOT)
  try:
    code = training.main(arguments)
  except SystemExit as stop:  # argparse's
    code = stop.code
  out, err = capsys.readouterr()
  assert (code, out) == (2, '')
  for sentence in sentences:
    assert sentence in err
  assert err.count('error: ') == len(sentences)


def test_a_model_that_is_not_there_leaves_no_run_behind(
  smooth_images, tmp_path, capsys, monkeypatch
):
  monkeypatch.chdir(ROOT)
  stage = {'steps': 2, 'batch': 2, 'warmup': 0}
  argv = small_runs.arguments(smooth_images, stage=stage, model__init='no.file')
  assert training.main([*argv, '--workdir', str(tmp_path / 'run')]) == 2
  assert 'There is no model file no.file' in capsys.readouterr().err
  assert not (tmp_path / 'run').exists()


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


def test_a_workdir_without_a_run(tmp_path, capsys):
  assert training.main(['--workdir', str(tmp_path)]) == 2
  assert 'holds no run to resume' in capsys.readouterr().err
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

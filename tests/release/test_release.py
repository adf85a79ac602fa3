"""The script that makes a released model, with a stand-in for Python."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# Notes what it was asked, and makes the files that are asked for.
STAND_IN = f"""#!{sys.executable}
import os, pathlib, sys, time
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
with open(here / 'asked', 'a') as file:
  file.write(' '.join(words) + chr(10))
time.sleep(float(os.environ.get('SLEEPS', 0)))
if '--workdir' in words:
  run = pathlib.Path(words[words.index('--workdir') + 1])
  run.mkdir(parents=True)
  (run / 'model.safetensors').touch()
if words[1] == 'release.dedicated':
  pathlib.Path(words[-1]).touch()
sys.exit(int(os.environ.get('CODE', 0)))
"""


@pytest.fixture
def release(tmp_path):
  python = tmp_path / 'python'
  python.write_text(STAND_IN)
  python.chmod(0o755)
  (tmp_path / 'data/BSD431').mkdir(parents=True)

  def run(*words, **environment):
    done = subprocess.run(
      ['bash', 'release/release.sh', *words],
      cwd=ROOT,
      env=os.environ | {'PYTHON': str(python)} | environment,
      capture_output=True,
      text=True,
      check=False,
    )
    asked = tmp_path / 'asked'
    lines = asked.read_text().splitlines() if asked.exists() else []
    asked.unlink(missing_ok=True)
    return done, lines

  return run


def test_every_step_is_done_once(release, tmp_path):
  data, runs = str(tmp_path / 'data'), str(tmp_path / 'runs')
  done, asked = release('denoise-small', data, runs)
  assert done.returncode == 0, done.stderr
  assert [line.split()[1] for line in asked] == [
    'adafm_jax.main',
    'release.dedicated',
    'release.dedicated',
    'release.register',
    'release.evaluate',
    'release.card.card',
    'release.same_picture',
  ]
  assert f'--config.data.train={data}/BSD431' in asked[0]
  assert f'--config.evaluate.sets=cbsd68={data}/CBSD68' in asked[0]
  assert (ROOT / asked[0].split()[3]).is_file()
  folder = f'{runs}/denoise-small'
  pairs = f'35={folder}/dedicated_35.safetensors,50={folder}/'
  assert pairs in asked[4]
  assert f'cbsd68={data}/CBSD68,set5={data}/Set5,set14={data}/Set14' in asked[4]
  # So that each set is compared with the images trained on.
  assert f'--data-train {data}/BSD431' in asked[4]
  done, asked = release('denoise-small', data, runs)
  assert [line.split()[1] for line in asked] == [
    'release.register',
    'release.evaluate',
    'release.card.card',
    'release.same_picture',
  ]
  for name, config in (('sr-small', 'sr_small'), ('denoise', 'denoise')):
    _, asked = release(name, data, runs, PEERS='others')
    assert asked[0].split()[3] == f'configs/{config}.py'
    assert '--dedicated' not in asked[2]
    assert '--peers others' in asked[2]
    assert '--config.model.init' not in asked[0]
  for name, first in (('sr', 'denoise'), ('denoise-fine', 'denoise-small')):
    _, asked = release(name, data, runs)
    given = f'--config.model.init=adafm_jax/zoo/{first}.safetensors'
    assert given in asked[0].split()
    assert ('--levels 2,5,10,15,20' in asked[2]) == (name == 'denoise-fine')
  _, asked = release('dejpeg', data, runs)
  luma = f'{runs}/dejpeg/luma.safetensors'
  assert asked[0].split()[1:] == [
    'release.luma',
    'adafm_jax/zoo/denoise.safetensors',
    '-o',
    luma,
  ]
  assert asked[1].split()[3] == 'configs/dejpeg.py'
  assert f'--config.model.init={luma}' in asked[1]


def test_a_stretch_ends_in_peace_and_a_failure_does_not(release, tmp_path):
  words = 'sr', str(tmp_path / 'data'), str(tmp_path / 'runs')
  done, asked = release(*words, MINUTES='0.05', SLEEPS='30')
  assert done.returncode == 0
  assert 'the same command continues' in done.stdout
  assert len(asked) == 1
  done, asked = release(*words, CODE='7')
  assert done.returncode == 7
  assert len(asked) == 1


@pytest.mark.parametrize('minutes', [{}, {'MINUTES': '8'}])
def test_what_the_system_kills_is_no_end_in_peace(release, tmp_path, minutes):
  words = 'sr', str(tmp_path / 'data'), str(tmp_path / 'runs')
  done, asked = release(*words, CODE='137', **minutes)
  assert done.returncode == 137
  assert len(asked) == 1
  assert not done.stdout
  assert done.stderr.startswith('error: python adafm_jax.main was killed')
  assert done.stderr.count('\n') == 1


@pytest.mark.parametrize(
  ('words', 'sentence'),
  [
    ([], 'Give the model first'),
    (['upscale', 'a', 'b'], 'Give the model first'),
    (['sr'], 'Give the folder of image sets'),
    (['sr', 'nowhere', 'runs'], 'There is no nowhere/BSD431'),
  ],
)
def test_mistakes_are_a_sentence(release, words, sentence):
  done, asked = release(*words)
  assert done.returncode
  assert sentence in done.stderr
  assert not asked

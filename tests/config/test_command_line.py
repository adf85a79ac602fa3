import jax
import pytest

from adafm_jax.config import command_line
from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError
from adafm_jax.train import mesh as meshes

BODY = 'from adafm_jax import config\ndef get_config():\n  '


@pytest.fixture
def file(tmp_path):
  path = tmp_path / 'x.py'
  path.write_text(f'{BODY}c = config.default()\n  c.seed = 5\n  return c\n')
  return str(path)


def test_overrides_in_every_form(file):
  config, others = command_line.take_config(
    [
      '--workdir=w',
      f'--config={file}',
      '--config.train.steps=1e6',
      '--config.train.learning_rate',
      '3e-4',
      '--config.adapt.steps=-1',
      '--config.adapt.steps=200',
      '--config.evaluate.ssim=False',
      '--config.start=20',
      '--config.data.train=/a=b c',
      'more',
    ]
  )
  assert others == ['--workdir=w', 'more']
  steps = (config.train.steps, config.adapt.steps)
  assert (config.seed, *steps) == (5, 10**6, 200)
  assert type(config.train.steps) is int
  assert config.train.learning_rate == 3e-4
  assert config.evaluate.ssim is False
  assert config.start == 20.0
  assert config.data.train == '/a=b c'


def test_no_config():
  given = ['--workdir', 'w']
  assert command_line.take_config(given) == (None, given)
  with pytest.raises(UserError, match=r'--config\.seed .*no --config.*again'):
    command_line.take_config(['--config.seed=3'])


@pytest.mark.parametrize(
  ('text', 'words'),
  [
    ('x = 1', 'define get_config'),
    (f'{BODY}return 3', 'define get_config'),
    ('def get_config(:', 'line 1: SyntaxError'),
    (f'{BODY}return config.nope', 'line 3: AttributeError'),
    (f'{BODY}c = config.default(); c.seed = "a"', 'line 3: TypeError'),
    ('import json\n\njson.loads("\\n{")', 'line 3: JSONDecodeError'),
  ],
)
def test_broken_config_files(tmp_path, text, words):
  (tmp_path / 'x.py').write_text(text)
  with pytest.raises(UserError, match=words):
    command_line.load_config(str(tmp_path / 'x.py'))


def test_no_python_file(tmp_path):
  with pytest.raises(UserError, match='no config file'):
    command_line.load_config(str(tmp_path))
  (tmp_path / 'x.txt').write_text('')
  with pytest.raises(UserError, match='must be a Python file'):
    command_line.load_config(str(tmp_path / 'x.txt'))


def test_workdir(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  found = command_line.require_workdir('~/run', None)
  assert found == tmp_path / 'run'
  with pytest.raises(UserError, match='--config FILE'):
    command_line.require_workdir(None, None)
  with pytest.raises(UserError, match='gs://b/run is a URI'):
    command_line.require_workdir('gs://b/run', None)
  with pytest.raises(UserError, match='Give --workdir') as caught:
    command_line.require_workdir('', Config())
  assert '--config' not in str(caught.value)


@pytest.mark.parametrize(
  ('given', 'words'),
  [
    (('h:1', None, 0), 'Give all of'),
    ((None, 2, None), 'Give all of'),
    (('h:1', 2, 2), '--process is 2'),
    (('h:1', 2, -1), '--process is -1'),
    (('host', 2, 0), 'HOST:PORT'),
    (('host:65536', 2, 0), 'HOST:PORT'),
    (('host:0', 2, 0), 'HOST:PORT'),
  ],
)
def test_processes(given, words):
  with pytest.raises(UserError, match=words):
    meshes.join_processes(*given)


def test_alone():
  meshes.join_processes(None, None, None)
  assert not jax.distributed.is_initialized()

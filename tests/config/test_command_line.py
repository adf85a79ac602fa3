import pytest

from adafm_jax.config import command_line
from adafm_jax.config import parse as configs
from adafm_jax.errors import UserError
from adafm_jax.train import mesh

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
  assert (config.seed, config.train.steps, config.adapt.steps) == (
    5,
    10**6,
    200,
  )
  assert type(config.train.steps) is int
  assert config.train.learning_rate == 3e-4
  assert config.evaluate.ssim is False
  assert config.start == 20.0
  assert config.data.train == '/a=b c'


def test_no_config():
  assert command_line.take_config(['--workdir', 'w']) == (
    None,
    ['--workdir', 'w'],
  )
  with pytest.raises(
    UserError, match=r'--config.seed changes a field of a con'
  ):
    command_line.take_config(['--config.seed=3'])


def test_all_mistakes_at_once(file):
  overrides = {
    'trian.steps': '3',
    'train': '3',
    'train.steps': '1.5',
    'train.batch': '0',
    'model.compute': 'float16',
    'evaluate.ssim': 'yes',
    'end': 'x',
    'seed.x': '1',
    'adapt.patch': '33',
  }
  arguments = [f'--config.{name}={text}' for name, text in overrides.items()]
  with pytest.raises(UserError) as caught:
    command_line.take_config(['--config', file, *arguments])
  assert caught.value.problems == [
    'There is no config field trian.steps; did you mean train.steps or'
    ' adapt.steps or path.steps?',
    'train is a group of fields; override one of them.',
    "train.steps is '1.5'; it must be a whole number.",
    "evaluate.ssim is 'yes'; it must be true or false.",
    "end is 'x'; it must be a number.",
    'There is no config field seed.x; did you mean seed?',
    "model.compute is 'float16'; it must be one of float32, bfloat16.",
    'train.batch is 0; it must be 1 or more.',
    'adapt.patch is 33; it must be even.',
  ]


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('x = 1', 'it must define get_config'),
    (f'{BODY}return 3', 'it must define get_config'),
    ('def get_config(:', r'fails near line 1: SyntaxError'),
    (f'{BODY}return config.nope', 'fails near line 3: AttributeError'),
    (f'{BODY}c = config.default(); c.seed = "a"', 'TypeError'),
  ],
)
def test_config_files_that_are_none(tmp_path, text, sentence):
  (tmp_path / 'x.py').write_text(text)
  with pytest.raises(UserError, match=sentence):
    command_line.load_config(str(tmp_path / 'x.py'))


def test_no_python_file(tmp_path):
  with pytest.raises(UserError, match='There is no config file'):
    command_line.load_config(str(tmp_path))
  (tmp_path / 'x.txt').write_text('')
  with pytest.raises(UserError, match='must be a Python file'):
    command_line.load_config(str(tmp_path / 'x.txt'))


def test_workdir(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  found = command_line.require_workdir('~/run', None)
  assert found == tmp_path / 'run'
  with pytest.raises(UserError, match=r', and --config FILE to start one;'):
    command_line.require_workdir(None, None)
  with pytest.raises(
    UserError, match=r'where the run is kept; --workdir alone'
  ):
    command_line.require_workdir('', configs.Config())


@pytest.mark.parametrize(
  ('given', 'sentence'),
  [
    (('h:1', None, 0), 'Give all of'),
    ((None, 2, None), 'Give all of'),
    (('h:1', 2, 2), '--process is 2, of --processes 2'),
    (('h:1', 2, -1), '--process is -1'),
    (('host', 2, 0), "--coordinator is 'host'; it must be HOST:PORT"),
  ],
)
def test_processes(given, sentence):
  with pytest.raises(UserError, match=sentence):
    mesh.join_processes(*given)


def test_alone():
  mesh.join_processes(None, None, None)

import argparse
import hashlib
import importlib
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny_models

from adafm_jax import cli
from adafm_jax.degrade.level import LevelRange
from adafm_jax.model import Model
from adafm_jax.model_file import authors, authors_file
from adafm_jax.models.architecture import Architecture
from adafm_jax.version import __version__

ARCH = Architecture(4, 1, 3, 1, 'block+trunk')
PARAMS = tiny_models.random_params(ARCH)


@pytest.fixture
def model(tmp_path):
  path = tmp_path / 'model.safetensors'
  levels = LevelRange('sr', 3, 4)
  Model(arch=ARCH, levels=levels, params=PARAMS).save(path)
  return path


def test_alone_it_prints_help(capsys):
  assert cli.main([]) == 0
  out = capsys.readouterr().out
  assert out.startswith('usage: adafm')
  for command in cli.COMMANDS:
    assert f'    {command} ' in out


@pytest.mark.parametrize('command', sorted(cli.COMMANDS.keys() - {'train'}))
def test_every_option_has_a_help_text(command):
  parser = argparse.ArgumentParser()
  importlib.import_module(cli.COMMANDS[command][1]).arguments(parser)
  assert [x.dest for x in parser._actions if not x.help] == []


def test_version(capsys):
  with pytest.raises(SystemExit) as caught:
    cli.main(['--version'])
  assert caught.value.code == 0
  assert capsys.readouterr().out == f'adafm {__version__}\n'


@pytest.mark.parametrize(
  'argv', [['inform'], ['info'], ['convert', 'x.pth', '--task', 'blur']]
)
def test_wrong_calls_exit_with_2(argv, capsys):
  with pytest.raises(SystemExit) as caught:
    cli.main(argv)
  assert caught.value.code == 2
  assert 'error:' in capsys.readouterr().err


def test_info_as_text_and_as_json(model, capsys):
  assert cli.main(['info', str(model)]) == 0
  text = capsys.readouterr().out
  assert 'sr, x3 to x4 (scale factor)' in text
  checksum = hashlib.sha256(model.read_bytes()).hexdigest()
  assert f'sha256    {checksum}\n' in text
  assert cli.main(['info', '--json', str(model)]) == 0
  facts = json.loads(capsys.readouterr().out)
  assert facts['sha256'] == checksum
  assert facts['arch'] == ARCH.to_json()
  assert facts['strengths'][2] == [3.5, 0.5]


def test_broken_files_are_one_sentence_and_exit_code_2(model, capsys):
  model.write_bytes(model.read_bytes()[:-1])
  for path in (model, model.parent / 'none', model.parent):
    assert cli.main(['info', str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith('error: ')
    assert str(path) in err
    assert err.count('\n') == 1


def test_convert_writes_a_model_file(tmp_path, monkeypatch, capsys):
  source, target = tmp_path / 'weights.pth', tmp_path / 'model.safetensors'
  source.write_bytes(b'as read by PyTorch')
  state = authors.to_authors(PARAMS, ARCH)
  monkeypatch.setattr(
    authors_file, 'read_pth', {str(source): state}.__getitem__
  )
  argv = ['convert', str(source), '-o', str(target), '--task', 'denoise']
  argv += ['--start', '15', '--end', '75']
  assert cli.main(argv) == 0
  assert f'wrote {target}' in capsys.readouterr().out
  model = Model.load(target)
  assert (model.arch, model.noise, model.curve) == (ARCH, 'clipped', None)
  assert model.levels == LevelRange('denoise', 15, 75)
  assert model.provenance['file'] == 'weights.pth'
  expected = hashlib.sha256(source.read_bytes()).hexdigest()
  assert model.provenance['sha256'] == expected
  jax.tree.map(np.testing.assert_array_equal, model.params, PARAMS)


def test_convert_checks_levels_before_it_reads(tmp_path, capsys):
  target = tmp_path / 'model.safetensors'
  source = tmp_path / 'x.pth'
  source.write_bytes(b'not read')
  argv = ['convert', str(source), '-o', str(target), '--task', 'dejpeg']
  assert cli.main([*argv, '--start', '80', '--end', '0.5']) == 2
  assert 'not a legal JPEG quality' in capsys.readouterr().err
  assert not target.exists()


def test_a_real_process_prints_info_without_importing_jax(model):
  command = [sys.executable, '-X', 'importtime', '-m', 'adafm_jax.cli']
  done = subprocess.run(
    [*command, 'info', str(model)], capture_output=True, text=True, timeout=60
  )
  assert done.returncode == 0
  assert 'AdaFM     3 layers 1x1, placement block+trunk' in done.stdout
  imported = {line.split('|')[-1].strip() for line in done.stderr.splitlines()}
  assert 'adafm_jax.model_file' in imported
  assert not imported & {'jax', 'flax', 'torch'}
  done = subprocess.run(
    [*command, 'info', str(model.parent / 'none')],
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert done.returncode == 2
  assert 'error: There is no model file' in done.stderr


@pytest.mark.parametrize(
  ('argv', 'words'),
  [
    (['train', '--config.model.kernel=5'], 'no --config'),
    (['prepare', '--dataset', 'nothing'], 'nothing'),
    (['sweep', '-m', 'no.safetensors', '-i', 'x', '-o', 'y'], 'no model file'),
  ],
)
def test_the_tools_are_commands_too(argv, words, capsys, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert cli.main(argv) == 2
  assert words in capsys.readouterr().err

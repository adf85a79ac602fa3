import os
import subprocess
import sys

import pytest

from adafm_jax.config import parse as configs
from adafm_jax.errors import UserError
from adafm_jax.train import workdir


def test_a_workdir_is_one_process_s(tmp_path):
  program = (
    'import sys, pathlib; from adafm_jax.train import workdir\n'
    'with workdir.locked(pathlib.Path(sys.argv[1])):\n'
    '  print("held", flush=True); sys.stdin.read()'
  )
  other = subprocess.Popen(
    [sys.executable, '-c', program, str(tmp_path / 'run')],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
  )
  with other:
    assert other.stdout.readline() == b'held\n'
    with (
      pytest.raises(UserError, match='Another process trains'),
      workdir.locked(tmp_path / 'run'),
    ):
      pass
    other.kill()
  with workdir.locked(tmp_path / 'run'):
    assert (tmp_path / 'run').is_dir()


def test_how_a_run_proceeds_may_change(tmp_path):
  config = configs.parse({'run': {'log_every': 5}})
  workdir.open_workdir(config, tmp_path)
  changed = configs.parse({'run': {'log_every': 50}})
  assert workdir.open_workdir(changed, tmp_path) == changed


def test_a_workdir_without_a_run_cannot_be_resumed(tmp_path):
  with pytest.raises(UserError, match=r'no run to resume .*config\.json'):
    workdir.open_workdir(None, tmp_path / 'empty')
  assert not (tmp_path / 'empty').exists()


@pytest.mark.parametrize(
  'text', ['{"seed": 0', '[]', '{"train": 3}', '{"seeds": 1}', '\x00\x01']
)
def test_a_broken_config_file_is_named(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=r'Cannot use .*config\.json'):
    workdir.open_workdir(None, tmp_path)

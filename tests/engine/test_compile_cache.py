"""The cache of compiled functions, by real processes."""

import os
import pathlib
import subprocess
import sys

import pytest
import sweeping
from PIL import Image

from adafm_jax.engine import compile_cache

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from adafm_jax.engine import compile_cache
compile_cache.enable()
@jax.jit
def f(x):
  for _ in range(400):
    x = jnp.sin(x @ x) + jnp.cumsum(x, axis=0)
  return x
f(np.ones((9, 9), np.float32))
"""


def _python(arguments, variables):
  """What Python writes to standard error."""
  return subprocess.run(
    [sys.executable, *arguments],
    env={**os.environ, **variables},
    capture_output=True,
    text=True,
    check=True,
    timeout=120,
  ).stderr


def _run(**variables):
  assert _python(['-c', PROGRAM], variables) == ''


def _files(folder):
  return {
    path.name
    for path in folder.rglob('*-cache')
    if path.name.startswith('jit_')
  }


def test_what_is_compiled_is_kept_in_the_users_cache_folder(tmp_path):
  home = {'XDG_CACHE_HOME': str(tmp_path), 'ADAFM_COMPILE_CACHE': ''}
  _run(**home)
  kept = _files(tmp_path / 'adafm_jax')
  assert kept
  _run(**home)  # finds it: nothing new is written
  assert _files(tmp_path / 'adafm_jax') == kept


def test_restoring_compiles_once_for_all_calls(here, models_here):
  source = here / 'in.png'
  Image.fromarray(sweeping.pixels((70, 90, 3))).save(source)
  command = ['-m', 'adafm_jax.cli', 'restore', '-i', str(source)]
  command += ['-m', 'denoise.safetensors', '--tile', '32']
  command += ['--strength', '0.5', '--overwrite', '-o', 'out.png']
  cache = here / 'cache'
  # By its own program: what compiles in about 0.1 s is kept or not by chance.
  for _ in range(2):
    _python(command, {'ADAFM_COMPILE_CACHE': str(cache)})
    kept = [name for name in _files(cache) if name.startswith('jit_step')]
    assert len(kept) == 1


def test_another_folder_or_none(tmp_path):
  _run(ADAFM_COMPILE_CACHE=str(tmp_path / 'here'))
  assert _files(tmp_path / 'here')
  _run(ADAFM_COMPILE_CACHE='off', XDG_CACHE_HOME=str(tmp_path / 'none'))
  assert not (tmp_path / 'none').exists()


@pytest.mark.parametrize('given', ['', '~/compiled'])
def test_without_a_home_there_is_no_cache(given, monkeypatch):
  def nobody(path):
    raise RuntimeError('Could not determine home directory.')

  monkeypatch.setattr(pathlib.Path, 'expanduser', nobody)
  monkeypatch.setenv(compile_cache.VARIABLE, given)
  monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
  assert compile_cache.folder() is None


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path):
  (tmp_path / 'file').write_text('in the way')
  _run(ADAFM_COMPILE_CACHE=str(tmp_path / 'file' / 'folder'))

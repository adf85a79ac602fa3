"""Strict settings for every test: one place, on before JAX starts.

Warnings are errors (setup.cfg); types and ranks must agree without silent
promotion; eight CPU devices, so that the mesh tests run in the same process.
"""

import errno
import gc
import os
import pathlib
import signal

import jax
import matplotlib as mpl
import pytest
import small_sets

from adafm_jax.restore import own

# A shell starts background jobs deaf to Ctrl-C, and their children with them:
# tests that send it would fail there.
signal.signal(signal.SIGINT, signal.default_int_handler)

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_dtype_promotion', 'strict')
jax.config.update('jax_numpy_rank_promotion', 'raise')
mpl.use('Agg')


def pytest_configure(config):
  """Keeps compiled programs between tests and runs; --cache-clear removes them.

  The processes that tests start keep theirs there too, not in a user's cache.
  """
  compiled = str(config.cache.mkdir('compiled'))
  os.environ['ADAFM_COMPILE_CACHE'] = compiled
  jax.config.update('jax_compilation_cache_dir', compiled)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)


@pytest.fixture
def here(tmp_path, monkeypatch):
  """A folder of the test's own, which is the current one."""
  monkeypatch.chdir(tmp_path)
  return tmp_path


@pytest.fixture
def models_here(here):
  """The same, with a small model file of each task."""
  import restoring

  for name, model in restoring.MODELS.items():
    model.save(f'{name}.safetensors')


@pytest.fixture
def bulk_pictures(here):
  """The same, with pictures for bulk work and their model."""
  import bulk_work
  import tiny_models

  tiny_models.random_model().save('model.safetensors')
  bulk_work.write_pictures()


@pytest.fixture
def unfinished_writes():
  """Frees what orbax left unfinished, before a later test is blamed for it."""
  yield
  gc.collect()


@pytest.fixture(scope='session')
def swept(tmp_path_factory):
  """A folder of a model and images to sweep, the model, and the images."""
  import sweeping

  return sweeping.make_folder(tmp_path_factory.mktemp('sweep'))


@pytest.fixture(params=['no system', 'no disk'])
def no_marks(request, monkeypatch):
  """A system, or a disk, that keeps no extended attributes."""

  def refuse(*_, **__):
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

  for name in ('setxattr', 'getxattr'):
    if request.param == 'no system':
      monkeypatch.delattr(os, name)
    else:
      monkeypatch.setattr(os, name, refuse)


@pytest.fixture
def renamed(monkeypatch):
  """Files that got their names, and whether they were marked by then."""
  found, replace = {}, pathlib.Path.replace

  def watched(path, target):
    placed = replace(path, target)
    found[placed.name] = own.is_own(placed)
    return placed

  monkeypatch.setattr(pathlib.Path, 'replace', watched)
  return found


@pytest.fixture
def quick_compile():
  """Compiles in a third of the time."""
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', False)


@pytest.fixture(scope='session')
def smooth_images(tmp_path_factory):
  """A folder of four small images, to train on."""
  images = {f'{i}': small_sets.smooth_pixels(i, 30 + i, 41) for i in range(4)}
  return small_sets.write(tmp_path_factory.mktemp('smooth'), images)

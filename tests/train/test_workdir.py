import os
import subprocess
import sys

import numpy as np
import pytest

from adafm_jax.data.image import NamedImage, identify
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


def test_identity_is_that_of_names_and_pixels():
  images = [
    NamedImage(n, np.full((4, 5, 3), i, np.uint8)) for i, n in enumerate('ab')
  ]
  known = workdir.identity(identify(images))
  assert workdir.identity(identify(images[::-1])) == known
  renamed = [images[0]._replace(name='c'), images[1]]
  changed = [images[0], images[1]._replace(pixels=images[0].pixels)]
  found = {
    workdir.identity(identify(x)) for x in (renamed, changed, images[:1])
  }
  assert len(found) == 3
  assert known not in found


@pytest.mark.parametrize(
  ('batches', 'cores', 'count'), [((8, 8), 4, 4), ((6, 4), 8, 2), ((5,), 4, 1)]
)
def test_a_device_a_core_as_far_as_batches_are_shared(batches, cores, count):
  program = (
    'import os; os.sched_getaffinity = lambda _: set(range(%d))\n'
    'from adafm_jax.train import mesh; import jax\n'
    'mesh.use_all_cores(%r); mesh.use_all_cores([64])\n'
    'print(jax.device_count())'
  )
  done = subprocess.run(
    [sys.executable, '-c', program % (cores, list(batches))],
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == f'{count}\n'

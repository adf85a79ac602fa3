"""One CPU device a core."""

import os
import subprocess
import sys

import pytest


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

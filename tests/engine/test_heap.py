"""Memory that was freed is used again, without asking the system."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from adafm_jax.engine import heap

def faults():
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  np.ones(25_000_000).sum()
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == 'keep':
  heap.keep()
faults()
print(min(faults() for _ in range(3)))
"""


@pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc'
)
def test_freed_memory_is_kept():
  def run(argument):
    command = [sys.executable, '-c', SCRIPT, argument]
    return int(subprocess.check_output(command, text=True))

  # 200 MB are 48,829 pages, or 96 huge ones.
  assert run('keep') < 20
  assert run('leave') > 90

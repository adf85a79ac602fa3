"""A process starts again with huge pages, at most once, where that helps."""

import os
import pathlib
import subprocess
import sys

import pytest

from adafm_jax.engine import huge_pages

# Says what it was started with; it reads a line before and one after.
SCRIPT = """
import os, sys
from adafm_jax.engine import huge_pages
if len(sys.argv) > 2:
  import pathlib
  huge_pages._KERNEL = pathlib.Path(sys.argv[2])
huge_pages.enable()
print(os.getpid(), sys.argv[1], os.environ.get('GLIBC_TUNABLES'), input())
"""


def _run(*arguments, **environment):
  """(whether the process kept its number, its argument, tunables, stdin)."""
  kept = {
    name: value
    for name, value in os.environ.items()
    if name not in (huge_pages.VARIABLE, 'GLIBC_TUNABLES')
  }
  with subprocess.Popen(
    [sys.executable, '-c', SCRIPT, *map(str, arguments)],
    env=kept | environment,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  ) as process:
    out, _ = process.communicate('a line\n', timeout=60)
  assert process.returncode == 0
  number, argument, tunables, line = out.rstrip('\n').split(' ', 3)
  assert int(number) == process.pid
  return argument, tunables, line


@pytest.fixture
def kernel(tmp_path):
  def write(text):
    path = tmp_path / 'enabled'
    path.write_text(text)
    return path

  return write


def test_a_process_starts_again_as_it_was(kernel):
  path = kernel('always [madvise] never\n')
  expected = ('an,argument', 'glibc.malloc.hugetlb=1', 'a line')
  assert _run('an,argument', path) == expected
  other = 'glibc.malloc.arena_max=4'
  _, tunables, _ = _run('x', path, GLIBC_TUNABLES=other)
  assert tunables == f'{other}:glibc.malloc.hugetlb=1'


@pytest.mark.parametrize(
  ('text', 'environment'),
  [
    ('[always] madvise never\n', {}),
    ('always madvise [never]\n', {}),
    ('always [madvise] never\n', {'ADAFM_HUGE_PAGES': 'off'}),
  ],
)
def test_it_does_not_where_nothing_would_change(kernel, text, environment):
  assert _run('x', kernel(text), **environment) == ('x', 'None', 'a line')


def test_what_the_user_chose_stays(kernel):
  chosen = 'glibc.malloc.hugetlb=0'
  path = kernel('always [madvise] never\n')
  assert _run('x', path, GLIBC_TUNABLES=chosen)[1] == chosen


def test_systems_without_huge_pages(tmp_path):
  assert _run('x', tmp_path / 'missing') == ('x', 'None', 'a line')


@pytest.mark.skipif(
  not huge_pages._on_request(), reason='the kernel gives no pages on request'
)
@pytest.mark.parametrize(
  'command',
  [
    ['-m', 'adafm_jax.main', '--workdir', 'missing'],
    ['-m', 'adafm_jax.cli', 'restore', '-i', 'missing', '-o', 'x'],
    ['-m', 'adafm_jax.sweep', '-m', 'denoise', '-i', 'missing', '-o', 'x'],
  ],
)
def test_commands_have_them(tmp_path, command):
  """Python says what it starts with, each time; the commands then fail."""
  hook = tmp_path / 'sitecustomize.py'
  hook.write_text(
    "import os, sys; print('tunables', os.environ.get('GLIBC_TUNABLES'),"
    ' file=sys.stderr)'
  )
  environment = dict(os.environ, PYTHONPATH=str(tmp_path))
  del environment[huge_pages.VARIABLE]
  done = subprocess.run(
    [sys.executable, *command],
    cwd=pathlib.Path(__file__).parents[2],
    env=environment,
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  assert done.returncode == 2
  said = [x for x in done.stderr.splitlines() if x.startswith('tunables')]
  assert said == ['tunables None', 'tunables glibc.malloc.hugetlb=1']

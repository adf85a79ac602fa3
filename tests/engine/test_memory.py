import os

import jax
import pytest

from adafm_jax.engine import memory
from adafm_jax.errors import UserError


@pytest.mark.parametrize(
  ('text', 'size'),
  [
    ('2GiB', 2147483648),
    ('500 MB', 500_000_000),
    ('1e9', 1_000_000_000),
    (' 1.5k ', 1500),
    ('3ki', 3072),
    ('7', 7),
    ('2e+3B', 2000),
    ('1TB', 10**12),
  ],
)
def test_sizes_as_people_write_them(text, size):
  assert memory.parse(text) == size


@pytest.mark.parametrize(
  'text',
  ['', 'B', 'much', '0', '-1', '2 XB', '1e999', '1..2', 'e', 'inf', '0.5'],
)
def test_no_sizes(text):
  with pytest.raises(UserError, match=r'not a size.*2GiB'):
    memory.parse(text)


@pytest.mark.parametrize(
  ('size', 'text'),
  [(512, '512 bytes'), (1536, '1.5 KiB'), (2**40, '1 TiB'), (2**52, '4.1e+03')],
)
def test_sizes_for_people(size, text):
  assert memory.show(size).startswith(text)


def _machine(tmp_path, meminfo=None, limit=None):
  for path, text in (
    ('proc/meminfo', meminfo),
    ('sys/fs/cgroup/memory.max', limit),
  ):
    if text is not None:
      (tmp_path / path).parent.mkdir(parents=True)
      (tmp_path / path).write_text(text)
  return min(memory._machine(tmp_path))


MEMINFO = 'MemTotal:  9 kB\nMemFree:  2 kB\nMemAvailable:     7 kB\n'


def test_what_the_file_cache_holds_is_free(tmp_path):
  assert _machine(tmp_path, MEMINFO) == 7 * 1024


def test_a_container_has_less(tmp_path):
  assert _machine(tmp_path, MEMINFO, '5000\n') == 5000


def test_a_container_without_a_limit(tmp_path):
  assert _machine(tmp_path, MEMINFO, 'max\n') == 7 * 1024


def test_without_proc_all_memory_counts(tmp_path):
  total = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  assert _machine(tmp_path) == total


def test_half_of_what_the_device_has_free(monkeypatch):
  class Device:
    def memory_stats(self):
      return {'bytes_limit': 1000, 'bytes_in_use': 400}

  monkeypatch.setattr(jax, 'local_devices', lambda: [Device()])
  assert memory.available() == 300


def test_this_machine_has_some():
  assert 2**20 < memory.available() < 2**50

import os

import jax
import pytest

from adafm_jax.engine import memory as memories
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
  assert memories.parse(text) == size


@pytest.mark.parametrize(
  'text',
  ['', 'B', 'much', '0', '-1', '2 XB', '1e999', '1..2', 'e', 'inf', '0.5'],
)
def test_no_sizes(text):
  with pytest.raises(UserError, match=r'not a size.*2GiB'):
    memories.parse(text)


@pytest.mark.parametrize(
  ('size', 'text'),
  [
    (512, '512 bytes'),
    (1536, '1.5 KiB'),
    (2**40, '1 TiB'),
    (2**52, '4096 TiB'),
  ],
)
def test_sizes_for_people(size, text):
  assert memories.show(size).startswith(text)


def test_sizes_for_people_have_no_exponents():
  for count in range(1000, 1024):
    assert memories.show(count * 2**20) == f'{count} MiB'
  assert memories.show(round(999.7 * 2**20)) == '1000 MiB'


MEMINFO = 'MemTotal:  9 kB\nMemFree:  2 kB\nMemAvailable:     7 kB\n'
TOTAL = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


GROUP = 'sys/fs/cgroup/memory'
STAT = 'anon 1\n{0}inactive_file 300\n{0}active_file 50\n{0}active_anon 9\n'


@pytest.mark.parametrize(
  ('files', 'free'),
  [
    ({}, 7 * 1024),  # the file cache counts as free
    ({f'{GROUP}.max': '5000\n'}, 5000),  # a container's limit
    ({f'{GROUP}.max': 'max\n', f'{GROUP}.current': '90\n'}, 7 * 1024),
    ({f'{GROUP}.max': '5000\n', f'{GROUP}.current': '4900\n'}, 100),
    ({f'{GROUP}.max': '5000\n', f'{GROUP}.current': '5100\n'}, 0),
    (
      {
        f'{GROUP}.max': '5000\n',
        f'{GROUP}.current': '4900\n',
        f'{GROUP}.stat': STAT.format(''),
      },
      450,
    ),
    (
      {
        f'{GROUP}/memory.limit_in_bytes': '5000\n',
        f'{GROUP}/memory.usage_in_bytes': '4900\n',
        f'{GROUP}/memory.stat': STAT.format('total_'),
      },
      450,
    ),
    ({f'{GROUP}/memory.limit_in_bytes': f'{2**63 - 4096}\n'}, 7 * 1024),
    ({'proc/meminfo': ''}, TOTAL),  # without /proc
  ],
)
def test_free_memory_of_the_machine(tmp_path, files, free):
  for path, text in ({'proc/meminfo': MEMINFO} | files).items():
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
  assert min(memories._machine(tmp_path)) == free


def test_half_of_what_the_device_has_free(monkeypatch):
  class Device:
    def memory_stats(self):
      return {'bytes_limit': 1000, 'bytes_in_use': 400}

  monkeypatch.setattr(jax, 'local_devices', lambda: [Device()])
  assert memories.available() == 300


def test_this_machine_has_some():
  assert 2**20 < memories.available() < 2**50

import os
import pathlib
import subprocess
import sys
import time

import coded_images
import jax
import numpy as np
import pytest
import scipy.stats
from coded_images import IMAGES, PATCH, SIZES

from adafm_jax.data import bank as banks
from adafm_jax.data import stream
from adafm_jax.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]

SEED = (5, 1)


def _batches(records=IMAGES, **options):
  fields = {'seed': SEED, 'batch': 6, 'patch': PATCH, 'steps': 50, **options}
  return stream.Batches(records, **fields)


@pytest.mark.parametrize('count', [1, 7, 100])
def test_an_epoch_holds_every_record_once_and_epochs_differ(count):
  epochs = [
    [stream.record_at(SEED, e * count + i, count) for i in range(count)]
    for e in range(4)
  ]
  for epoch in epochs:
    assert sorted(epoch) == list(range(count))
  if count == 100:
    assert len({tuple(epoch) for epoch in epochs}) == 4
    other = [stream.record_at((5, 0), i, count) for i in range(count)]
    assert other not in epochs


def test_batches_reach_over_the_ends_of_epochs():
  """Seven records, batches of six: no gaps, no repeats."""
  records = [np.full((PATCH, PATCH, 1), i, np.uint8) for i in range(7)]
  batches = _batches(records, steps=14)
  drawn = [int(p[0, 0, 0]) for step in range(14) for p in batches[step]]
  assert len(drawn) == 7 * 12
  for epoch in range(12):
    assert sorted(drawn[epoch * 7 : epoch * 7 + 7]) == list(range(7))


def test_several_processes_together_have_the_batch_of_one():
  whole = _batches()
  for rows in ([0, 1, 2], [3, 4, 5], [1, 5], [2, 3]):
    part = _batches(rows=rows)
    for step in (0, 7, 49):
      np.testing.assert_array_equal(part[step], whole[step][rows])


def _codes(patches):
  """What is drawn as one number: image, place and symmetry."""
  first = patches[:, 0, 0].astype(int)
  last = patches[:, -1, -1].astype(int)
  across = patches[:, 0, -1].astype(int)
  columns = [*first.T, last[:, 1], last[:, 2], across[:, 1]]
  return [tuple(row) for row in np.stack(columns, axis=1)]


def test_patches_have_the_distribution_of_those_drawn_on_the_device():
  """Every image, place and symmetry, as often as `bank.sample` draws it."""
  count = 24_000
  drawn = _codes(_batches(batch=count)[0])
  bank = jax.tree.map(jax.numpy.asarray, banks.build(IMAGES))
  sample = jax.jit(banks.sample, static_argnums=(2, 3))
  wanted = _codes(np.asarray(sample(jax.random.key(0), bank, count, PATCH)))
  kinds = sorted(set(drawn) | set(wanted))
  places = sum((h - PATCH + 1) * (w - PATCH + 1) for h, w in SIZES)
  assert len(kinds) == 8 * places
  table = [[codes.count(kind) for kind in kinds] for codes in (drawn, wanted)]
  # An image is drawn without replacement in an epoch, which can only help.
  assert scipy.stats.chi2_contingency(table).pvalue > 1e-3
  per_image = [sum(c[0] == i for c in drawn) for i in range(len(SIZES))]
  assert per_image == [count // len(SIZES)] * len(SIZES)


def test_patches_are_crops_flipped_or_rotated():
  for patch in _batches(batch=300)[3]:
    coded_images.identify(patch)


def test_patches_begin_on_the_grid():
  drawn = _batches(batch=2000, grid=3)[0]
  places = {coded_images.identify(patch)[:3] for patch in drawn}
  assert places == {
    (i, top, left)
    for i, (height, width) in enumerate(SIZES)
    for top in range(0, height - PATCH + 1, 3)
    for left in range(0, width - PATCH + 1, 3)
  }


def test_partners_stay_with_their_images():
  pairs = [np.concatenate([i, 255 - i], axis=-1) for i in IMAGES]
  drawn = _batches(pairs)[11]
  assert drawn.shape == (6, PATCH, PATCH, 6)
  assert drawn.dtype == np.uint8
  np.testing.assert_array_equal(drawn[..., 3:], 255 - drawn[..., :3])
  np.testing.assert_array_equal(drawn[..., :3], _batches()[11])


def _read(batches, start, workers, count):
  with stream.read(batches, start, workers) as read:
    return [next(read) for _ in range(count)]


@pytest.mark.parametrize('workers', [0, 2])
def test_batches_are_read_in_order_from_any_step(workers):
  batches = _batches(steps=12)
  found = _read(batches, 5, workers, 7)
  for step, batch in enumerate(found, 5):
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, batches[step])
  with stream.read(batches, 12, 0) as read, pytest.raises(StopIteration):
    next(read)


class _Broken:
  """Records of which one can't be read."""

  def __len__(self):
    return 4

  def __getitem__(self, index):
    if index == 2:
      raise UserError('Cannot read record 2.')
    return IMAGES[index]


@pytest.mark.parametrize('workers', [0, 1])
def test_a_damaged_record_ends_reading_with_its_own_sentence(workers):
  with pytest.raises(UserError, match=r'Cannot read record 2\.'):
    _read(_batches(_Broken()), 0, workers, 50)


_PROGRAM = """
import multiprocessing, time
import numpy as np
from adafm_jax.data import stream

if __name__ == '__main__':
  images = [np.zeros((9, 9, 3), np.uint8)] * 3
  batches = stream.Batches(images, seed=(0, 0), batch=2, patch=8, steps=10**6)
  with stream.read(batches, 0, 2) as read:
    next(read)
    print(*[p.pid for p in multiprocessing.active_children()], flush=True)
    time.sleep(20)
"""


def _alive(pid):
  """Whether a process runs; one that ended may still be listed as a zombie."""
  try:
    state = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2]
  except OSError:
    return False
  return state.split()[0] not in 'ZX'


@pytest.mark.skipif(sys.platform != 'linux', reason='looks into /proc')
def test_workers_end_when_the_run_is_killed(tmp_path):
  script = tmp_path / 'program.py'
  script.write_text(_PROGRAM)
  with subprocess.Popen(
    [sys.executable, script],
    cwd=tmp_path,
    env={**os.environ, 'PYTHONPATH': str(ROOT), 'JAX_PLATFORMS': 'cpu'},
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
  ) as process:
    # Killed at once, and so while a worker may just be starting.
    workers = [int(pid) for pid in process.stdout.readline().split()]
    process.kill()
  assert len(workers) == 2
  deadline = time.monotonic() + 15
  while any(map(_alive, workers)) and time.monotonic() < deadline:
    time.sleep(0.1)
  assert not any(map(_alive, workers))

import itertools

import pytest

from adafm_jax.data import known
from adafm_jax.degrade import level as levels
from release.card import published


@pytest.mark.parametrize('task', levels.TASKS)
def test_rows_are_of_known_sets_levels_and_protocols(task):
  noises = levels.NOISE_PROTOCOLS if task == 'denoise' else ('',)
  harder = {'denoise': 1, 'dejpeg': -1, 'sr': 1}[task]
  rows = published.TASKS[task]
  assert len({(r.method, r.set, r.noise) for r in rows}) == len(rows)
  for row in rows:
    assert row.set in known.SETS
    assert row.noise in noises
    assert row.paper
    assert not any(levels.TASKS[task].problems(x) for x in row.psnr)
    by_level = [row.psnr[x] for x in sorted(row.psnr)][::harder]
    assert all(a > b for a, b in itertools.pairwise(by_level))


def test_find_gives_one_set_and_protocol():
  unclipped = published.find('denoise', 'cbsd68', 'float')
  assert {r.method for r in unclipped} >= {'FFDNet, colour', 'DRUNet'}
  (paper,) = published.find('denoise', 'cbsd68', 'clipped')
  assert (paper.method, paper.psnr[75]) == ('AdaFM-Net', 26.35)
  assert published.find('denoise', 'set5', 'float') == []
  assert [r.psnr[4] for r in published.find('sr', 'set5', '')] == [
    28.42,
    31.35,
    32.00,
    32.12,
  ]

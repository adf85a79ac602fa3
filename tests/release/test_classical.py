import itertools

import numpy as np
import pytest

from release import classical, measure
from release.classical import NonLocalMeans


@pytest.fixture
def chosen(monkeypatch):
  table = {
    15.0: NonLocalMeans(3, 6, 6.0, 15.0),
    35.0: NonLocalMeans(5, 10, 16.0, 35.0),
  }
  monkeypatch.setitem(classical.CHOSEN, 'denoise', table)


@pytest.mark.parametrize(
  ('level', 'expected'),
  [
    (15, NonLocalMeans(3, 6, 6, 15)),
    (20, NonLocalMeans(3, 6, 8.5, 20)),
    (30, NonLocalMeans(5, 10, 13.5, 30)),
    (50, NonLocalMeans(5, 10, 16, 35)),
  ],
)
def test_settings_between_those_chosen_are_linear(chosen, level, expected):
  assert classical.settings('denoise', level) == expected


def test_every_usual_level_has_settings_that_rise_with_the_damage():
  assert set(classical.CHOSEN['denoise']) == {2, 5, 10, 15, 25, 35, 50, 75}
  assert set(classical.CHOSEN['dejpeg']) == set(measure.LEVELS['dejpeg'])
  for task, order in (('denoise', 1), ('dejpeg', -1)):
    found = [h for _, h in sorted(classical.CHOSEN[task].items())][::order]
    assert all(a.h <= b.h for a, b in itertools.pairwise(found))
  assert 'sr' not in classical.CHOSEN


@pytest.mark.parametrize('channels', [1, 3])
def test_noise_is_removed_and_edges_stay(channels):
  clean = np.full((24, 31, channels), 0.3, np.float32)
  clean[:, 15:] = 0.7
  noise = np.random.default_rng(0).normal(0, 25 / 255, clean.shape)
  how = classical.settings('denoise', 25)
  restored = classical.restore((clean + noise).astype(np.float32), how)
  assert restored.dtype == np.uint8
  assert restored.shape == clean.shape
  error = restored / 255 - clean
  assert np.sqrt(np.mean(error**2)) < 0.5 * 25 / 255
  assert restored[:, 18:].min() > 150
  assert restored[:, :12].max() < 110

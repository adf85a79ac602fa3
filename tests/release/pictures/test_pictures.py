import json

import numpy as np
import pytest
import released

from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case
from adafm_jax.images import eight_bit as images
from release.pictures import pictures, studio


@pytest.mark.parametrize(
  ('task', 'channels', 'rows'),
  [
    pytest.param('denoise', 3, 5, marks=pytest.mark.slow),
    pytest.param('dejpeg', 1, 4, marks=pytest.mark.slow),
    ('sr', 3, 4),
  ],
)
def test_every_task_has_its_pictures(
  task, channels, rows, tmp_path, monkeypatch
):
  model = released.with_bends(task, channels=channels)
  released.make_zoo(tmp_path, monkeypatch, model, name=task)
  made = pictures.make(task, tmp_path / 'docs')
  json.dumps(made, allow_nan=False)
  assert ('camera' in made) == (task == 'denoise')
  assert len(made['failures']['rows']) == rows
  for row in made['failures']['rows']:
    assert row['title'][0].isupper()
    assert row['text'].endswith('.')
    assert 'nan' not in row['text']
  for shown in made.values():
    picture = images.read(tmp_path / 'docs' / shown['file'])
    height, width, _ = picture.shape
    assert height > 3 * 100
    assert 600 < width < 1600
    assert picture.std() > 20


def test_a_detail_is_where_the_picture_errs_most():
  clean = np.full((300, 260, 3), 90, np.uint8)
  picture = clean.copy()
  picture[40:60, 30:50] += 20
  picture[200:240, 180:220] += 20
  rows, columns = studio.worst(clean, picture)
  assert rows.stop - rows.start == columns.stop - columns.start == studio.DETAIL
  assert rows.start <= 200 < 240 <= rows.stop
  assert columns.start <= 180 < 220 <= columns.stop
  small = studio.worst(clean[:50], picture[:50])
  assert small[0] == slice(0, 50)


def test_the_flattest_detail_has_least_texture():
  noise = np.random.default_rng(0).integers(0, 256, (300, 260, 3))
  image = noise.astype(np.uint8)
  image[150:280, 20:150] = 77
  rows, columns = studio.flattest(image)
  assert (image[rows, columns] == 77).all()


def test_texture_that_is_kept_is_a_squared_correlation():
  rng = np.random.default_rng(0)
  texture = rng.normal(0, 20, (96, 96, 1))
  other = rng.normal(0, 20, (96, 96, 1))
  clean = np.clip(128 + texture, 0, 255).astype(np.uint8)
  half = np.clip(128 + texture / 2, 0, 255).astype(np.uint8)
  mixed = np.clip(128 + texture + other, 0, 255).astype(np.uint8)
  assert studio.texture_kept(clean, half) > 0.99  # at any contrast
  assert studio.texture_kept(clean, mixed) == pytest.approx(0.5, abs=0.05)
  assert studio.texture_kept(clean, 255 - clean) > 0.99
  lost = np.full_like(clean, 128) + rng.integers(0, 9, clean.shape)
  assert studio.texture_kept(clean, lost) < 0.01


def test_a_row_tells_the_psnr_of_the_detail_that_it_shows():
  rng = np.random.default_rng(0)
  clean = rng.integers(60, 190, (130, 140, 3)).astype(np.uint8)
  case = Case('x', clean, ((clean + 10.0) / 255).astype(np.float32))
  better = clean + np.uint8(3)
  better[:8] = 0  # outside of the detail
  window = (slice(10, 122), slice(0, 112))
  noisy, restored, original = studio.row(case, [(better, 'restored')], window)
  assert noisy.caption == f'input: {20 * np.log10(25.5):.1f} dB'
  psnr = metrics.psnr(clean[window], better[window])
  assert restored.caption == f'restored: {psnr:.1f} dB'
  np.testing.assert_array_equal(restored.image, better[window])
  np.testing.assert_array_equal(original.image, clean[window])

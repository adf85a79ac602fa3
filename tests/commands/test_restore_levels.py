"""`adafm restore` at the level that a picture needs, or none."""

import dataclasses
import pathlib

import numpy as np
import pytest
import released
import restoring
import tifffile
import tiny_models
from PIL import Image

from adafm_jax.degrade.level import LevelRange
from adafm_jax.model_file import file as model_file
from adafm_jax.restore import recipe

pytestmark = pytest.mark.usefixtures('models_here')


def test_the_level_is_estimated_by_default(capsys):
  rng = np.random.default_rng(0)
  noise = rng.normal(128, 30, (96, 96, 3))
  Image.fromarray(np.uint8(np.clip(noise, 0, 255))).save('noisy.png')
  for options in ([], ['--auto']):
    report = ['--json', 'report.json', '--overwrite']
    assert restoring.run('noisy.png', 'out', *options, *report) == 0
    (row,), _ = restoring.report('report.json')
    assert row['estimated'] is True
    assert abs(row['level'] - 30) < 6
    assert row['strength'] == restoring.MODELS['denoise'].strength(row['level'])
    assert row['how'] in capsys.readouterr().out
    expected = restoring.MODELS['denoise'].restore(
      restoring.read('noisy.png'), level=row['level']
    )
    np.testing.assert_array_equal(restoring.read('out/noisy.png'), expected)


def test_a_picture_too_small_to_estimate_needs_a_level(capsys):
  Image.new('RGB', (5, 4)).save('tiny.png')
  assert restoring.run('tiny.png', 'out') == 1
  said = capsys.readouterr().err
  assert 'error: tiny.png: 5 x 4 pixels are too few' in said
  assert not pathlib.Path('out/tiny.png').exists()
  assert restoring.run('tiny.png', 'out', '--level', 20) == 0


def test_levels_of_a_picture_of_little_contrast_are_its_own():
  noise = np.random.default_rng(0).normal(128, 3, (96, 96, 3))
  Image.fromarray(np.uint8(np.rint(noise))).save('weak.png')
  report = ['--json', 'report.json']
  assert restoring.run('weak.png', 'out', *report) == 0
  (row,), _ = restoring.report('report.json')
  assert abs(row['level'] - 3) < 0.5
  assert 'is stretched' in row['how']
  given = ['--level', row['level'], *report]
  assert restoring.run('weak.png', 'given', *given) == 0
  (again,), _ = restoring.report('report.json')
  assert again['strength'] == row['strength'] > 0
  by_level = restoring.MODELS['denoise'].restore(
    restoring.read('weak.png'), level=row['level']
  )
  for folder in ('out', 'given'):
    np.testing.assert_array_equal(
      restoring.read(f'{folder}/weak.png'), by_level
    )


def test_below_the_start_the_result_fades_to_the_picture(capsys):
  restoring.make('a.png')
  image = restoring.read('a.png').astype(np.float64)
  start = (
    restoring.MODELS['denoise'].restore(np.float32(image / 255), strength=0)
    * 255
  )
  assert restoring.run('a.png', 'b.png', '--level', 5, '--json', 'r.json') == 0
  expected = image + (start - image) / 3  # 5 of 15
  assert np.abs(restoring.read('b.png') - expected).max() < 0.51
  (row,), _ = restoring.report('r.json')
  assert (row['level'], row['strength'], row['estimated']) == (5, 0, False)
  assert row['share'] == pytest.approx(1 / 3)
  assert 'faded to 33%' in capsys.readouterr().out
  assert restoring.run('a.png', 'c.png', '--level', -1) == 2


def test_a_gentler_model_is_named_where_it_serves(
  monkeypatch, tmp_path, capsys
):
  fine = dataclasses.replace(
    tiny_models.random_model(),
    levels=LevelRange('denoise', 4, 20),
    curve=None,
  )
  released.make_zoo(tmp_path, monkeypatch, fine, name='fine')
  restoring.make('a.png')
  for level, said in ((5, True), (3, False), (15, False)):
    assert restoring.run('a.png', f'{level}.png', '--level', level) == 0
    out = capsys.readouterr().out
    assert ('Model fine is made for it (sigma 4 to sigma 20)' in out) == said


def test_other_models_are_read_where_they_may_be_named_and_may_be_broken(
  monkeypatch, tmp_path, capsys
):
  model = tiny_models.random_model()
  released.make_zoo(tmp_path, monkeypatch, model, name='fine')
  (tmp_path / 'zoo' / 'fine.safetensors').write_bytes(b'broken')
  read, read_header = [], model_file.read_header

  def watched(path):
    read.append(path)
    return read_header(path)

  monkeypatch.setattr(model_file, 'read_header', watched)
  restoring.make('a.png')
  assert restoring.run('a.png', 'b.png', '--level', 40) == 0
  assert not read
  assert restoring.run('a.png', 'c.png', '--level', 5) == 0
  assert [path.name for path in read] == ['fine.safetensors']
  assert 'faded to 33%' in capsys.readouterr().out


def test_what_reading_changed_is_told_unless_the_file_is_copied(capsys):
  ramp = np.linspace(-0.1, 0.9, 96, dtype=np.float32)[:, None, None]
  tifffile.imwrite('a.tif', np.ascontiguousarray(np.repeat(ramp, 96, 1)))
  assert restoring.run('a.tif', 'out', '--dry-run') == 0
  assert 'clipped' not in capsys.readouterr().out
  assert restoring.run('a.tif', 'out') == 0
  out = capsys.readouterr().out
  assert '1 left alone' in out
  assert 'clipped' not in out
  same = pathlib.Path('out/a.tif').read_bytes()
  assert same == pathlib.Path('a.tif').read_bytes()
  assert restoring.run('a.tif', 'b.tif', '--strength', 0.5) == 0
  assert 'from -0.1 to 0.9 were clipped' in capsys.readouterr().out


def test_what_is_clean_is_left_alone_to_the_byte(capsys):
  ramp = np.linspace(40, 200, 96)[:, None, None]
  clean = np.uint8(np.broadcast_to(ramp, (96, 96, 3)))
  Image.fromarray(clean).save('a.png')
  Image.fromarray(clean).save('a.jpg', quality=99)
  for name, model in (('a.png', 'denoise'), ('a.jpg', 'dejpeg')):
    assert restoring.run(name, 'out', model=model) == 0
    same = pathlib.Path('out', name).read_bytes()
    assert same == pathlib.Path(name).read_bytes()
    out = capsys.readouterr().out
    assert '1 left alone' in out
    assert 'Cleaner than the model restores' in out
  assert restoring.run('a.jpg', 'b.png', model='dejpeg') == 0
  np.testing.assert_array_equal(
    restoring.read('b.png'), restoring.read('a.jpg')
  )


def test_a_flat_page_around_a_noisy_photograph_keeps_its_tone():
  rng = np.random.default_rng(0)
  page = np.full((120, 128, 3), 240, np.uint8)
  noise = rng.normal(128, 50, (80, 96, 3)).clip(0, 255)
  page[20:100, 16:112] = np.rint(noise)
  Image.fromarray(page).save('a.png')
  assert restoring.run('a.png', 'out', '--recipe', '--json', 'r.json') == 0
  restored, around = restoring.read('out/a.png'), np.ones(page.shape[:2], bool)
  around[20:100, 16:112] = False
  assert (restored[around] == 240).all()
  (row,), _ = restoring.report('r.json')
  expected = restoring.MODELS['denoise'].restore(page, level=row['level'])
  assert (expected[around] != 240).any()
  np.testing.assert_array_equal(restored[~around], expected[~around])
  assert restoring.run('a.png', 'again', '--from-recipe', 'out/a.png') == 0
  np.testing.assert_array_equal(restoring.read('again/a.png'), restored)
  # A level that is given is the user's wish, everywhere.
  assert restoring.run('a.png', 'b.png', '--level', row['level']) == 0
  np.testing.assert_array_equal(restoring.read('b.png'), expected)


def test_a_recipe_of_what_was_left_alone_leaves_it_alone():
  ramp = np.linspace(40, 200, 96)[:, None, None]
  clean = np.uint8(np.broadcast_to(ramp, (96, 96, 3)))
  noise = np.random.default_rng(0).normal(0, 2, clean.shape)
  Image.fromarray(np.uint8(np.rint(clean + noise))).save('a.png')
  assert restoring.run('a.png', 'b.png', '--recipe') == 0
  assert recipe.read('b.png').level > 1
  assert restoring.run('a.png', 'c.png', '--from-recipe', 'b.png') == 0
  for name in ('b.png', 'c.png'):
    np.testing.assert_array_equal(restoring.read(name), restoring.read('a.png'))

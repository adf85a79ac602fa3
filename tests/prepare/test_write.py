"""What a prepared set holds, read by TFDS alone and by ours."""

import hashlib
import io
import sys

import numpy as np
import pytest
import small_sets
import tensorflow_datasets as tfds
from PIL import Image

from adafm_jax.data import prepared, sources
from adafm_jax.degrade.degradation import Degradation


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  images = small_sets.make_images(6) | {
    'grey': small_sets.random_pixels(50, 20, 11, 1)
  }
  return small_sets.write(tmp_path_factory.mktemp('images'), images)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory, folder):
  data_dir = tmp_path_factory.mktemp('data')
  small_sets.make_set(data_dir, source=folder, holdout=2, side=0)
  return data_dir


def test_tfds_alone_reads_the_very_pixels(data_dir, folder):
  builder = tfds.builder_from_directory(data_dir / 'image_folder/1.0.0')
  assert set(builder.info.splits) == {'train', 'valid'}
  records = builder.as_data_source(split='train')
  assert [r['name'].decode() for r in records] == [
    '000',
    '001',
    '002',
    '003',
    '004',
  ]
  for record, pixels in zip(
    records, small_sets.make_images(5).values(), strict=True
  ):
    np.testing.assert_array_equal(record['image'], pixels)
  assert 'tensorflow' not in sys.modules


def test_the_last_images_by_name_validate(data_dir):
  found = sources.load(
    'tfds:image_folder/valid', field='x', channels=3, data_dir=str(data_dir)
  )
  assert [i.name for i in found] == ['005', 'grey']
  grey = small_sets.random_pixels(50, 20, 11, 1)
  np.testing.assert_array_equal(found[1].pixels, np.repeat(grey, 3, axis=-1))
  one = prepared.open_split('image_folder', 'valid', data_dir)
  assert one.records()[1].shape == (20, 11, 1)  # kept as the file has it
  luma = one.records(1)
  np.testing.assert_array_equal(luma[1], grey)


def test_the_index_says_what_was_read(data_dir, folder):
  part = prepared.open_split('image_folder', 'train', data_dir)
  assert len(part) == 5
  for entry in part.entries:
    data = (folder / entry.path).read_bytes()
    assert entry.sha256 == hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as image:
      assert image.size == (entry.width, entry.height)
  assert part.pixels == sum(12 * 17 + 17 * (i % 3) for i in range(5))
  assert [name for name, *_ in part.sizes] == [e.name for e in part.entries]


def test_training_images_are_cut_and_others_are_not(tmp_path, monkeypatch):
  monkeypatch.setattr('adafm_jax.data.tiles._REST', 3)
  images = {
    n: small_sets.random_pixels(i, 45, 30, 3) for i, n in enumerate('abc')
  }
  source = small_sets.write(tmp_path / 'in', images)
  small_sets.make_set(
    tmp_path, source=source, holdout=1, side=20, step=10, called='mine'
  )
  part = prepared.open_split('mine', 'train', tmp_path)
  assert part.is_cut
  assert part.sizes[:3] == [
    ('a_s001', 20, 20),
    ('a_s002', 20, 20),
    ('a_s003', 20, 20),
  ]
  records = part.records()
  assert len(records) == len(part.sizes) == 2 * 4 * 2
  tops, lefts = [0, 10, 20, 24], [0, 10]
  for n, record in enumerate(records):
    image, place = divmod(n, 8)
    top, left = tops[place // 2], lefts[place % 2]
    high = 21 if top == 24 else 20  # it begins on the grid
    wanted = images['ab'[image]][top : top + high, left : left + 20]
    np.testing.assert_array_equal(record, wanted)
  (valid,) = prepared.open_split('mine', 'valid', tmp_path).records()
  np.testing.assert_array_equal(valid, images['c'])


@pytest.mark.parametrize(
  ('task', 'levels', 'channels'),
  [('dejpeg', (80.0, 10.0), 1), ('sr', (3.0, 2.5), 3)],
)
def test_partners_are_degraded_as_whole_images(
  tmp_path, task, levels, channels
):
  images = {n: small_sets.smooth_pixels(i, 41, 46) for i, n in enumerate('ab')}
  source = small_sets.write(tmp_path / 'in', images)
  where = small_sets.make_set(
    tmp_path,
    source=source,
    holdout=1,
    side=20,
    step=9,
    task=task,
    levels=levels,
  )
  ending = 'y' if channels == 1 else 'rgb'
  assert where.parent.name == f'image_folder_{task}_{ending}'
  part = prepared.open_split(where.parent.name, 'train', tmp_path)
  clean = sources.images.to_channels(images['a'], channels)
  for level in levels:
    assert part.has_level(task, level, channels)
    whole = Degradation(task).apply(clean, level) * 255
    record = part.records(levels=(level,))[0]
    assert record.shape == (20, 20, 2 * channels)
    np.testing.assert_array_equal(record[..., :channels], clean[:20, :20])
    np.testing.assert_allclose(
      record[..., channels:], whole[:20, :20], atol=1e-3
    )
    alone = Degradation(task).apply(clean[:20, :20], level) * 255
    assert np.abs(record[..., channels:] - alone).max() > 1  # a cut differs
  assert not part.has_level(task, 5.0, channels)
  assert not part.has_level(task, levels[0], 4 - channels)

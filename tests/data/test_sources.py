import io

import numpy as np
import pytest
import skimage.data
import small_sets
import tensorflow_datasets as tfds
from PIL import Image

from adafm_jax.data import sources
from adafm_jax.data.image import NamedImage
from adafm_jax.errors import UserError


def _load(source, channels=3, **options):
  named = {'field': 'data.train', 'option': '--config.data.train='}
  return sources.load(str(source), channels=channels, **named | options)


def test_folder_is_sorted_and_brought_to_rgb(tmp_path):
  colour, grey = (
    small_sets.random_pixels(0, 9, 14, 3),
    small_sets.random_pixels(1, 12, 7, 1),
  )
  small_sets.write(tmp_path, {'b': colour})
  small_sets.write(tmp_path, {'a': grey}, '.PNG')
  (tmp_path / 'notes.txt').write_text('not an image')
  first, second = _load(tmp_path)
  assert (first.name, second.name) == ('a', 'b')
  np.testing.assert_array_equal(first.pixels, grey.repeat(3, -1))
  np.testing.assert_array_equal(second.pixels, colour)
  assert [i.name for i in _load(tmp_path, most=1)] == ['a']


def test_folder_is_brought_to_matlabs_luma(tmp_path):
  colour = small_sets.random_pixels(0, 9, 14, 3)
  small_sets.write(tmp_path, {'a': colour})
  (image,) = _load(tmp_path, channels=1)
  # Rec. 601 studio swing, the coefficients of MATLAB's documentation.
  luma = 16 + colour.astype(float) @ [65.481, 128.553, 24.966] / 255
  assert image.pixels.shape == (9, 14, 1)
  np.testing.assert_allclose(image.pixels[..., 0], luma, atol=0.51)


def test_home_is_understood(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  small_sets.write(tmp_path / 'images', small_sets.make_images(1))
  assert [i.name for i in _load('~/images')] == ['000']


def test_photos_load_and_no_photo_is_in_two_splits():
  names = [name for split in sources.PHOTOS.values() for name in split]
  assert len(set(names)) == len(names)
  for split, expected in sources.PHOTOS.items():
    found = _load(f'photos:{split}')
    assert [i.name for i in found] == sorted(expected)
    assert all(i.pixels.dtype == np.uint8 for i in found)
    assert all(min(i.pixels.shape[:2]) >= 96 for i in found)
  by_name = {i.name: i.pixels for i in _load('photos:evaluate')}
  np.testing.assert_array_equal(by_name['chelsea'], skimage.data.chelsea())


def test_unknown_photos_split_names_those_there_are():
  with pytest.raises(
    UserError, match=r'data\.train .* train, heldout, evaluate'
  ):
    _load('photos:tests')


def _png(pixels):
  """Encoded here: TFDS would need TensorFlow to do it."""
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'PNG')
  return file.getvalue()


def _info(builder, features):
  return tfds.core.DatasetInfo(
    builder=builder, features=tfds.features.FeaturesDict(features)
  )


class TinyImages(tfds.core.GeneratorBasedBuilder):
  """A data set as TFDS users write them; records come unsorted."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    features = {
      'image': tfds.features.Image(shape=(None, None, 3)),
      'name': tfds.features.Text(),
    }
    return _info(self, features)

  def _split_generators(self, dl_manager):
    del dl_manager
    return {
      'train': self._generate_examples(4),
      'extra': self._generate_examples(2),
    }

  def _generate_examples(self, count):
    for i in range(count):
      name = f'photo_{(7 * i) % 10}.png'
      yield (
        name,
        {'image': _png(small_sets.random_pixels(i, 6 + i, 9, 3)), 'name': name},
      )


class Nameless(TinyImages):
  """Records that have pixels only, under DIV2K's feature name."""

  def _info(self):
    return _info(self, {'hr': tfds.features.Image(shape=(None, None, 3))})

  def _generate_examples(self, count):
    for i in range(count):
      yield i, {'hr': _png(small_sets.random_pixels(i, 5, 8, 3))}


class Scaled(Nameless):
  """One with configs, as TFDS's own div2k/bicubic_x2."""

  BUILDER_CONFIGS = (
    tfds.core.BuilderConfig(name='x2', version='1.0.0'),
    tfds.core.BuilderConfig(name='x3', version='1.0.0'),
  )

  def _generate_examples(self, count):
    for i in range(count):
      yield i, {'hr': _png(small_sets.random_pixels(100 + i, 5, 8, 3))}


class Imageless(Nameless):
  """Records without any image."""

  def _info(self):
    return _info(self, {'text': tfds.features.Text()})

  def _generate_examples(self, count):
    for i in range(count):
      yield i, {'text': 'words'}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('tfds'))
  made = [b(data_dir=folder) for b in (TinyImages, Nameless, Imageless)]
  made.append(Scaled(data_dir=folder, config='x3'))
  for builder in made:
    builder.download_and_prepare(file_format='array_record')
  return folder


def test_tfds_data_set_is_read_sorted_by_name(data_dir):
  found = _load('tfds:tiny_images/train', data_dir=data_dir)
  assert [i.name for i in found] == ['photo_0', 'photo_1', 'photo_4', 'photo_7']
  for image, seed in zip(found, (0, 3, 2, 1), strict=True):
    np.testing.assert_array_equal(
      image.pixels, small_sets.random_pixels(seed, 6 + seed, 9, 3)
    )


def test_tfds_split_and_sub_split(data_dir):
  assert len(_load('tfds:tiny_images/extra', data_dir=data_dir)) == 2
  assert len(_load('tfds:tiny_images', data_dir=data_dir)) == 4
  assert len(_load('tfds:tiny_images/train[:50%]', data_dir=data_dir)) == 2
  assert len(_load('tfds:tiny_images/train', data_dir=data_dir, most=3)) == 3


def test_tfds_records_without_names_are_numbered(data_dir):
  found = _load('tfds:nameless/train', data_dir=data_dir)
  assert [i.name for i in found] == ['000000', '000001', '000002', '000003']
  drawn = {i.pixels.tobytes() for i in found}
  assert drawn == {
    small_sets.random_pixels(i, 5, 8, 3).tobytes() for i in range(4)
  }


def test_tfds_name_may_have_a_config(data_dir):
  found = _load('tfds:scaled/x3/extra', data_dir=data_dir)
  drawn = {i.pixels.tobytes() for i in found}
  assert drawn == {
    small_sets.random_pixels(100 + i, 5, 8, 3).tobytes() for i in range(2)
  }


def test_tfds_records_without_images_are_reported(data_dir):
  with pytest.raises(UserError, match=r'no feature `image` or `hr` but text'):
    _load('tfds:imageless/train', data_dir=data_dir)


def test_no_option_is_advised_where_there_is_none():
  with pytest.raises(UserError, match=r'as in /path/to/images, or tfds:'):
    _load('/nowhere', option='')


def test_missing_tfds_data_set_says_how_to_get_it(tmp_path):
  with pytest.raises(UserError) as caught:
    _load('tfds:div2k/train', data_dir=str(tmp_path))
  (sentence,) = caught.value.problems
  for part in (
    'data.train',
    str(tmp_path),
    'DIV2K_train_HR.zip',
    'https://data.vision.ee.ethz.ch/cvl/DIV2K/',
    '--config.data.train=/path',
  ):
    assert part in sentence
  with pytest.raises(UserError, match='DIV2K_train_HR'):
    _load('tfds:div2k/bicubic_x2/train', data_dir=str(tmp_path))
  with pytest.raises(UserError, match=r'--config\.data\.train=/path'):
    _load('tfds:no_such_set/train', data_dir=str(tmp_path))


def test_missing_folder_says_what_a_source_may_be(tmp_path):
  with pytest.raises(UserError) as caught:
    _load(tmp_path / 'absent')
  for part in ('data.train', 'absent', 'tfds:NAME/SPLIT', 'photos:SPLIT'):
    assert part in str(caught.value)


def test_empty_folder_is_reported(tmp_path):
  with pytest.raises(UserError, match='holds no images'):
    _load(tmp_path)


def test_all_broken_files_are_named_at_once(tmp_path):
  pixels = small_sets.random_pixels(0, 64, 48, 3)
  for suffix in ('.png', '.jpg'):
    small_sets.write(tmp_path, {'broken': pixels}, suffix)
    path = tmp_path / f'broken{suffix}'
    path.write_bytes(path.read_bytes()[:-700])
  small_sets.write(tmp_path, {'whole': pixels})
  (tmp_path / 'text.png').write_text('hello')
  with pytest.raises(UserError) as caught:
    _load(tmp_path)
  names = ('broken.jpg', 'broken.png', 'text.png')
  for problem, name in zip(caught.value.problems, names, strict=True):
    assert 'Cannot read' in problem
    assert name in problem


def test_images_that_are_too_small_are_named():
  sizes = [('wide', 15, 99), ('exact', 16, 16), ('tall', 99, 8)]
  sources.check_sizes(sizes[1:2], 16, field='data.train', what='a patch')
  with pytest.raises(UserError, match=r'data\.train.* a patch \(wide, tall\)'):
    sources.check_sizes(sizes, 16, field='data.train', what='a patch')


def test_scales_are_reduced_copies():
  y, x = np.mgrid[:40, :60]
  smooth = np.stack([2 * y, x, y + x], axis=-1).astype(np.uint8)
  images = [NamedImage(name, smooth) for name in 'ab']
  found = sources.at_scales(images, [1, 0.5])
  assert [x.name for x in found] == ['a', 'b', 'a at 0.5', 'b at 0.5']
  assert found[0].pixels is smooth
  # A ramp reduced by 2 has, away from edges, the mean of each block.
  blocks = smooth.reshape(20, 2, 30, 2, 3).mean((1, 3))
  error = np.abs(found[3].pixels - blocks)[2:-2, 2:-2]
  assert error.max() <= 1


def test_a_scale_above_1_enlarges_the_middle_to_the_same_size():
  y, x = np.mgrid[:41, :62]
  smooth = np.stack([4 * y, 3 * x, y + x], axis=-1).astype(np.uint8)
  (found,) = sources.at_scales([NamedImage('a', smooth)], [2])
  assert found.name == 'a at 2'
  # Of 41 rows and 62 columns, 20 and 31 in the middle.
  assert found.pixels.shape == (40, 62, 3)
  row = 10 + (np.arange(40)[:, None] - 0.5) / 2
  column = 15 + (np.arange(62) - 0.5) / 2
  ramps = np.broadcast_arrays(4 * row, 3 * column, row + column)
  error = np.abs(found.pixels - np.stack(ramps, axis=-1))[4:-4, 4:-4]
  assert error.max() <= 1


def test_shrink_reduces_by_the_factor_and_keeps_brightness():
  y, x = np.mgrid[:50, :71]
  smooth = np.stack([2 * y, x, y + x], axis=-1).astype(np.uint8)
  images = [NamedImage('ramp', smooth)]
  (small,) = sources.shrink(images, 3)
  assert small.name == 'ramp'
  assert small.pixels.shape == (16, 23, 3)
  # A ramp reduced by 3 has, away from edges, the value of each block's middle.
  middle = smooth[1:48:3, 1:69:3].astype(int)
  error = np.abs(small.pixels.astype(int) - middle)[2:-2, 2:-2]
  assert error.max() <= 1
  (same,) = sources.shrink(images, 1)
  assert same.pixels is smooth


def test_an_empty_name_is_not_the_current_folder():
  with pytest.raises(UserError, match=r"data\.train is '', which is not"):
    sources.load('', field='data.train', channels=3)

import numpy as np
import pytest
import skimage
from PIL import Image

from adafm_jax.degrade import resize
from adafm_jax.degrade.jpeg import jpeg
from adafm_jax.degrade.level import LevelRange
from adafm_jax.degrade.noise import add_noise_numpy
from adafm_jax.errors import UserError
from adafm_jax.estimate import level as estimate
from adafm_jax.images.photo import Photo, read_photo

DENOISE = LevelRange('denoise', 15, 75)
DEJPEG = LevelRange('dejpeg', 80, 10)


@pytest.fixture(scope='module')
def photograph():
  image = resize.imresize(skimage.data.astronaut()[:420, :462], 0.5)
  return np.rint(image.clip(0, 255)).astype(np.uint8)


def _photo(image, **fields):
  return Photo((image / np.float32(255)).astype(np.float32), **fields)


def _saved(path, image, **options):
  Image.fromarray(image).save(path, **options)
  return read_photo(path)


@pytest.mark.parametrize('sigma', [25, 45])
def test_noise_in_a_jpeg_with_smoothed_chroma(tmp_path, photograph, sigma):
  noisy = add_noise_numpy(photograph, sigma, clipped=True, seed=0, name='a')
  image = np.rint(noisy * 255).astype(np.uint8)
  options = {'quality': 92, 'subsampling': '4:2:0'}
  photo = _saved(tmp_path / 'a.jpg', image, **options)
  plain = estimate.estimate_noise.estimate_sigma(photo.pixels)
  assert plain < sigma / 4  # what three channels together seem to have
  assert estimate.estimate_sigma(photo.pixels) == pytest.approx(sigma, rel=0.12)


def test_white_noise_is_read_off_all_channels(photograph):
  noisy = add_noise_numpy(photograph, 50, clipped=True, seed=0, name='a')
  plain = estimate.estimate_noise.estimate_sigma(noisy)
  assert estimate.estimate_sigma(noisy) == plain


def test_a_jpeg_file_tells_by_its_tables(tmp_path, photograph):
  for quality in (12, 55, 90):
    photo = _saved(tmp_path / 'a.jpg', photograph, quality=quality)
    found = estimate.estimate_quality(photo)
    assert found == estimate.Estimate(quality, estimate.TABLES)


def test_other_files_tell_by_their_pixels(tmp_path, photograph):
  photo = _saved(tmp_path / 'a.png', jpeg(photograph, 35)[2:, 3:])
  found = estimate.estimate_quality(photo)
  assert found == estimate.Estimate(35, estimate.BLOCKING)


@pytest.mark.parametrize('crop', [0, 3])
@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_the_lower_of_two_qualities_counts(tmp_path, photograph, suffix, crop):
  again = jpeg(photograph, 25)[crop:, crop:]
  photo = _saved(tmp_path / 'a.jpg', again, quality=92)
  if suffix == 'png':
    rounded = np.rint(photo.pixels * 255).astype(np.uint8)
    photo = _saved(tmp_path / 'a.png', rounded)
  found = estimate.estimate_quality(photo)
  assert (found.value, found.source) == (25, estimate.BLOCKING)
  if suffix == 'jpg' or crop:
    assert found.stated == 92


@pytest.mark.parametrize('orientation', range(1, 9))
def test_files_that_are_turned(tmp_path, photograph, orientation):
  """Their blocks begin anywhere, and their tables lie on their side."""
  exif = Image.Exif()
  exif[0x0112] = orientation
  for before, wanted in ((None, (85, estimate.TABLES)),
                         (30, (30, estimate.BLOCKING))):  # fmt: skip
    image = jpeg(photograph, before) if before else photograph
    photo = _saved(tmp_path / 'a.jpg', image, quality=85, exif=exif)
    assert estimate.estimate_quality(photo)[:2] == wanted


def test_no_traces(photograph):
  found = estimate.estimate_quality(_photo(photograph))
  assert found == estimate.Estimate(100, estimate.NO_TRACES)


def test_noise_level(photograph):
  noisy = add_noise_numpy(photograph, 40, clipped=True, seed=0, name='')
  level, sentence, found = estimate.estimate_level(Photo(noisy), DENOISE)
  assert level == found.value == pytest.approx(40, abs=1)
  assert found.source == estimate.PIXELS
  assert sentence == f'Noise of sigma {level:g}, estimated from the pixels.'


def test_noise_outside_the_range_of_the_model(photograph):
  noisy = add_noise_numpy(photograph, 5, clipped=True, seed=0, name='')
  level, _, found = estimate.estimate_level(Photo(noisy), DENOISE)
  assert level == found.value == pytest.approx(5, abs=1)  # cleaner
  noisy = add_noise_numpy(photograph, 40, clipped=True, seed=0, name='')
  weak = LevelRange('denoise', 5, 25)
  level, sentence, found = estimate.estimate_level(Photo(noisy), weak)
  assert level == 25
  assert found.value == pytest.approx(40, abs=1)
  assert 'sigma 25 is used' in sentence


def test_levels_of_a_model_that_begins_with_the_strongest(photograph):
  span = LevelRange('denoise', 25, 15)
  assert estimate.estimate_level(_photo(photograph), span).level < 3
  noisy = add_noise_numpy(photograph, 40, clipped=True, seed=0, name='')
  found = estimate.estimate_level(Photo(noisy), span)
  assert found.level == 25
  assert 'sigma 25 is used' in found.sentence


def test_noise_of_a_stretched_picture_is_that_of_before(photograph):
  weak = photograph / np.float32(5 * 255) + np.float32(0.4)
  noise = np.random.default_rng(0).normal(0, 5 / 255, weak.shape)
  seen = np.clip((weak + noise - 0.4) * 5, 0, 1).astype(np.float32)
  found = estimate.estimate_level(
    Photo(seen), LevelRange('denoise', 2, 20), 5.0
  )
  assert found.level == pytest.approx(5, rel=0.15)
  assert f'sigma {found.level:g}, estimated' in found.sentence
  assert 'is used' not in found.sentence  # 25 is beyond the range


def test_all_channels_of_a_clean_picture_are_looked_at_once(
  photograph, monkeypatch
):
  seen, original = [], estimate.estimate_noise.estimate

  def count(pixels):
    seen.append(pixels.shape[-1])
    return original(pixels)

  monkeypatch.setattr(estimate.estimate_noise, 'estimate', count)
  assert estimate.estimate_level(_photo(photograph), DENOISE).level < 15
  assert sorted(seen) == [1, 3]  # luma, and all three


def test_transparent_areas_do_not_count(photograph):
  noisy = add_noise_numpy(photograph, 40, clipped=True, seed=0, name='')
  alpha = np.ones((*noisy.shape[:2], 1), np.float32)
  alpha[:, :100] = 0
  noisy[:, :100] = 0.5  # what lies there shows no noise
  found = estimate.estimate_level(Photo(noisy, alpha), DENOISE).estimate
  assert found.value == pytest.approx(40, abs=2)


@pytest.mark.parametrize(
  ('quality', 'level', 'sentence'),
  [
    (35, 35, "JPEG quality 35, from the file's quantisation tables."),
    (93, 93, "JPEG quality 93, from the file's quantisation tables."),
    (
      6, 10, "JPEG quality 6, from the file's quantisation tables; q 10 is"
      ' used, the nearest in the range of the model (q 80 to q 10).',
    ),
  ],
)  # fmt: skip
def test_jpeg_level(tmp_path, photograph, quality, level, sentence):
  photo = _saved(tmp_path / 'a.jpg', photograph, quality=quality)
  found = estimate.estimate_level(photo, DEJPEG)
  assert (found.level, found.sentence) == (level, sentence)


def test_jpeg_level_from_pixels(tmp_path, photograph):
  found = estimate.estimate_level(_photo(jpeg(photograph, 35)), DEJPEG)
  assert found.sentence == 'JPEG quality 35, estimated from the pixels.'
  twice = jpeg(jpeg(photograph, 35)[4:, 4:], 95)
  found = estimate.estimate_level(_photo(twice), DEJPEG)
  assert found.sentence == (
    'JPEG quality 35, estimated from the pixels: compressed again at 95 since.'
  )
  found = estimate.estimate_level(_photo(photograph), DEJPEG)
  assert found.level == 100
  assert found.sentence == 'No traces of JPEG compression.'


def test_a_scale_cannot_be_estimated(photograph):
  with pytest.raises(UserError, match=r'sr \(scale factor\) cannot be estim'):
    estimate.estimate_level(_photo(photograph), LevelRange('sr', 3, 4))


@pytest.mark.parametrize('shape', [(1, 1, 3), (5, 5, 3), (1, 4000, 1)])
def test_a_picture_too_small_has_no_level_of_noise(shape):
  photo = Photo(np.random.default_rng(0).random(shape, np.float32))
  words = rf'^{shape[1]} x {shape[0]} pixels are too few .* --level does\.$'
  with pytest.raises(UserError, match=words):
    estimate.estimate_level(photo, DENOISE)
  assert estimate.estimate_level(photo, DEJPEG).level == 100


def test_transparent_pixels_all_over_are_no_noise(photograph):
  noisy = add_noise_numpy(photograph, 25, clipped=True, seed=0, name='a')
  holes = np.random.default_rng(0).random((*noisy.shape[:2], 1)) < 0.06
  pixels = np.where(holes, 0, noisy).astype(np.float32)
  photo = Photo(pixels, alpha=1 - holes.astype(np.float32))
  assert abs(estimate.estimate_level(photo, DENOISE).level - 25) < 2


@pytest.mark.parametrize('name', ['gravel', 'grass', 'camera', 'brick'])
def test_texture_of_a_clean_grey_picture_is_no_noise(name):
  texture = getattr(skimage.data, name)()[:160, :160, None]
  assert estimate.estimate_level(_photo(texture), DENOISE).level < 1.7


def test_little_noise_of_a_grey_picture_is_measured(photograph):
  for sigma in (3, 8):
    noise = np.random.default_rng(0).normal(0, sigma, photograph.shape[:2])
    noisy = np.rint((photograph.mean(-1) + noise).clip(0, 255))[..., None]
    level = estimate.estimate_level(_photo(noisy), DENOISE).level
    assert abs(level - sigma) < 1

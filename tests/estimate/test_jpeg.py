import io

import numpy as np
import pytest
import skimage
from PIL import Image

from adafm_jax.degrade import resize
from adafm_jax.degrade.jpeg import jpeg
from adafm_jax.estimate import jpeg as estimate_jpeg


def _unit(image):
  return (image / np.float32(255)).astype(np.float32)


@pytest.fixture(scope='module')
def photograph():
  """Shrunk with a filter, so that what JPEG traces it had are gone."""
  image = resize.imresize(skimage.data.astronaut()[:420, :460], 0.5)
  return np.rint(image.clip(0, 255)).astype(np.uint8)


def test_tables_are_those_that_encoders_write():
  image = Image.new('RGB', (8, 8))
  for quality in range(1, 101):
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', quality=quality)
    written = np.reshape(Image.open(buffer).quantization[0], (8, 8))
    np.testing.assert_array_equal(estimate_jpeg.luma_table(quality), written)
    assert estimate_jpeg.table_quality(written) == quality


def test_tables_that_are_not_the_ijg_s():
  random = np.random.default_rng(0)
  for quality in (20, 50, 80):
    table = estimate_jpeg.luma_table(quality) * random.uniform(
      0.8, 1.25, (8, 8)
    )
    found = estimate_jpeg.table_quality(np.rint(table))
    assert abs(found - quality) <= 3
  assert estimate_jpeg.table_quality(np.ones((8, 8))) == 100
  assert estimate_jpeg.table_quality(np.full((8, 8), 255)) <= 5


@pytest.mark.parametrize('quality', [5, 10, 25, 40, 60, 75, 85, 90, 95])
def test_quality_and_grid_are_exact(photograph, quality):
  whole = jpeg(photograph, quality)
  for row, column in ((0, 0), (3, 6)):
    found = estimate_jpeg.find_compression(_unit(whole[row:, column:]))
    assert found.quality == quality
    assert found.grid == (-row % 8, -column % 8)


def test_grey(photograph):
  for quality in (10, 50, 90):
    found = estimate_jpeg.find_compression(
      _unit(jpeg(photograph[..., 1:2], quality))
    )
    assert found.quality == quality


def test_small_pieces(photograph):
  piece = jpeg(photograph, 30)[40:72, 80:112]
  assert estimate_jpeg.find_compression(_unit(piece)).quality == 30


def test_no_traces(photograph):
  compressed = jpeg(photograph, 40)
  shrunk = resize.imresize(compressed, 0.7).clip(0, 255)
  noise = np.random.default_rng(0).normal(0, 8, photograph.shape)
  for image in (
    photograph,
    photograph[..., :1],
    np.rint(shrunk),
    np.rint((photograph + noise).clip(0, 255)),
    np.full((64, 64, 3), 77),
    np.full((64, 64, 3), 255),
    np.tile(np.arange(0, 256, 4), (64, 1))[..., None],
    np.tile(60 + 130 * (np.arange(256) // 16 % 2), (256, 1))[..., None],
    (60 + 130 * (np.indices((256, 256)).sum(0) % 4 // 2))[..., None],
    compressed[:7, :50],
  ):
    assert estimate_jpeg.find_compression(_unit(image)) is None


@pytest.mark.parametrize(
  ('name', 'top', 'left'), [('coffee', 0, 288), ('chelsea', 64, 0)]
)
def test_smooth_photographs_at_quality_5_are_no_patterns(name, top, left):
  piece = getattr(skimage.data, name)()[top : top + 128, left : left + 128]
  piece = jpeg(np.ascontiguousarray(piece), 5)
  assert estimate_jpeg.find_compression(_unit(piece)).quality == 5


@pytest.mark.parametrize(
  ('first', 'second', 'crop'),
  [(20, 80, 0), (20, 80, 3), (30, 95, 0), (30, 95, 5), (75, 95, 0)],
)
def test_an_earlier_compression_is_seen_through_a_later(
  photograph, first, second, crop
):
  twice = jpeg(jpeg(photograph, first)[crop:, crop:], second)
  later = estimate_jpeg.luma_table(second)
  found = estimate_jpeg.find_compression(_unit(twice), later)
  assert found.quality == first
  assert found.grid == (-crop % 8, -crop % 8)


@pytest.mark.parametrize('quality', [10, 30, 50, 75, 90, 95])
def test_one_compression_does_not_look_like_two(photograph, quality):
  once = _unit(jpeg(photograph, quality))
  later = estimate_jpeg.luma_table(quality)
  found = estimate_jpeg.find_compression(once, later)
  assert found is None or found.quality > 0.9 * quality


@pytest.mark.parametrize('shape', [(8, 200, 3), (200, 14, 1), (8, 8, 3)])
def test_less_than_a_block_beside_the_grid(shape):
  pixels = np.random.default_rng(0).random(shape, np.float32)
  assert estimate_jpeg.find_compression(pixels) is None


@pytest.mark.parametrize('quality', [20, 30, 60, 75, 85, 90])
def test_a_turned_picture_has_its_quality_too(photograph, quality):
  turned = np.rot90(jpeg(photograph[:200, :208], quality))
  found = estimate_jpeg.find_compression(_unit(turned))
  assert (found.quality, found.grid, found.turned) == (quality, (0, 0), True)


def test_the_brightness_of_blocks_alone_proves_nothing():
  random = np.random.default_rng(0)
  mosaic = np.kron(random.integers(20, 230, (32, 32)), np.ones((8, 8), int))
  assert estimate_jpeg.find_compression(_unit(mosaic[..., None])) is None
  # A night sky has one brightness nearly everywhere.
  sky = skimage.data.hubble_deep_field()[:256, :256]
  for quality in (25, 30, 40):
    once = _unit(jpeg(sky, quality))
    table = estimate_jpeg.luma_table(quality)
    assert estimate_jpeg.find_compression(once, table) is None

import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft

from adafm_jax.degrade import jpeg
from adafm_jax.errors import UserError

# ITU-T T.81, table K.1: luminance quantisation.
LUMA_TABLE = np.array(
  [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
  ]
)


def smooth_image(shape, seed=0):
  """Random waves, so that JPEG has something to keep and to lose."""
  generator = np.random.default_rng(seed)
  image = np.cumsum(generator.normal(size=shape), axis=0)
  image = np.cumsum(image, axis=1)
  image = 255 * (image - image.min()) / np.ptp(image)
  return np.clip(image + generator.normal(0, 8, shape), 0, 255).astype(np.uint8)


def quantised_luma(image, quality):
  """JPEG of a grey image by its definition, in float64; sides of 8n."""
  percent = 5000 // quality if quality < 50 else 200 - 2 * quality
  table = np.clip((LUMA_TABLE * percent + 50) // 100, 1, 255)
  result = np.zeros(image.shape)
  for y in range(0, image.shape[0], 8):
    for x in range(0, image.shape[1], 8):
      block = image[y : y + 8, x : x + 8] - 128.0
      steps = fft.dctn(block, norm='ortho') / table
      # The encoder rounds halves away from zero; DC has many of them.
      steps = np.sign(steps) * np.floor(np.abs(steps) + (0.5 + 1e-9))
      result[y : y + 8, x : x + 8] = fft.idctn(steps * table, norm='ortho')
  return np.clip(np.rint(result + 128), 0, 255)


@pytest.mark.parametrize('quality', [10, 20, 40, 60, 80, 100])
def test_grey_jpeg_is_the_standard_with_the_ijg_tables(quality):
  image = smooth_image((48, 64, 1))
  result = jpeg.jpeg(image, quality)
  expected = quantised_luma(image[..., 0], quality)
  difference = np.abs(result[..., 0] - expected)
  # The encoder's integer DCT rounds some coefficients to the other side: up to
  # 0.37 on average. The tables of the next even quality are 0.59 to 7.5 away.
  assert difference.mean() < 0.45
  assert result.dtype == np.uint8


@pytest.mark.parametrize('channels', [1, 3])
def test_lower_quality_is_further_away(channels):
  image = smooth_image((37, 51, channels))
  errors = []
  for quality in (1, 10, 40, 80, 100):
    result = jpeg.jpeg(image, quality)
    assert result.shape == image.shape
    errors.append(np.mean((result.astype(np.float64) - image) ** 2))
  assert errors == sorted(errors, reverse=True)
  assert errors[0] > 5 * errors[-1]


def test_chroma_has_half_the_resolution():
  image = smooth_image((32, 48, 3))
  file = io.BytesIO()
  Image.fromarray(image).save(file, 'JPEG', quality=90, subsampling='4:4:4')
  full = np.array(Image.open(file))
  half = jpeg.jpeg(image, 90)
  squares = [np.mean((j.astype(float) - image) ** 2) for j in (full, half)]
  assert squares[0] < 0.7 * squares[1]


@pytest.mark.parametrize('quality', [0, 101, -5, 80.5, float('nan')])
def test_bad_quality_is_reported(quality):
  with pytest.raises(UserError, match='whole number from 1 to 100'):
    jpeg.jpeg(np.zeros((8, 8, 1), np.uint8), quality)


@pytest.mark.parametrize('shape', [(1, 65501, 3), (65501, 1, 1)])
def test_an_image_beyond_jpegs_sides_is_reported(shape):
  words = rf'65500 pixels a side; .* {shape[1]} x {shape[0]}\.'
  with pytest.raises(UserError, match=words):
    jpeg.jpeg(np.zeros(shape, np.uint8), 50)
  assert jpeg.jpeg(np.zeros((1, 65500, 1), np.uint8), 50).shape[1] == 65500


@pytest.mark.parametrize('shape', [(8, 8), (8, 8, 4), (8, 8, 2), (1, 8, 8, 3)])
def test_bad_shape_is_reported(shape):
  with pytest.raises(UserError, match='not one of shape'):
    jpeg.jpeg(np.zeros(shape, np.uint8), 50)

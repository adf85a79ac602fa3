import math

import jax
import numpy as np
import pytest
from scipy import signal

from adafm_jax.errors import UserError
from adafm_jax.evaluate import metrics
from adafm_jax.images import eight_bit as images


def pair(shape=(23, 31, 3), seed=0, spread=20):
  generator = np.random.default_rng(seed)
  first = generator.integers(0, 256, shape)
  second = first + generator.normal(0, spread, shape)
  return first.astype(np.uint8), np.clip(second, 0, 255).astype(np.uint8)


def luma(image):
  r, g, b = np.moveaxis(image.astype(np.float64), -1, 0)
  return 16 + 65.481 / 255 * r + 128.553 / 255 * g + 24.966 / 255 * b


def test_psnr_by_hand():
  reference = np.full((4, 5, 3), 100, np.uint8)
  output = reference.copy()
  output[1, 2, 0] = 130
  output[3, 4, 2] = 60
  # (30^2 + 40^2) / 60 over all; 30^2 / 18 inside a border of one pixel.
  assert metrics.psnr(reference, output) == pytest.approx(
    10 * math.log10(255**2 * 60 / 2500), abs=1e-12
  )
  assert metrics.psnr(reference, output, border=1) == pytest.approx(
    10 * math.log10(255**2 * 18 / 900), abs=1e-12
  )
  error = (65.481 * 30 / 255) ** 2 + (24.966 * 40 / 255) ** 2
  assert metrics.psnr(reference, output, channels='y') == pytest.approx(
    10 * math.log10(255**2 * 20 / error), abs=1e-10
  )


def test_psnr_does_not_wrap_8_bit_differences():
  dark, light = np.zeros((3, 4, 1), np.uint8), np.full((3, 4, 1), 255, np.uint8)
  assert metrics.psnr(dark, light) == 0
  assert metrics.psnr(light, light) == math.inf


@pytest.mark.parametrize('channels', ['rgb', 'y'])
def test_grey_images_are_compared_as_they_are(channels):
  reference, output = pair((9, 14, 1))
  squares = (reference.astype(np.float64) - output) ** 2
  assert metrics.psnr(reference, output, channels=channels) == pytest.approx(
    10 * np.log10(65025 / squares.mean()), abs=1e-12
  )


def reference_ssim(first, second):
  """SSIM of two planes, by MATLAB's 'valid' filtering in float64."""
  offsets = np.arange(-5, 6)
  line = np.exp(-(offsets**2) / (2 * 1.5**2))
  window = np.outer(line, line) / np.outer(line, line).sum()

  def blur(image):
    return signal.convolve2d(image, window, mode='valid')

  a, b = first.astype(np.float64), second.astype(np.float64)
  mean_a, mean_b = blur(a), blur(b)
  var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
  covariance = blur(a * b) - mean_a * mean_b
  c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
  top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
  return np.mean(top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))


@pytest.mark.parametrize('border', [0, 3])
def test_ssim_against_its_definition(border):
  reference, output = pair((25, 31, 3), spread=60)
  inside = slice(border, -border or None)
  a, b = reference[inside, inside], output[inside, inside]
  expected = np.mean([reference_ssim(a[..., c], b[..., c]) for c in range(3)])
  assert metrics.ssim(reference, output, border=border) == pytest.approx(
    expected, abs=1e-9
  )
  assert metrics.ssim(
    reference, output, border=border, channels='y'
  ) == pytest.approx(reference_ssim(luma(a), luma(b)), abs=1e-9)
  assert 0.1 < expected < 0.95


def test_ssim_takes_one_window_and_no_less():
  reference, output = pair((11, 11, 1))
  assert metrics.ssim(reference, output) == pytest.approx(
    reference_ssim(reference[..., 0], output[..., 0]), abs=1e-9
  )
  with pytest.raises(UserError, match=r'at least 11 x 11.*has 9 x 31'):
    metrics.ssim(*pair((13, 35, 3)), border=2)


@pytest.mark.parametrize('channels', ['rgb', 'y'])
@pytest.mark.parametrize('shape', [(23, 31, 3), (18, 9, 1)])
@pytest.mark.parametrize('border', [0, 4])
def test_device_psnr_equals_host_psnr(channels, shape, border):
  reference, _ = pair(shape)
  generator = np.random.default_rng(1)
  spread = np.array([0, 0.001, 0.05, 3.0]).reshape(4, 1, 1, 1)
  outputs = reference / 255 + spread * generator.normal(size=(4, *shape))
  outputs = outputs.astype(np.float32)
  products = jax.jit(metrics.error_products, static_argnames='border')(
    reference, outputs, border=border
  )
  assert products.shape[:2] == (4, shape[0] - 2 * border)
  result = metrics.psnr_from_products(
    products, shape[1] - 2 * border, channels=channels
  )
  expected = [
    metrics.psnr(
      reference, images.to_uint8(output), border=border, channels=channels
    )
    for output in outputs
  ]
  assert expected[0] == math.inf
  assert result.dtype == np.float64
  if channels == 'rgb' or shape[-1] == 1:
    assert result.tolist() == expected
  else:
    np.testing.assert_allclose(result, expected, rtol=1e-13)


def test_device_psnr_sums_the_widest_row_exactly():
  reference = np.full((1, 33025, 1), 255, np.uint8)
  products = metrics.error_products(
    reference, np.zeros((1, 33025, 1), np.float32)
  )
  assert products.tolist() == [[[33025 * 65025]]]
  with pytest.raises(UserError, match='up to 33025 pixels wide'):
    metrics.error_products(
      np.zeros((1, 33026, 1), np.uint8), np.zeros((1, 33026, 1), np.float32)
    )


@pytest.mark.parametrize('channels', ['rgb', 'y'])
def test_device_psnr_of_a_nan_is_nan(channels):
  reference, _ = pair()
  outputs = np.zeros((2, *reference.shape), np.float32)
  outputs[1, 5, 6, 2] = np.nan
  products = metrics.error_products(reference, outputs)
  black, broken = metrics.psnr_from_products(products, 31, channels=channels)
  assert 0 < black < 20
  assert math.isnan(broken)


def test_mistakes_are_reported():
  reference, output = pair()
  with pytest.raises(UserError, match=r"'luma'.*'rgb', 'y'"):
    metrics.psnr(reference, output, channels='luma')
  with pytest.raises(UserError, match='nothing of an image of 23 x 31'):
    metrics.psnr(reference, output, border=12)
  with pytest.raises(UserError, match='at least 0'):
    metrics.psnr(reference, output, border=-1)
  with pytest.raises(ValueError, match='shapes differ'):
    metrics.psnr(reference, output[1:])
  with pytest.raises(ValueError, match='not 2'):
    metrics.psnr(reference[..., :2], output[..., :2])


@pytest.mark.parametrize('measure', [metrics.psnr, metrics.ssim])
def test_floats_are_refused(measure):
  first, second = pair()
  for given in ((first / 255, second), (first, second / 255)):
    with pytest.raises(UserError, match='as uint8, 0 to 255, not as float64'):
      measure(*given)

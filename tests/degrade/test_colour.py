import numpy as np
import pytest

from adafm_jax.degrade import colour

# BT.601 from its definition: luma weights .299, .587, .114; Y spans 219 steps
# from 16, Cb and Cr 224 steps about 128. MATLAB's matrix has three decimals.
PRIMARIES = {
  (0, 0, 0): (16, 128, 128),
  (255, 255, 255): (235, 128, 128),
  (255, 0, 0): (16 + 219 * 0.299, 128 - 112 * 0.299 / 0.886, 240),
  (0, 255, 0): (
    16 + 219 * 0.587,
    128 - 112 * 0.587 / 0.886,
    128 - 112 * 0.587 / 0.701,
  ),
  (0, 0, 255): (16 + 219 * 0.114, 240, 128 - 112 * 0.114 / 0.701),
}


@pytest.mark.parametrize('rgb', PRIMARIES)
def test_primaries(rgb):
  result = colour.rgb_to_ycbcr(np.array(rgb, np.uint8))
  np.testing.assert_allclose(result, PRIMARIES[rgb], atol=1e-3)


def test_y_is_the_formula_and_the_first_of_ycbcr():
  image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
  r, g, b = (image[..., c].astype(np.float64) for c in range(3))
  expected = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
  np.testing.assert_allclose(colour.rgb_to_y(image), expected, atol=1e-12)
  np.testing.assert_allclose(
    colour.rgb_to_ycbcr(image)[..., 0], expected, atol=1e-12
  )
  assert colour.rgb_to_y(image).shape == (7, 5)
  as_float = colour.rgb_to_y(image.astype(np.float32))
  np.testing.assert_allclose(as_float, expected, atol=1e-12)


def test_there_and_back():
  image = np.random.default_rng(1).uniform(0, 255, (6, 9, 3))
  back = colour.ycbcr_to_rgb(colour.rgb_to_ycbcr(image))
  np.testing.assert_allclose(back, image, atol=1e-10)

import numpy as np
import pytest

from adafm_jax.degrade import resize
from adafm_jax.restore import pipeline

# MATLAB's rgb2ycbcr of pure colours, as its documentation gives them.
YCBCR = {
  (255, 0, 0): (81.481, 90.203, 240.0),
  (0, 255, 0): (144.553, 53.797, 34.214),
  (0, 0, 255): (40.966, 240.0, 109.786),
  (0, 0, 0): (16.0, 128.0, 128.0),
  (255, 255, 255): (235.0, 128.0, 128.0),
}


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('of_network', [1, 3])
def test_there_and_back_is_the_same_image(channels, of_network):
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (7, 10, channels), np.uint8)
  pixels, finish = pipeline.to_network(image, of_network)
  assert pixels.shape == (7, 10, of_network)
  assert pixels.dtype == np.float32
  assert 0 <= pixels.min() < 0.2
  assert 0.8 < pixels.max() <= 1
  back = finish(pixels)
  assert back.dtype == np.uint8
  np.testing.assert_array_equal(back, image)
  # And a stack of results at once.
  np.testing.assert_array_equal(finish(np.stack([pixels] * 2))[1], image)


def test_a_colour_image_goes_through_a_luma_network_as_y():
  image = np.array([list(YCBCR)], np.uint8)
  pixels, _ = pipeline.to_network(image, 1)
  wanted = [y for y, _, _ in YCBCR.values()]
  np.testing.assert_allclose(255 * pixels[0, :, 0], wanted, atol=1e-3)


def test_only_luma_changes_and_colours_are_clipped():
  image = np.array([[[100, 120, 140], [90, 90, 90], [255, 255, 255]]], np.uint8)
  pixels, finish = pipeline.to_network(image, 1)
  brighter = finish(pixels + np.float32(21.9 / 255))
  # Y of 219 steps against 255 grey steps: 21.9 of Y are 25.5 in R, G and B.
  moved = brighter.astype(int) - image
  assert set(moved[0, :2].ravel()) <= {25, 26}
  np.testing.assert_array_equal(brighter[0, 2], 255)


def test_a_grey_image_is_the_mean_of_three_channels():
  image = np.full((2, 3, 1), 100, np.uint8)
  pixels, finish = pipeline.to_network(image, 3)
  assert (pixels == np.float32(100 / 255)).all()
  output = pixels + np.array([0, 30, 60], np.float32) / 255
  np.testing.assert_array_equal(finish(output), image + 30)


def test_enlarged_by_a_scale_that_is_not_whole():
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (9, 13, 3), np.uint8)
  pixels, finish = pipeline.to_network(image, 3, scale=3.4)
  assert pixels.shape == (31, 45, 3)  # ceil of 30.6 and 44.2
  bicubic = resize.imresize(image, 3.4)
  assert bicubic.max() > 255  # overshoots, so clipping matters
  wanted = np.minimum(np.maximum(bicubic, 0), 255)
  np.testing.assert_allclose(255 * pixels, wanted, atol=1e-4)
  np.testing.assert_allclose(finish(pixels), np.rint(wanted))


def test_enlarged_chroma_of_a_luma_network():
  image = np.full((5, 6, 3), (200, 100, 50), np.uint8)
  pixels, finish = pipeline.to_network(image, 1, scale=2)
  np.testing.assert_array_equal(
    finish(pixels), np.full((10, 12, 3), (200, 100, 50))
  )

import numpy as np

from adafm_jax.restore import flat


def _noise(shape=(60, 70, 3)):
  return np.float32(np.random.default_rng(0).random(shape))


def test_a_flat_part_is_kept_up_to_its_edge():
  image, output = _noise(), np.zeros((60, 70, 3), np.float32)
  image[10:40, 20:60] = 0.9
  kept = flat.keep(image, output)
  inside = np.zeros((60, 70), bool)
  inside[10:40, 20:60] = True
  np.testing.assert_array_equal(kept[inside], image[inside])
  assert (kept[~inside] == 0).all()


def test_to_the_border_of_the_picture_too():
  image = np.full((60, 70, 1), 0.5, np.float32)
  np.testing.assert_array_equal(flat.keep(image, image * 0), image)


def test_what_is_only_flat_in_one_channel_or_small_is_not():
  output = np.zeros((60, 70, 3), np.float32)
  image = _noise()
  image[10:40, 20:60, :2] = 0.9
  image[45:51, 5:60] = 0.3  # a line
  np.testing.assert_array_equal(flat.keep(image, output), output)


def test_saturated_noise_is_not():
  noise = np.random.default_rng(0).normal(1, 0.1, (200, 200, 3))
  image = np.float32(np.clip(noise, 0, 1))
  np.testing.assert_array_equal(flat.keep(image, image * 0), image * 0)

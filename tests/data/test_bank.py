import weakref

import coded_images
import jax
import numpy as np
import pytest
import scipy.stats
from coded_images import IMAGES, PATCH, SIZES

from adafm_jax.data import bank as banks
from adafm_jax.errors import UserError


def _draw(seed, batch, images=IMAGES, partners=None, patch=PATCH, grid=1):
  if partners is not None:
    pairs = zip(images, partners, strict=True)
    images = [np.concatenate(pair, axis=-1) for pair in pairs]
  bank = jax.tree.map(jax.numpy.asarray, banks.build(images, grid))
  drawn = jax.jit(banks.sample, static_argnums=(2, 3))(
    jax.random.key(seed), bank, batch, patch
  )
  return np.asarray(drawn)


@pytest.fixture(scope='module')
def origins():
  return [coded_images.identify(patch) for patch in _draw(0, 6000)]


def _uniform(values, count):
  """Whether a chi-square test sees nothing wrong (a fixed seed: no flakes)."""
  observed = np.bincount(values, minlength=count)
  assert len(observed) == count
  assert observed.min() > 0
  return scipy.stats.chisquare(observed).pvalue > 1e-3


def test_every_patch_is_a_crop_of_one_image_and_images_are_uniform(origins):
  assert _uniform([image for image, *_ in origins], len(SIZES))


def test_all_eight_symmetries_occur_equally(origins):
  for image in range(len(SIZES)):
    assert _uniform([s for i, _, _, s in origins if i == image], 8)


@pytest.mark.parametrize('image', range(len(SIZES)))
def test_every_place_is_reached_equally_up_to_the_edges(origins, image):
  height, width = SIZES[image]
  rows, cols = height - PATCH + 1, width - PATCH + 1
  places = [t * cols + left for i, t, left, _ in origins if i == image]
  assert sorted(set(places)) == list(range(rows * cols))
  if rows * cols > 1:
    assert _uniform(places, rows * cols)


def test_patches_begin_on_the_grid():
  origins = [coded_images.identify(x) for x in _draw(2, 2000, grid=3)]
  found = {(image, top, left) for image, top, left, _ in origins}
  assert found == {
    (i, top, left)
    for i, (height, width) in enumerate(SIZES)
    for top in range(0, height - PATCH + 1, 3)
    for left in range(0, width - PATCH + 1, 3)
  }


def test_draws_are_independent_of_each_other(origins):
  pairs = {(i, s) for i, *_, s in origins}
  assert len(pairs) == len(SIZES) * 8
  following = np.corrcoef(
    [o[0] for o in origins[:-1]], [o[0] for o in origins[1:]]
  )
  assert abs(following[0, 1]) < 0.05


def test_a_key_fixes_the_patches_and_another_changes_them():
  first = _draw(3, 16)
  np.testing.assert_array_equal(first, _draw(3, 16))
  assert np.mean(np.any(first != _draw(4, 16), axis=(1, 2, 3))) > 0.5


def test_partners_are_cropped_and_turned_with_their_images():
  partners = [255 - image for image in IMAGES]
  drawn = _draw(1, 300, partners=partners)
  assert drawn.shape == (300, PATCH, PATCH, 6)
  assert drawn.dtype == np.uint8
  for patch in drawn:
    coded_images.identify(patch[..., :3])
    np.testing.assert_array_equal(patch[..., 3:], 255 - patch[..., :3])


def test_grey_images_keep_one_channel():
  grey = [image[..., 1:2] for image in IMAGES]
  drawn = _draw(2, 50, images=grey, patch=3)
  assert drawn.shape == (50, 3, 3, 1)
  # Neighbours differ by one step of y along one axis and none on the other.
  steps = {
    (
      abs(int(p[1, 0, 0]) - int(p[0, 0, 0])),
      abs(int(p[0, 1, 0]) - int(p[0, 0, 0])),
    )
    for p in drawn
  }
  assert steps == {(0, 1), (1, 0)}


def test_images_made_one_by_one_are_not_kept():
  made = []

  def images():
    for image in IMAGES:
      copy = image.copy()
      made.append(weakref.ref(copy))
      assert sum(ref() is not None for ref in made) <= 2  # one is being joined
      yield copy

  sizes = [image.shape[:2] for image in IMAGES]
  bank = banks.build(images(), sizes=sizes)
  jax.tree.map(np.testing.assert_array_equal, bank, banks.build(IMAGES))


def test_the_cpu_uses_the_pixels_without_a_copy():
  for _ in range(8):  # by chance one may be aligned
    pixels = banks.build(IMAGES).pixels
    there = jax.device_put(pixels, jax.devices('cpu')[0])
    assert there.unsafe_buffer_pointer() == pixels.ctypes.data


def test_no_images_is_reported():
  with pytest.raises(UserError, match='no training images'):
    banks.build([])


def test_more_pixels_than_int32_can_address_are_reported():
  # A view of one pixel: 2**31 pixels without their memory.
  huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (2**16, 2**15, 3))
  with pytest.raises(UserError, match='2,147,483,648 pixels'):
    banks.build([huge])


def test_floats_are_refused():
  with pytest.raises(UserError, match='are uint8, 0 to 255, not float64'):
    banks.build([image / 255 for image in IMAGES])


def test_patches_are_drawn_in_64_bits_too():
  with jax.enable_x64(True):
    drawn = _draw(3, 200)
  found = [coded_images.identify(patch) for patch in drawn]
  assert {which for which, *_ in found} == set(range(len(IMAGES)))

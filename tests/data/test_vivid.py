"""Vivid copies: what they change, and that they are always the same."""

import numpy as np
import pytest

from adafm_jax.data import vivid
from adafm_jax.data.image import NamedImage


def _picture(seed: int, contrast: float, channels: int = 3) -> np.ndarray:
  """Noise around grey, uint8 [60, 80, channels]."""
  rng = np.random.default_rng(seed)
  noise = rng.normal(128, contrast, (60, 80, channels))
  return np.rint(noise.clip(1, 254)).astype(np.uint8)


def _spread(pixels: np.ndarray) -> float:
  """Mean standard deviation of the colours of a pixel."""
  return float(pixels.astype(float).std(-1).mean())


def test_copies_hold_black_white_and_stronger_colours():
  images = [NamedImage(f'{i}', _picture(i, 40)) for i in range(60)]
  found = [x.pixels for x in vivid.copies(images, 1)]
  # Up to a fifth clips at each end, a tenth on average.
  for value in (0, 255):
    clipped = [float((x == value).mean()) for x in found]
    assert 0.08 < np.mean(clipped) < 0.12
    assert max(clipped) < 0.21
  stronger = [
    _spread(x) / _spread(i.pixels) for x, i in zip(found, images, strict=True)
  ]
  assert np.mean(stronger) > 1.2


def test_luma_ends_at_the_black_and_white_of_y_or_of_grey_pictures():
  images = [NamedImage(f'{i}', _picture(i, 40, channels=1)) for i in range(60)]
  found = [x.pixels for x in vivid.copies(images, 1)]
  ends = [(int(x.min()), int(x.max())) for x in found]
  assert set(ends) == {(16, 235), (0, 255)}
  assert 20 <= ends.count((0, 255)) <= 40
  for black, white in set(ends):
    same = [x for x, end in zip(found, ends, strict=True) if end[1] == white]
    for value in (black, white):
      assert 0.07 < np.mean([(x == value).mean() for x in same]) < 0.13


def test_contrast_grows_two_and_a_half_times_at_most():
  image = _picture(0, 4, channels=1)
  found = vivid.vivid(image, np.random.default_rng(1)).astype(float)
  assert found.std() / image.std() == pytest.approx(2.5, rel=0.02)
  assert found.min() > 0
  assert found.max() < 255


def test_grey_stays_grey_and_colours_are_swapped():
  grey = np.repeat(_picture(0, 30, channels=1), 3, axis=-1)
  rng = np.random.default_rng(0)
  for _ in range(5):
    found = vivid.vivid(grey, rng)
    assert (found == found[..., :1]).all()
  red = np.zeros((8, 8, 3), np.uint8)
  red[..., 0] = 200
  strongest = {
    int(vivid.vivid(red, rng).mean((0, 1)).argmax()) for _ in range(40)
  }
  assert strongest == {0, 1, 2}


def test_the_same_images_get_the_same_copies():
  images = [NamedImage(f'{i}', _picture(i, 30)) for i in range(8)]
  first, second = vivid.copies(images, 0.25), vivid.copies(images, 0.25)
  assert len(first) == 2
  assert [x.name for x in first] == sorted(x.name for x in first)
  for a, b in zip(first, second, strict=True):
    assert a.name == b.name
    assert a.name.endswith(', vivid')
    np.testing.assert_array_equal(a.pixels, b.pixels)
  assert vivid.copies(images, 0) == []
  twice = [x.name for x in vivid.copies(images, 2)]
  assert twice == [f'{i}, vivid' for i in range(8) for _ in range(2)]

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from adafm_jax.data import tiles


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(
  height=st.integers(1, 400),
  width=st.integers(1, 400),
  side=st.integers(20, 150),
  share=st.floats(0.2, 1),
)
def test_every_pixel_is_in_a_sub_image(height, width, side, share):
  step = max(1, round(side * share))
  covered = np.zeros((height, width), int)
  for tile in tiles.cut(height, width, side, step):
    assert tile.top >= 0
    assert tile.left >= 0
    assert tile.top + tile.height <= height
    assert tile.left + tile.width <= width
    assert min(side, height) <= tile.height <= side + 48
    assert min(side, width) <= tile.width <= side + 48
    covered[
      tile.top : tile.top + tile.height, tile.left : tile.left + tile.width
    ] += 1
  assert covered.min() >= 1


def test_a_div2k_photograph_is_cut_as_the_field_does():
  found = tiles.cut(1356, 2040, tiles.SIDE, tiles.STEP)
  assert sorted({t.top for t in found}) == [0, 240, 480, 720, 876]
  assert sorted({t.left for t in found}) == [*range(0, 1441, 240), 1560]
  assert len(found) == 40
  assert {t[2:] for t in found} == {(480, 480)}


def test_a_narrow_rest_goes_to_the_sub_image_before_it():
  assert tiles.cut(321, 481, 480, 240) == [(0, 0, 321, 481)]
  assert tiles.cut(50, 528, 480, 240) == [(0, 0, 50, 528)]
  assert tiles.cut(50, 529, 480, 240) == [(0, 0, 50, 480), (0, 48, 50, 481)]


@hypothesis.given(st.integers(1, 3000), st.integers(1, 3000))
def test_sub_images_begin_on_the_grid_of_every_scale(height, width):
  for tile in tiles.cut(height, width, tiles.SIDE, tiles.STEP):
    assert tile.top % 12 == tile.left % 12 == 0


@pytest.mark.parametrize('size', [(30, 40), (2000, 3000)])
def test_side_0_keeps_images_whole(size):
  assert tiles.cut(*size, 0, 240) == [(0, 0, *size)]


def test_names_are_counted_from_1():
  assert [tiles.name('0801', i, 2) for i in range(2)] == [
    '0801_s001',
    '0801_s002',
  ]
  assert tiles.name('0801', 0, 1) == '0801'

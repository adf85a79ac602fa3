import numpy as np
import pytest

from adafm_jax.report import sheet

GAP = sheet.GAP


def _noise(seed, height, width, channels=3):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def _ink(picture):
  """Whether anything darker than mid-grey is drawn there."""
  return picture.size > 0 and picture.min() < 128


def test_pictures_stand_unchanged_in_their_places():
  a, b, c = _noise(0, 41, 103), _noise(1, 37, 95, 1), _noise(2, 29, 111)
  rows = [[sheet.Cell(a, ''), sheet.Cell(b, '')], [sheet.Cell(c, '')]]
  pixels = np.asarray(sheet.contact_sheet(rows))
  # Columns of 111 and 95, rows of 41 and 29, white around each.
  assert pixels.shape == (
    GAP + 41 + GAP + 29 + GAP,
    GAP + 111 + GAP + 95 + GAP,
    3,
  )
  left, top = GAP + 111 + GAP, GAP + 41 + GAP
  np.testing.assert_array_equal(pixels[GAP : GAP + 41, GAP : GAP + 103], a)
  np.testing.assert_array_equal(
    pixels[GAP : GAP + 37, left : left + 95], np.tile(b, (1, 1, 3))
  )
  np.testing.assert_array_equal(pixels[top : top + 29, GAP : GAP + 111], c)
  rest = pixels.copy()
  rest[GAP : GAP + 41, GAP : GAP + 103] = 255
  rest[GAP : GAP + 37, left : left + 95] = 255
  rest[top : top + 29, GAP : GAP + 111] = 255
  assert rest.min() == 255


def test_zoom_repeats_every_pixel():
  a = _noise(0, 21, 63)
  pixels = np.asarray(sheet.contact_sheet([[sheet.Cell(a, '')]], zoom=2))
  shown = pixels[GAP : GAP + 42, GAP : GAP + 126]
  np.testing.assert_array_equal(shown, np.kron(a, np.ones((2, 2, 1), np.uint8)))


def test_captions_are_drawn_under_left_above_and_on_top():
  white = np.full((50, 90, 3), 255, np.uint8)
  cell = sheet.Cell(white, '')
  plain = sheet.contact_sheet([[cell, cell]])
  assert not _ink(np.asarray(plain))

  under = np.asarray(sheet.contact_sheet([[sheet.Cell(white, 'λ 0.40'), cell]]))
  assert _ink(under[GAP + 50 :, : GAP + 90])
  assert not _ink(under[:, GAP + 90 :])

  left = np.asarray(sheet.contact_sheet([[cell, cell]], row_captions=['q 10']))
  extra = left.shape[1] - plain.width
  assert extra > GAP
  assert _ink(left[:, :extra])
  assert not _ink(left[:, extra:])

  above = np.asarray(
    sheet.contact_sheet([[cell, cell]], column_captions=['', 'b'])
  )
  extra = above.shape[0] - plain.height
  assert _ink(above[: extra + GAP, 2 * GAP + 90 :])
  assert not _ink(above[:, : 2 * GAP + 90])
  assert not _ink(above[extra + GAP :])

  titled = np.asarray(sheet.contact_sheet([[cell, cell]], title='q'))
  extra = titled.shape[0] - plain.height
  assert _ink(titled[:extra])
  assert not _ink(titled[extra:])


def test_long_captions_wrap_and_never_cover_a_picture():
  a, b = _noise(0, 60, 120), _noise(1, 60, 120)
  caption = 'a caption much longer than its picture is wide ' * 3
  rows = [[sheet.Cell(a, caption)], [sheet.Cell(b, '')]]
  pixels = np.asarray(sheet.contact_sheet(rows))
  assert pixels.shape[1] == GAP + 120 + GAP
  assert pixels.shape[0] > 2 * 60 + 3 * GAP + 5 * 14  # more than five lines
  np.testing.assert_array_equal(pixels[GAP : GAP + 60, GAP : GAP + 120], a)
  np.testing.assert_array_equal(pixels[-GAP - 60 : -GAP, GAP : GAP + 120], b)


def test_greek_and_arrows_are_not_the_box_of_a_missing_letter():
  def drawn(text):
    cell = sheet.Cell(np.full((1, 1, 1), 255, np.uint8), text)
    return sheet.contact_sheet([[cell]]).tobytes()

  missing = drawn('\ue000')  # private use: in no font
  assert len({missing, *map(drawn, 'λσ→×')}) == 5  # noqa: RUF001


def test_too_wide_a_picture_shrinks_by_a_whole_factor_and_says_so():
  width = 2 * sheet.MAX_WIDTH + 1  # a third is shown
  flat = np.full((90, width, 3), 77, np.uint8)
  with_note = np.asarray(sheet.contact_sheet([[sheet.Cell(flat, '')]]))
  shown = (30, width // 3)
  place = np.s_[GAP : GAP + shown[0], GAP : GAP + shown[1]]
  np.testing.assert_array_equal(with_note[place], 77)
  assert not (with_note[GAP, GAP + shown[1] :] == 77).any()
  cell = sheet.Cell(flat[: shown[0], : shown[1]], '(shown at 1/3 size)')
  said = np.asarray(sheet.contact_sheet([[cell]]))
  np.testing.assert_array_equal(with_note, said)


@pytest.mark.parametrize(
  'image',
  [
    np.zeros((4, 4), np.uint8),
    np.zeros((4, 4, 3), np.float32),
    np.zeros((4, 4, 4), np.uint8),
  ],
)
def test_other_images_are_refused(image):
  with pytest.raises(ValueError, match='must be uint8'):
    sheet.contact_sheet([[sheet.Cell(image, '')]])
  with pytest.raises(ValueError, match='must be uint8'):
    sheet.crop_detail(image, 2)


def test_empty_sheets_and_too_many_captions_are_refused():
  cell = sheet.Cell(np.zeros((4, 4, 1), np.uint8), '')
  with pytest.raises(ValueError, match='at least one cell'):
    sheet.contact_sheet([[]])
  with pytest.raises(ValueError, match='more captions'):
    sheet.contact_sheet([[cell]], column_captions=['a', 'b'])
  with pytest.raises(ValueError, match='more captions'):
    sheet.contact_sheet([[cell]], row_captions=['a', 'b'])


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize(('top', 'left'), [(0, 0), (24, 64), (75, 101)])
def test_crop_detail_finds_the_textured_place(top, left, channels):
  image = np.full((107, 133, channels), 90, np.uint8)
  image[:, 66:] = 160  # one strong edge is not texture
  image[top : top + 32, left : left + 32] = _noise(0, 32, 32, channels)
  window = sheet.crop_detail(image, 32)
  assert window == (slice(top, top + 32), slice(left, left + 32))
  assert image[window].shape == (32, 32, channels)


def test_crop_detail_of_a_flat_or_small_image():
  flat = np.full((50, 70, 3), 9, np.uint8)
  assert sheet.crop_detail(flat, 16) == (slice(0, 16), slice(0, 16))
  assert sheet.crop_detail(flat, 60) == (slice(0, 50), slice(0, 60))

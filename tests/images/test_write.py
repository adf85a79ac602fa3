import json

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.images.metadata import Metadata

RANDOM = np.random.default_rng(0)
# Of 16 bits, so that no rounding hangs on float32's last bit.
RGB = RANDOM.integers(0, 65536, (12, 20, 3)) / np.float32(65535)
RGB = RGB.astype(np.float32)
GREY = RGB[..., :1]
ALPHA = np.clip(RANDOM.random((12, 20, 1), np.float32) * 1.5 - 0.2, 0, 1)
STEPS = {8: 255, 16: 65535}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


def _photo(pixels, **fields):
  return photos.Photo(pixels, **fields)


@pytest.mark.parametrize('alpha', [None, ALPHA])
@pytest.mark.parametrize('pixels', [GREY, RGB])
@pytest.mark.parametrize(
  ('suffix', 'depth'),
  [('png', 8), ('png', 16), ('tif', 8), ('tif', 16), ('tif', 32)],
)
def test_what_is_written_is_read(tmp_path, suffix, depth, pixels, alpha):
  path = tmp_path / 'new' / f'a.{suffix}'
  like = _photo(pixels, alpha=alpha, depth=depth)
  assert photo_write.write_photo(path, pixels, like) == ()
  read = photos.read_photo(path)
  assert read.depth == depth
  steps = STEPS.get(depth, 1)
  for got, wanted in ((read.pixels, pixels), (read.alpha, alpha)):
    if wanted is None:
      assert got is None
    elif depth == 32:
      np.testing.assert_array_equal(got, wanted)
    else:
      rounded = np.rint(wanted.astype(np.float64) * steps) / steps
      np.testing.assert_allclose(got, rounded, rtol=1e-6)
  # Once more: nothing drifts.
  photo_write.write_photo(tmp_path / f'b.{suffix}', read.pixels, read)
  again = photos.read_photo(tmp_path / f'b.{suffix}')
  np.testing.assert_array_equal(again.pixels, read.pixels)


def test_other_readers_see_the_same(tmp_path):
  like = _photo(RGB, depth=16)
  wanted = np.rint(RGB.astype(np.float64) * 65535)
  photo_write.write_photo(tmp_path / 'a.tif', RGB, like)
  np.testing.assert_array_equal(tifffile.imread(tmp_path / 'a.tif'), wanted)
  for name in ('a.tif', 'a.png'):
    photo_write.write_photo(tmp_path / name, RGB, like)
    with Image.open(tmp_path / name) as image:  # it takes the upper 8 bits
      seen = np.asarray(image.convert('RGB')).astype(int)
    assert np.abs(seen - wanted / 257).max() <= 1
  photo_write.write_photo(tmp_path / 'g.png', GREY, like)
  with Image.open(tmp_path / 'g.png') as image:
    np.testing.assert_array_equal(np.asarray(image), wanted[..., 0])
  photo_write.write_photo(tmp_path / 'f.tif', GREY, like._replace(depth=32))
  with Image.open(tmp_path / 'f.tif') as image:
    assert image.mode == 'F'
    np.testing.assert_array_equal(np.asarray(image), GREY[..., 0])


def test_white_stays_white(tmp_path):
  white = np.ones((16, 16, 3), np.float32)
  for suffix in ('png', 'tif', 'jpg', 'webp', 'bmp'):
    path = tmp_path / f'a.{suffix}'
    photo_write.write_photo(path, white * 1.001, _photo(white))
    assert (photos.read_photo(path).pixels == 1).all(), suffix


def test_lossy_formats_are_close(tmp_path):
  smooth = np.linspace(0, 1, 64, dtype=np.float32)
  smooth = np.stack([smooth[:, None] * smooth] * 3, -1) * [0.9, 0.5, 0.2]
  like = _photo(smooth.astype(np.float32))
  sizes = {}
  for quality in (30, 95, 100):
    for suffix in ('jpg', 'webp'):
      path = tmp_path / f'a.{suffix}'
      notes = photo_write.write_photo(path, smooth, like, quality=quality)
      assert notes == ()
      error = np.abs(photos.read_photo(path).pixels - smooth).max()
      assert error < {30: 0.15, 95: 0.05, 100: 0.02}[quality]
      sizes[suffix, quality] = path.stat().st_size
      if (suffix, quality) == ('webp', 100):
        assert error <= 0.5 / 255 + 1e-6
  assert sizes['jpg', 30] < sizes['jpg', 95] < sizes['jpg', 100]


def test_grey_stays_grey(tmp_path):
  for suffix in ('png', 'tif', 'jpg', 'bmp'):
    path = tmp_path / f'a.{suffix}'
    photo_write.write_photo(path, GREY, _photo(GREY))
    with Image.open(path) as image:
      assert image.mode == 'L'
    # As RGB, if the original was.
    photo_write.write_photo(path, GREY, _photo(GREY, grey_rgb=True))
    with Image.open(path) as image:
      assert image.mode == 'RGB'
    assert photos.read_photo(path).grey_rgb


@pytest.mark.parametrize(
  ('suffix', 'depth', 'kept'),
  [
    ('jpg', 16, 8), ('webp', 16, 8), ('bmp', 16, 8), ('png', 32, 16),
    ('jpg', 32, 8),
  ],
)  # fmt: skip
def test_depth_that_is_lost_is_reported(tmp_path, suffix, depth, kept):
  path = tmp_path / f'a.{suffix}'
  notes = photo_write.write_photo(path, RGB, _photo(RGB, depth=depth))
  assert len(notes) == 1
  assert f'holds {kept} bits a channel; the {depth}-bit picture' in notes[0]
  assert photos.read_photo(path).depth == kept


@pytest.mark.parametrize('suffix', ['jpg', 'bmp'])
def test_without_transparency_it_lies_on_white(tmp_path, suffix):
  path = tmp_path / f'a.{suffix}'
  colour = np.full((16, 16, 3), [0.2, 0.4, 0.6], np.float32)
  alpha = np.zeros((16, 16, 1), np.float32)
  alpha[:8] = 1
  notes = photo_write.write_photo(path, colour, _photo(colour, alpha=alpha))
  assert notes[0].endswith('has no transparency; the picture is on white.')
  wanted = np.where(alpha > 0, colour, 1)
  assert np.abs(photos.read_photo(path).pixels - wanted).max() < 0.02
  opaque = _photo(colour, alpha=np.ones_like(alpha))
  assert photo_write.write_photo(path, colour, opaque) == ()


def test_colours_that_cannot_be_seen_are_kept(tmp_path):
  like = _photo(RGB, alpha=np.zeros((12, 20, 1), np.float32))
  for suffix in ('png', 'tif', 'webp'):
    path = tmp_path / f'a.{suffix}'
    photo_write.write_photo(path, RGB, like, quality=100)
    read = photos.read_photo(path)
    assert np.abs(read.pixels - RGB).max() <= 0.5 / 255 + 1e-6
    assert (read.alpha == 0).all()


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\xc3\xbc</x:xmpmeta>'


def _camera_jpeg(path):
  exif = Image.Exif()
  exif[0x010F] = 'Zoë'.encode()  # Make
  exif[0x0131] = 'firmware 1.2'
  exif[0x010E] = 'a boat'
  exif[0x010D], exif[0x000B] = 'IMG_1', 'developer 3'
  exif[0x4746] = 4  # Rating
  exif[0x0112] = 6
  exif[0x8769] = {
    0x9003: '2020:01:02 03:04:05',
    0x829A: 1 / 200,
    0x9286: b'ASCII\0\0\0by hand',
    0x927C: b'maker\0\1\2',
    0xA002: 20,
    0xA003: 12,
    0xA005: {1: 'R98'},
  }
  exif[0x8825] = {1: 'N', 2: (48.0, 51.0, 30.5)}
  pixels = Image.fromarray((RGB * 255).astype(np.uint8))
  pixels.save(path, exif=exif, icc_profile=SRGB, dpi=(300, 240), xmp=XMP)


@pytest.mark.parametrize('depth', [8, 16])
@pytest.mark.parametrize('suffix', ['png', 'tif', 'jpg', 'webp'])
def test_what_a_camera_wrote_is_kept(tmp_path, suffix, depth):
  _camera_jpeg(tmp_path / 'camera.jpg')
  like = photos.read_photo(tmp_path / 'camera.jpg')._replace(depth=depth)
  path = tmp_path / f'a.{suffix}'
  photo_write.write_photo(path, like.pixels, like)
  with Image.open(path) as image:
    assert image.size == (12, 20)
    exif = image.getexif()
    assert exif.get_ifd(0xA005)[1] == 'R98'  # Pillow forgets it in load()
    image.load()
    assert exif.get(0x0112, 1) == 1
    assert exif[0x010F].encode('latin-1').decode() == 'Zoë'
    assert exif[0x0131] == 'firmware 1.2'
    assert exif[0x010E] == 'a boat'
    assert (exif[0x010D], exif[0x000B]) == ('IMG_1', 'developer 3')
    assert exif[0x4746] == 4
    inner = exif.get_ifd(0x8769)
    assert inner[0x9003] == '2020:01:02 03:04:05'
    assert float(inner[0x829A]) == 1 / 200
    assert inner[0x9286] == b'ASCII\0\0\0by hand'
    assert inner[0x927C] == b'maker\0\1\2'
    assert (inner[0xA002], inner[0xA003]) == (12, 20)  # turned
    gps = exif.get_ifd(0x8825)
    assert gps[1] == 'N'
    assert [float(v) for v in gps[2]] == [48, 51, 30.5]
    assert image.info['icc_profile'] == SRGB
  read = photos.read_photo(path)
  assert read.metadata.xmp == XMP
  assert read.metadata.dpi == pytest.approx((240, 300), rel=1e-4)  # turned
  assert read.notes == ()


def test_text_of_a_png_is_kept(tmp_path):
  like = _photo(GREY, metadata=Metadata(text=(('Title', 'boat'), ('x', 'λ'))))
  for depth in (8, 16):
    photo_write.write_photo(
      tmp_path / 'a.png',
      GREY,
      like._replace(depth=depth),
      extra_text={'adafm': '{"level": 3}', 'x': 'new'},
    )
    with Image.open(tmp_path / 'a.png') as image:
      image.load()
      assert image.text == {
        'Title': 'boat', 'x': 'new', 'adafm': '{"level": 3}'
      }  # fmt: skip


@pytest.mark.parametrize('suffix', ['jpg', 'webp', 'tif'])
def test_text_elsewhere_joins_the_comment(tmp_path, suffix):
  _camera_jpeg(tmp_path / 'camera.jpg')
  path = tmp_path / f'a.{suffix}'
  for like, before in (
    (photos.read_photo(tmp_path / 'camera.jpg'), 'by hand\n'),
    (_photo(RGB), ''),
  ):
    photo_write.write_photo(
      path, like.pixels, like, extra_text={'adafm': 'level λ'}
    )
    with Image.open(path) as image:
      comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment.startswith(b'ASCII\0\0\0' + before.encode())
    text = comment[8:].decode().removeprefix(before)
    assert json.loads(text) == {'adafm': 'level λ'}


def test_what_does_not_fit_is_reported(tmp_path):
  metadata = Metadata(icc=SRGB, xmp=b'x' * 70_000)
  grey = _photo(GREY, metadata=metadata)
  notes = photo_write.write_photo(tmp_path / 'a.jpg', GREY, grey)
  assert notes == (
    'The colour profile does not fit the channels; left out.',
    'The XMP data is too long for JPEG and was left out.',
  )
  notes = photo_write.write_photo(
    tmp_path / 'a.bmp', GREY, grey, extra_text={'a': 'b'}
  )
  assert notes == (
    'BMP holds no EXIF, colour profile or XMP.',
    'BMP holds no text.',
  )
  exif = Image.Exif()
  exif[0x8769] = {0x927C: bytes(70_000)}
  long = _photo(RGB, metadata=Metadata(exif=exif.tobytes(), dpi=(72.0, 72.0)))
  notes = photo_write.write_photo(tmp_path / 'b.jpg', RGB, long)
  assert notes == ('The EXIF data is too long for JPEG and was left out.',)
  assert photos.read_photo(tmp_path / 'b.jpg').metadata.dpi == (72, 72)
  assert photo_write.write_photo(tmp_path / 'b.tif', RGB, long) == ()


def test_what_is_damaged_in_exif_is_left_out_with_a_word(tmp_path):
  exif = Image.Exif()
  exif[0x0112], exif[0x0131] = 6, 'some software'
  exif[0x013B] = 'an artist'
  data = bytearray(exif.tobytes())
  entry = data.index(b'\x01\x3b\0\x02')
  data[entry + 8 : entry + 12] = b'\0\0\xff\0'  # beyond the end
  image = Image.fromarray((RGB * 255).astype(np.uint8))
  image.save(tmp_path / 'a.png', exif=bytes(data))
  read = photos.read_photo(tmp_path / 'a.png')
  assert read.pixels.shape == (20, 12, 3)
  kept = Image.Exif()
  kept.load(read.metadata.exif)
  assert dict(kept) == {0x0131: 'some software'}
  damaged = 'Its EXIF data is damaged; what could not be read is left out.'
  assert read.notes == (damaged,)
  image.save(tmp_path / 'b.png', exif=b'Exif\0\0nonsense')
  read = photos.read_photo(tmp_path / 'b.png')
  assert read.notes == (damaged,)
  assert read.metadata.exif is None


def test_the_suffix_can_be_overruled(tmp_path):
  photo_write.write_photo(tmp_path / 'a.out', RGB, _photo(RGB), format='PNG')
  assert photos.read_photo(tmp_path / 'a.out').format == 'PNG'


@pytest.mark.parametrize('quality', [90, 95, 99, 100])
def test_grain_becomes_a_jpeg_file(tmp_path, quality):
  grain = np.random.default_rng(0).random((256, 256, 3), np.float32)
  path = tmp_path / 'a.jpg'
  photo_write.write_photo(path, grain, _photo(grain), quality=quality)
  with Image.open(path) as image:
    image.load()
    assert (image.format, image.size) == ('JPEG', (256, 256))


@pytest.mark.parametrize('lossless', [True, False])
def test_a_webp_file_stays_lossless_or_lossy(tmp_path, lossless):
  pixels = np.random.default_rng(0).integers(256, size=(20, 30, 3))
  Image.fromarray(np.uint8(pixels)).save(tmp_path / 'a.webp', lossless=lossless)
  read = photos.read_photo(tmp_path / 'a.webp')
  assert read.lossless == lossless
  photo_write.write_photo(tmp_path / 'b.webp', read.pixels, read)
  again = photos.read_photo(tmp_path / 'b.webp')
  assert (again.pixels == read.pixels).all() == lossless

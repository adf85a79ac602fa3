import image_files
import numpy as np
import pytest
import tifffile
from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.images import eight_bit as images
from adafm_jax.images.folder import find_images

RGB = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
GREY = RGB[..., :1]


@pytest.mark.parametrize('suffix', ['png', 'bmp', 'tif', 'webp'])
def test_reads_what_was_written(tmp_path, suffix):
  path = tmp_path / f'a.{suffix}'
  Image.fromarray(RGB).save(path, lossless=True)
  np.testing.assert_array_equal(images.read(path), RGB)


@pytest.mark.parametrize('pixels', [RGB, GREY])
def test_write_png(tmp_path, pixels):
  images.write_png(tmp_path / 'new' / 'a.png', pixels)
  with Image.open(tmp_path / 'new' / 'a.png') as image:
    assert image.format == 'PNG'
    assert image.mode == ('L' if pixels is GREY else 'RGB')
    np.testing.assert_array_equal(
      np.asarray(image), pixels.squeeze(-1) if pixels is GREY else pixels
    )
  np.testing.assert_array_equal(images.read(tmp_path / 'new' / 'a.png'), pixels)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation(tmp_path, orientation):
  upright = image_files.UPRIGHT[orientation]
  exif = Image.Exif()
  exif[0x0112] = orientation
  Image.fromarray(RGB).save(tmp_path / 'a.png', exif=exif)
  np.testing.assert_array_equal(images.read(tmp_path / 'a.png'), upright(RGB))


def test_palettes_alpha_and_bilevel(tmp_path):
  palette = Image.fromarray(GREY[..., 0] // 64, mode=None).convert('P')
  palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
  palette.save(tmp_path / 'p.png', transparency=bytes([0, 9, 99, 255]))
  wanted = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [100, 110, 120]])
  index = GREY[..., 0] // 64
  np.testing.assert_array_equal(images.read(tmp_path / 'p.png'), wanted[index])
  alpha = np.concatenate([RGB, GREY], axis=-1)
  Image.fromarray(alpha).save(tmp_path / 'rgba.png')
  np.testing.assert_array_equal(images.read(tmp_path / 'rgba.png'), RGB)
  Image.fromarray(alpha[..., 2:]).save(tmp_path / 'la.png')
  np.testing.assert_array_equal(images.read(tmp_path / 'la.png'), RGB[..., 2:])
  Image.fromarray(GREY[..., 0] > 99).save(tmp_path / 'one.png')
  np.testing.assert_array_equal(
    images.read(tmp_path / 'one.png'), np.where(GREY > 99, 255, 0)
  )


def test_cmyk(tmp_path):
  cmyk = np.zeros((16, 16, 4), np.uint8)
  cmyk[..., 1] = 255  # all magenta
  Image.fromarray(cmyk, mode='CMYK').save(tmp_path / 'a.tif')
  assert (images.read(tmp_path / 'a.tif') == (255, 0, 255)).all()


def test_16_bits_are_refused(tmp_path):
  Image.fromarray(GREY[..., 0].astype(np.uint16) * 257).save(tmp_path / 'g.png')
  Image.fromarray(GREY[..., 0].astype(np.float32)).save(tmp_path / 'f.tif')
  # Pillow writes no 16-bit colour, and would cut it to 8 bits in reading.
  (tmp_path / 'c.png').write_bytes(_png_of_16_bits(RGB.astype('>u2') * 257))
  for name in ('g.png', 'f.tif', 'c.png'):
    with pytest.raises(UserError, match=r'has more than 8 bits a channel'):
      images.read(tmp_path / name)


def _png_of_16_bits(pixels):
  import struct
  import zlib

  def chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    size = struct.pack('>I', len(data))
    return size + kind + data + struct.pack('>I', checksum)

  height, width, _ = pixels.shape
  header = struct.pack('>IIBBBBB', width, height, 16, 2, 0, 0, 0)
  rows = b''.join(b'\0' + row.tobytes() for row in pixels)
  data = [(b'IHDR', header), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
  return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*part) for part in data)


def test_a_broken_file_gives_a_sentence(tmp_path):
  Image.fromarray(RGB.repeat(20, 0)).save(tmp_path / 'whole.png')
  Image.fromarray(RGB.repeat(20, 0)).save(tmp_path / 'whole.jpg')
  for suffix in ('png', 'jpg'):
    raw = (tmp_path / f'whole.{suffix}').read_bytes()
    for size in (0, 1, 20, 60, len(raw) // 2):
      path = tmp_path / f'cut.{suffix}'
      path.write_bytes(raw[:size])
      with pytest.raises(UserError, match=r'Cannot read the image .*cut'):
        images.read(path)
  with pytest.raises(UserError, match='No such file'):
    images.read(tmp_path / 'missing.png')
  with pytest.raises(UserError, match='Is a directory'):
    images.read(tmp_path)


def test_an_image_of_too_many_pixels(tmp_path, monkeypatch):
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
  Image.fromarray(RGB).save(tmp_path / 'a.png')
  with pytest.raises(UserError, match='exceeds limit'):
    images.read(tmp_path / 'a.png')


def test_find(tmp_path):
  for name in ('b.PNG', 'a.jpeg', '.hidden.png', 'notes.txt', 'ü $1.tif'):
    (tmp_path / name).write_bytes(b'')
  (tmp_path / 'folder.png').mkdir()
  found = find_images(tmp_path)
  assert [path.name for path in found] == ['a.jpeg', 'b.PNG', 'ü $1.tif']
  # A file counts whatever it is called, and once.
  one = tmp_path / 'notes.txt'
  assert find_images([one, str(tmp_path), one]) == [one, *found]
  assert find_images(str(one)) == [one]


def test_nothing_found(tmp_path):
  with pytest.raises(UserError, match='There is no file or folder'):
    find_images(tmp_path / 'no')
  (tmp_path / 'empty').mkdir()
  with pytest.raises(UserError, match=r'holds no images \(\.png, '):
    find_images([tmp_path / 'empty'])


def test_to_uint8_rounds_and_clips():
  values = np.array([-1, 0, 0.4999, 0.5001, 1.4, 254.6, 300], np.float32) / 255
  assert images.to_uint8(values).tolist() == [0, 0, 0, 1, 1, 255, 255]


def test_to_channels():
  assert images.to_channels(RGB, 3) is RGB
  assert images.to_channels(GREY, 1) is GREY
  np.testing.assert_array_equal(
    images.to_channels(GREY, 3), GREY[..., [0, 0, 0]]
  )
  luma = images.to_channels(RGB, 1)
  assert luma.shape == (5, 8, 1)
  assert luma.dtype == np.uint8
  red, green, blue = np.moveaxis(RGB.astype(float), -1, 0)
  wanted = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
  assert np.abs(luma[..., 0] - wanted).max() <= 0.5


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('channels', [3, 4])
def test_deep_tiff_files_of_separate_planes_are_refused(
  tmp_path, order, channels
):
  planes = np.arange(channels * 48, dtype=np.uint16).reshape(channels, 6, 8)
  tifffile.imwrite(
    tmp_path / 'a.tif',
    257 * planes,
    photometric='rgb',
    planarconfig='separate',
    byteorder=order,
  )
  with pytest.raises(UserError, match='more than 8 bits'):
    images.read(tmp_path / 'a.tif')
  eight = planes.astype(np.uint8)
  tifffile.imwrite(
    tmp_path / 'b.tif', eight, photometric='rgb', planarconfig='separate'
  )
  np.testing.assert_array_equal(
    images.read(tmp_path / 'b.tif'), np.moveaxis(eight[:3], 0, -1)
  )


def test_signed_samples_are_refused(tmp_path):
  tifffile.imwrite(tmp_path / 'a.tif', np.array([[-128, -1], [0, 1]], np.int8))
  with pytest.raises(UserError, match='signed'):
    images.read(tmp_path / 'a.tif')

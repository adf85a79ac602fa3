"""Photographs of all formats: samples, palettes, orientation."""

import struct

import image_files
import numpy as np
import photographs
import pytest
import tifffile
from PIL import Image, ImageCms

from adafm_jax.images import photo as photos


@pytest.mark.parametrize(
  ('suffix', 'kind'),
  [('png', 'PNG'), ('bmp', 'BMP'), ('tif', 'TIFF'), ('webp', 'WEBP')],
)
def test_8_bits(tmp_path, suffix, kind):
  path = photographs.save(
    tmp_path / f'a.{suffix}', photographs.RGB, lossless=True
  )
  read = photos.read_photo(path)
  photographs.check(read, photographs.RGB, 255)
  assert (read.depth, read.format, read.notes) == (8, kind, ())
  assert read.jpeg_tables is None


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_grey_and_alpha(tmp_path, suffix):
  for parts in (
    [photographs.GREY],
    [photographs.GREY, photographs.ALPHA],
    [photographs.RGB, photographs.ALPHA],
  ):
    samples = np.concatenate(parts, axis=-1)
    path = photographs.save(tmp_path / f'a.{suffix}', samples)
    photographs.check(photos.read_photo(path), samples, 255)


def test_white_is_one(tmp_path):
  path = photographs.save(tmp_path / 'a.png', np.full((4, 4, 3), 255, np.uint8))
  assert (photos.read_photo(path).pixels == 1).all()


def test_palettes(tmp_path):
  index = photographs.GREY[..., 0] // 64
  colours = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]
  image = Image.fromarray(index).convert('P')
  image.putpalette(colours)
  image.save(tmp_path / 'p.png')
  wanted = np.reshape(colours, (4, 3))[index]
  photographs.check(photos.read_photo(tmp_path / 'p.png'), wanted, 255)
  image.save(tmp_path / 'a.png', transparency=bytes([0, 9, 99, 255]))
  alpha = np.array([0, 9, 99, 255])[index][..., None]
  photographs.check(
    photos.read_photo(tmp_path / 'a.png'), np.append(wanted, alpha, -1), 255
  )
  image.putpalette(np.repeat([3, 50, 100, 200], 3).tolist())
  image.save(tmp_path / 'g.png', transparency=bytes([0, 9, 99, 255]))
  grey = np.array([3, 50, 100, 200])[index][..., None]
  read = photos.read_photo(tmp_path / 'g.png')
  photographs.check(read, np.append(grey, alpha, -1), 255)
  assert not read.grey_rgb
  # An RGB profile is no profile of grey.
  srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  image.save(tmp_path / 'i.png', icc_profile=srgb)
  read = photos.read_photo(tmp_path / 'i.png')
  photographs.check(read, grey, 255)
  assert (read.grey_rgb, read.metadata.icc) == (True, srgb)


def test_one_bit(tmp_path):
  Image.fromarray(photographs.GREY[..., 0] > 99).save(tmp_path / 'a.png')
  read = photos.read_photo(tmp_path / 'a.png')
  np.testing.assert_array_equal(read.pixels, photographs.GREY > 99)


def test_grey_pictures_in_rgb_files_are_grey(tmp_path):
  path = photographs.save(
    tmp_path / 'a.png', np.repeat(photographs.GREY, 3, axis=-1)
  )
  read = photos.read_photo(path)
  photographs.check(read, photographs.GREY, 255)
  assert read.grey_rgb
  assert not photos.read_photo(photographs.save(path, photographs.RGB)).grey_rgb


def test_cmyk_is_converted_with_a_word(tmp_path):
  cmyk = np.zeros((16, 16, 4), np.uint8)
  cmyk[..., 1] = 255  # all magenta
  for name in ('a.tif', 'a.jpg'):
    Image.fromarray(cmyk, mode='CMYK').save(tmp_path / name, quality=100)
    read = photos.read_photo(tmp_path / name)
    error = np.abs(read.pixels - np.array([1, 0, 1], np.float32)).max()
    assert error < 0.02
    (note,) = read.notes
    assert 'CMYK without a colour profile' in note


def _cmyk_profile():
  """A profile that sees black ink alone, as lightness: L = 100 (1 - K).

  By the ICC specification: an 'A2B0' table of type lut8 into Lab.
  """
  curve = bytes(range(256))
  table = struct.pack('>4s4xBBBx', b'mft1', 4, 3, 2)
  table += struct.pack('>9i', *(np.eye(3, dtype=int) * 65536).ravel())
  table += curve * 4 + bytes([255, 128, 128, 0, 128, 128]) * 2**3 + curve * 3
  offset = 128 + 4 + 12
  header = bytearray(128)
  struct.pack_into('>I4xI', header, 0, offset + len(table), 0x02400000)
  header[12:24] = b'prtrCMYKLab '
  header[36:40] = b'acsp'
  struct.pack_into('>3i', header, 68, 63190, 65536, 54061)  # D50
  tags = struct.pack('>I4sII', 1, b'A2B0', offset, len(table))
  return bytes(header) + tags + table


def test_cmyk_goes_by_its_profile(tmp_path):
  inks = np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8)
  inks[..., 3] = 127
  Image.fromarray(inks, mode='CMYK').save(
    tmp_path / 'a.tif', icc_profile=_cmyk_profile()
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  # L = 50 is 18.4 % of white: 119 in sRGB.
  assert np.abs(read.pixels * 255 - 119).max() < 2
  assert read.metadata.icc[16:20] == b'RGB '
  assert read.notes[0].endswith('converted to sRGB by its colour profile.')


@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientation(tmp_path, orientation):
  exif = Image.Exif()
  exif[0x0112] = orientation
  wanted = image_files.UPRIGHT[orientation](photographs.RGB)
  for name, options in (
    ('a.png', {}),
    ('a.tif', {}),
    ('z.tif', {'compression': 'tiff_adobe_deflate'}),
  ):
    path = photographs.save(
      tmp_path / name, photographs.RGB, exif=exif, **options
    )
    read = photos.read_photo(path)
    photographs.check(read, wanted, 255)
    again = Image.Exif()
    again.load(read.metadata.exif or b'')
    assert 0x0112 not in again
  tag = (0x0112, 3, 1, orientation, True)
  tifffile.imwrite(
    tmp_path / 'd.tif',
    photographs.DEEP[..., :3],
    photometric='rgb',
    extratags=[tag],
  )
  read = photos.read_photo(tmp_path / 'd.tif')
  photographs.check(
    read, image_files.UPRIGHT[orientation](photographs.DEEP[..., :3]), 65535
  )
  chunk = image_files.chunk(b'eXIf', exif.tobytes()[6:])
  (tmp_path / 'd.png').write_bytes(
    image_files.deep_png(photographs.DEEP, chunk)
  )
  photographs.check(
    photos.read_photo(tmp_path / 'd.png'),
    image_files.UPRIGHT[orientation](photographs.DEEP),
    65535,
  )


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.tif', 'a.webp'])
def test_size_and_resolution_are_turned_too(tmp_path, name):
  exif = Image.Exif()
  exif[0x011A], exif[0x011B], exif[0x0128] = 100.0, 200.0, 2
  for orientation, wanted in {
    1: (100, 200),
    3: (100, 200),
    6: (200, 100),
  }.items():
    exif[0x0112] = orientation
    path = tmp_path / name
    photographs.save(path, photographs.RGB, exif=exif, dpi=(100, 200))
    read = photos.read_photo(path)
    assert read.metadata.dpi == pytest.approx(wanted, rel=1e-4)
    measured = photos.measure(path.read_bytes(), name)
    assert measured == read.pixels.shape[1::-1]


def test_orientation_in_xmp_alone(tmp_path):
  for text in (
    '<rdf:Description tiff:Orientation="6"/>',
    '<tiff:Orientation>6</tiff:Orientation>',
  ):
    path = photographs.save(
      tmp_path / 'a.webp', photographs.RGB, lossless=True, xmp=text.encode()
    )
    read = photos.read_photo(path)
    photographs.check(read, image_files.UPRIGHT[6](photographs.RGB), 255)
    assert read.metadata.xmp.decode() == text.replace('6', '1')


def test_a_name_that_lies(tmp_path):
  path = tmp_path / 'ü "$1"\n.png'
  photographs.save(path, photographs.RGB, format='BMP')
  read = photos.read_photo(path)
  photographs.check(read, photographs.RGB, 255)
  assert read.notes == ('It is a BMP file, though its name says PNG.',)
  photographs.save(tmp_path / 'noname', photographs.RGB, format='PNG')
  assert photos.read_photo(tmp_path / 'noname').notes == ()

import struct
import zlib

import image_files
import numpy as np
import pytest
import tifffile
from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.images.folder import find_images

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (5, 8, 3), np.uint8)
GREY = RGB[..., :1]
ALPHA = RANDOM.integers(0, 256, (5, 8, 1), np.uint8)
DEEP = RANDOM.integers(0, 65536, (5, 8, 4), np.uint16)
ALL_DEEP = [DEEP[..., :1], DEEP[..., :2], DEEP[..., :3], DEEP]


def _save(path, samples, **options):
  image = Image.fromarray(
    np.squeeze(samples, -1) if samples.shape[-1] == 1 else samples
  )
  image.save(path, **options)
  return path


def _check(read, samples, highest):
  """Against the samples that are in the file."""
  colours = 3 if samples.shape[-1] > 2 else 1
  assert read.pixels.dtype == np.float32
  wanted = samples[..., :colours].astype(np.float64) / highest
  np.testing.assert_allclose(read.pixels, wanted, rtol=1e-6)
  if samples.shape[-1] > colours:
    wanted = samples[..., colours:].astype(np.float64) / highest
    np.testing.assert_allclose(read.alpha, wanted, rtol=1e-6)
  else:
    assert read.alpha is None


@pytest.mark.parametrize(
  ('suffix', 'kind'),
  [('png', 'PNG'), ('bmp', 'BMP'), ('tif', 'TIFF'), ('webp', 'WEBP')],
)
def test_8_bits(tmp_path, suffix, kind):
  path = _save(tmp_path / f'a.{suffix}', RGB, lossless=True)
  read = photos.read_photo(path)
  _check(read, RGB, 255)
  assert (read.depth, read.format, read.notes) == (8, kind, ())
  assert read.jpeg_tables is None


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_grey_and_alpha(tmp_path, suffix):
  for parts in ([GREY], [GREY, ALPHA], [RGB, ALPHA]):
    samples = np.concatenate(parts, axis=-1)
    path = _save(tmp_path / f'a.{suffix}', samples)
    _check(photos.read_photo(path), samples, 255)


def test_white_is_one(tmp_path):
  path = _save(tmp_path / 'a.png', np.full((4, 4, 3), 255, np.uint8))
  assert (photos.read_photo(path).pixels == 1).all()


def _png_of_16_bits(samples, *extra):
  """By the PNG specification, without any library."""
  import zlib

  def chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    size = struct.pack('>I', len(data))
    return size + kind + data + struct.pack('>I', checksum)

  height, width, channels = samples.shape
  colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
  header = struct.pack('>IIBBBBB', width, height, 16, colour_type, 0, 0, 0)
  rows = b''.join(b'\0' + row.tobytes() for row in samples.astype('>u2'))
  data = [(b'IHDR', header), *extra]
  data += [(b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
  return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*part) for part in data)


@pytest.mark.parametrize('samples', ALL_DEEP)
def test_16_bit_png(tmp_path, samples):
  (tmp_path / 'a.png').write_bytes(_png_of_16_bits(samples))
  read = photos.read_photo(tmp_path / 'a.png')
  _check(read, samples, 65535)
  assert read.depth == 16


def test_16_bit_png_with_a_transparent_colour(tmp_path):
  key = DEEP[1, 2, :3].astype('>u2').tobytes()
  data = _png_of_16_bits(DEEP[..., :3], (b'tRNS', key))
  (tmp_path / 'a.png').write_bytes(data)
  read = photos.read_photo(tmp_path / 'a.png')
  wanted = np.ones((5, 8, 1))
  wanted[1, 2] = 0
  np.testing.assert_array_equal(read.alpha, wanted)
  _check(read._replace(alpha=None), DEEP[..., :3], 65535)


@pytest.mark.parametrize(
  'options',
  [
    {},
    {'compression': 'lzw', 'predictor': True},
    {'compression': 'zlib', 'byteorder': '>'},
    {'tile': (16, 16), 'bigtiff': True},
  ],
)
@pytest.mark.parametrize('samples', ALL_DEEP)
def test_16_bit_tiff(tmp_path, samples, options):
  colours = 3 if samples.shape[-1] > 2 else 1
  tifffile.imwrite(
    tmp_path / 'a.tif',
    samples,
    photometric='rgb' if colours == 3 else 'minisblack',
    planarconfig='contig' if samples.shape[-1] > 1 else None,
    extrasamples=['unassalpha'] if samples.shape[-1] > colours else None,
    **options,
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  _check(read, samples, 65535)
  assert (read.depth, read.notes) == (16, ())


def test_planes_and_white_is_zero(tmp_path):
  planes = np.moveaxis(DEEP[..., :3], -1, 0)
  tifffile.imwrite(
    tmp_path / 'p.tif', planes, photometric='rgb', planarconfig='separate'
  )
  _check(photos.read_photo(tmp_path / 'p.tif'), DEEP[..., :3], 65535)
  tifffile.imwrite(tmp_path / 'w.tif', DEEP[..., 0], photometric='miniswhite')
  _check(photos.read_photo(tmp_path / 'w.tif'), 65535 - DEEP[..., :1], 65535)


def test_12_bits(tmp_path):
  samples = DEEP[..., 0] >> 4
  tifffile.imwrite(
    tmp_path / 'a.tif', samples, photometric='minisblack', bitspersample=12
  )
  _check(photos.read_photo(tmp_path / 'a.tif'), samples[..., None], 4095)


def test_premultiplied_alpha_becomes_straight(tmp_path):
  straight = DEEP / 65535
  straight[0, 0, 3] = 0
  stored = straight.copy()
  stored[..., :3] *= stored[..., 3:]
  tifffile.imwrite(
    tmp_path / 'a.tif',
    np.rint(stored * 65535).astype(np.uint16),
    photometric='rgb',
    extrasamples=['assocalpha'],
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  np.testing.assert_allclose(read.alpha, straight[..., 3:], atol=1e-5)
  seen = straight[..., 3] > 0.1
  np.testing.assert_allclose(
    read.pixels[seen], straight[seen][:, :3], atol=1e-4
  )
  assert (read.pixels[0, 0] == 0).all()


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_float_tiff(tmp_path, dtype):
  values = RANDOM.random((5, 8, 3)).astype(dtype)
  tifffile.imwrite(tmp_path / 'a.tif', values, photometric='rgb')
  read = photos.read_photo(tmp_path / 'a.tif')
  np.testing.assert_array_equal(read.pixels, values.astype(np.float32))
  assert read.depth == 32
  cut = ('Its 64-bit floats were cut to 32 bits.',)
  assert read.notes == (cut if dtype == np.float64 else ())


def test_highlights_of_float_tiff_are_clipped_with_a_word(tmp_path):
  values = np.array([[0.5, 0.25, 0.125, 7.5], [-0.5, 0, 1, 0]], np.float32)
  tifffile.imwrite(tmp_path / 'a.tif', values)
  read = photos.read_photo(tmp_path / 'a.tif')
  np.testing.assert_array_equal(read.pixels[..., 0], np.clip(values, 0, 1))
  assert read.notes == ('Its values from -0.5 to 7.5 were clipped to 0..1.',)


def test_palettes(tmp_path):
  index = GREY[..., 0] // 64
  colours = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]
  image = Image.fromarray(index).convert('P')
  image.putpalette(colours)
  image.save(tmp_path / 'p.png')
  wanted = np.reshape(colours, (4, 3))[index]
  _check(photos.read_photo(tmp_path / 'p.png'), wanted, 255)
  image.save(tmp_path / 'a.png', transparency=bytes([0, 9, 99, 255]))
  alpha = np.array([0, 9, 99, 255])[index][..., None]
  _check(
    photos.read_photo(tmp_path / 'a.png'), np.append(wanted, alpha, -1), 255
  )
  image.putpalette(np.repeat([3, 50, 100, 200], 3).tolist())
  image.save(tmp_path / 'g.png', transparency=bytes([0, 9, 99, 255]))
  grey = np.array([3, 50, 100, 200])[index][..., None]
  read = photos.read_photo(tmp_path / 'g.png')
  _check(read, np.append(grey, alpha, -1), 255)
  assert not read.grey_rgb


def test_one_bit(tmp_path):
  Image.fromarray(GREY[..., 0] > 99).save(tmp_path / 'a.png')
  read = photos.read_photo(tmp_path / 'a.png')
  np.testing.assert_array_equal(read.pixels, GREY > 99)


def test_grey_pictures_in_rgb_files_are_grey(tmp_path):
  path = _save(tmp_path / 'a.png', np.repeat(GREY, 3, axis=-1))
  read = photos.read_photo(path)
  _check(read, GREY, 255)
  assert read.grey_rgb
  assert not photos.read_photo(_save(path, RGB)).grey_rgb


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
  inks = RANDOM.integers(0, 256, (16, 16, 4), np.uint8)
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
  wanted = image_files.UPRIGHT[orientation](RGB)
  for name, options in (
    ('a.png', {}),
    ('a.tif', {}),
    ('z.tif', {'compression': 'tiff_adobe_deflate'}),
  ):
    path = _save(tmp_path / name, RGB, exif=exif, **options)
    read = photos.read_photo(path)
    _check(read, wanted, 255)
    again = Image.Exif()
    again.load(read.metadata.exif or b'')
    assert 0x0112 not in again
  tag = (0x0112, 3, 1, orientation, True)
  tifffile.imwrite(
    tmp_path / 'd.tif', DEEP[..., :3], photometric='rgb', extratags=[tag]
  )
  read = photos.read_photo(tmp_path / 'd.tif')
  _check(read, image_files.UPRIGHT[orientation](DEEP[..., :3]), 65535)
  chunk = (b'eXIf', exif.tobytes()[6:])
  (tmp_path / 'd.png').write_bytes(_png_of_16_bits(DEEP, chunk))
  _check(
    photos.read_photo(tmp_path / 'd.png'),
    image_files.UPRIGHT[orientation](DEEP),
    65535,
  )


def test_orientation_in_xmp_alone(tmp_path):
  for text in (
    '<rdf:Description tiff:Orientation="6"/>',
    '<tiff:Orientation>6</tiff:Orientation>',
  ):
    path = _save(tmp_path / 'a.webp', RGB, lossless=True, xmp=text.encode())
    read = photos.read_photo(path)
    _check(read, image_files.UPRIGHT[6](RGB), 255)
    assert read.metadata.xmp.decode() == text.replace('6', '1')


def test_jpeg_tables(tmp_path):
  tables = [list(range(1, 65)), list(range(65, 129))]
  path = _save(tmp_path / 'a.jpg', RGB, qtables=tables)
  read = photos.read_photo(path)
  assert len(read.jpeg_tables) == 2
  np.testing.assert_array_equal(
    read.jpeg_tables[0], np.arange(1, 65).reshape(8, 8)
  )
  assert read.format == 'JPEG'
  exif = Image.Exif()
  exif[0x0112] = 6  # rows and columns change places
  read = photos.read_photo(_save(path, RGB, qtables=tables, exif=exif))
  np.testing.assert_array_equal(
    read.jpeg_tables[0], np.arange(1, 65).reshape(8, 8).T
  )


def test_of_a_camera_s_several_pictures_the_first(tmp_path):
  first, second = (Image.fromarray(RGB.repeat(4, 0)), Image.new('RGB', (4, 4)))
  first.save(tmp_path / 'a.jpg', 'MPO', save_all=True, append_images=[second])
  read = photos.read_photo(tmp_path / 'a.jpg')
  assert read.format == 'JPEG'
  assert read.pixels.shape == (20, 8, 3)
  assert read.notes == ('Of the 2 pictures in the file, the first was taken.',)
  assert read.jpeg_tables is not None


def test_smaller_copies_in_a_tiff_are_no_pages(tmp_path):
  with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
    file.write(DEEP[..., :3], photometric='rgb')
    file.write(DEEP[::2, ::2, :3], photometric='rgb', subfiletype=1)
  _check(photos.read_photo(tmp_path / 'a.tif'), DEEP[..., :3], 65535)


def test_extra_channels_are_left_out_with_a_word(tmp_path):
  tifffile.imwrite(
    tmp_path / 'a.tif', DEEP, photometric='rgb', extrasamples=['unspecified']
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  _check(read, DEEP[..., :3], 65535)
  assert read.notes == ('It has extra channels that were left out.',)


def test_a_name_that_lies(tmp_path):
  path = tmp_path / 'ü "$1"\n.png'
  _save(path, RGB, format='BMP')
  read = photos.read_photo(path)
  _check(read, RGB, 255)
  assert read.notes == ('It is a BMP file, though its name says PNG.',)
  _save(tmp_path / 'noname', RGB, format='PNG')
  assert photos.read_photo(tmp_path / 'noname').notes == ()


@pytest.mark.parametrize('bits', [1, 2, 4])
def test_a_transparent_grey_of_few_bits(tmp_path, bits):
  def chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    return (
      struct.pack('>I', len(data)) + kind + data + struct.pack('>I', checksum)
    )

  highest = 2**bits - 1
  row = 1 << (8 - bits)  # greys 1 and 0
  header = struct.pack('>IIBBBBB', 2, 1, bits, 0, 0, 0, 0)
  data = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
  data += chunk(b'tRNS', struct.pack('>H', 1))  # grey 1 is transparent
  data += chunk(b'IDAT', zlib.compress(bytes([0, row]))) + chunk(b'IEND', b'')
  (tmp_path / 'a.png').write_bytes(data)
  read = photos.read_photo(tmp_path / 'a.png')
  assert read.alpha[..., 0].tolist() == [[0, 1]]
  assert read.pixels[0, :, 0].tolist() == [pytest.approx(1 / highest, 1e-3), 0]


@pytest.mark.parametrize('suffix', ['.jfif', '.jpe', '.JPE'])
def test_further_names_of_jpeg_files(tmp_path, suffix):
  path = tmp_path / f'a{suffix}'
  Image.new('RGB', (8, 8), 'red').save(path, 'JPEG')
  assert find_images(tmp_path) == [path]
  assert photos.read_photo(path).notes == ()


def test_the_table_that_luma_uses_comes_first(tmp_path):
  path = tmp_path / 'a.jpg'
  image = Image.fromarray(np.uint8(np.arange(768).reshape(16, 16, 3) % 256))
  tables = [[40] * 64, [3] * 64]
  image.save(path, qtables=tables, subsampling=0)
  data = bytearray(path.read_bytes())
  frame = data.index(b'\xff\xc0') + 10  # components: name, sampling, table
  for i, table in enumerate((1, 0, 0)):
    data[frame + 3 * i + 2] = table
  path.write_bytes(data)
  assert photos.read_photo(path).jpeg_tables[0][0, 0] == 3


def test_text_that_cannot_be_read_is_left_out(tmp_path):
  image = Image.fromarray(RGB)
  image.save(tmp_path / 'plain.png')
  plain = (tmp_path / 'plain.png').read_bytes()
  text = b'k\0\0' + zlib.compress(b' ' * 2_000_000)
  kind = b'zTXt' + text
  checksum = struct.pack('>I', zlib.crc32(kind))
  large = struct.pack('>I', len(text)) + kind + checksum
  path = tmp_path / 'a.png'
  path.write_bytes(plain[:33] + large + plain[33:])
  read = photos.read_photo(path)
  np.testing.assert_array_equal(np.rint(read.pixels * 255), RGB)
  (note,) = read.notes
  assert 'text' in note
  path.write_bytes(plain[:33] + large + plain[33:-40])  # the picture, too
  with pytest.raises(UserError, match=r'a\.png'):
    photos.read_photo(path)


@pytest.mark.parametrize(
  'compression',
  ['jpeg2000', 'jpegxl', 'jpegxr', 'webp', 'zstd', 'lzma', 'lerc', 'png'],
)
def test_compressions_of_tiff(tmp_path, compression, capfd):
  """Those that need no part of the picture lost, in 8 and 16 bits."""
  smooth = np.add.outer(np.arange(32) * 3, np.arange(48) * 2)[..., None]
  rgb = (smooth + np.array([0, 9, 60])).astype(np.uint8)
  grey, alpha = rgb[..., :1], np.concatenate([rgb, rgb[..., :1]], axis=-1)
  exif = (0x013B, 2, 0, 'Zoe', True)
  cases = [(rgb, 255), (alpha, 255)]
  if compression != 'webp':
    cases += [(grey, 255), (rgb.astype(np.uint16) * 257, 65535)]
  for samples, highest in cases:
    path = tmp_path / 'a.tif'
    tifffile.imwrite(
      path,
      samples.squeeze(),
      photometric='rgb' if samples.shape[-1] > 2 else 'minisblack',
      extrasamples=['unassalpha'] if samples.shape[-1] == 4 else None,
      compression=compression,
      extratags=[exif],
    )
    read = photos.read_photo(path)
    _check(read, samples, highest)
    assert b'Zoe' in read.metadata.exif
  assert capfd.readouterr().err == ''  # libtiff speaks of what it lacks


def test_a_palette_that_pillow_does_not_decode(tmp_path):
  table = RANDOM.integers(0, 65536, (3, 256)).astype(np.uint16)
  index = GREY[..., 0]
  tifffile.imwrite(
    tmp_path / 'a.tif',
    index,
    photometric='palette',
    colormap=table,
    compression='png',
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  _check(read, table.T[index], 65535)


def test_12_bit_jpeg_in_tiff(tmp_path):
  y, x = np.mgrid[:32, :48]
  samples = np.stack([80 * x, 120 * y, 40 * (x + y)], -1).astype(np.uint16)
  tifffile.imwrite(
    tmp_path / 'a.tif',
    samples,
    photometric='rgb',
    compression='jpeg',
    compressionargs={'level': 98},
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  assert read.depth == 16
  with tifffile.TiffFile(tmp_path / 'a.tif') as tiff:
    assert tiff.pages[0].bitspersample == 12
  assert np.abs(read.pixels * 4095 - samples).mean() < 20

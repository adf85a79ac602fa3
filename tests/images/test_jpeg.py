"""JPEG files: tables, 12 bits, lossless ones, damaged or cut."""

import image_files
import imagecodecs
import numpy as np
import photographs
import pytest
from PIL import Image
from PIL.ExifTags import Base

from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.images.folder import find_images


@pytest.mark.parametrize('progressive', [False, True])
def test_a_jpeg_file_without_its_end(tmp_path, progressive):
  data = image_files.jpeg(progressive=progressive)
  (tmp_path / 'a.jpg').write_bytes(data)
  whole = photos.read_photo(tmp_path / 'a.jpg')
  (tmp_path / 'b.jpg').write_bytes(data[:-2])
  read = photos.read_photo(tmp_path / 'b.jpg')
  np.testing.assert_array_equal(read.pixels, whole.pixels)
  assert read.notes == ('Its end marker is missing.',)
  # But of a file that is cut, part of the picture is missing.
  for size in (3, 10, 100):
    (tmp_path / 'c.jpg').write_bytes(data[:-size])
    with pytest.raises(UserError, match='truncated'):
      photos.read_photo(tmp_path / 'c.jpg')


def test_damaged_segments_beside_the_picture_cost_it_nothing(tmp_path):
  exif = Image.Exif()
  exif[Base.Orientation], exif[Base.Artist] = 6, 'Zoe'
  broken = image_files.segment(0xE2, b'MPF\0nonsense')
  data = image_files.jpeg(broken, exif=exif.tobytes())
  (tmp_path / 'a.jpg').write_bytes(data)
  read = photos.read_photo(tmp_path / 'a.jpg')
  assert read.pixels.shape == (24, 16, 3)  # turned, as EXIF says
  again = Image.Exif()
  again.load(read.metadata.exif)
  assert again[Base.Artist] == 'Zoe'


@pytest.mark.parametrize('subsampling', ['444', '420'])
def test_12_bit_jpeg(tmp_path, subsampling):
  y, x = np.mgrid[:64, :96]
  samples = np.stack([40 * x, 60 * y, 20 * (x + y)], -1).astype(np.uint16)
  data = imagecodecs.jpeg8_encode(
    samples, level=98, bitspersample=12, subsampling=subsampling
  )
  (tmp_path / 'a.jpg').write_bytes(
    data[:2]
    + image_files.segment(0xFE, b'scan 7')
    + image_files.segment(
      0xED, image_files.photoshop((0x404, image_files.IPTC))
    )
    + data[2:]
  )
  read = photos.read_photo(tmp_path / 'a.jpg')
  assert (read.depth, read.format, read.notes) == (16, 'JPEG', ())
  assert np.abs(read.pixels * 4095 - samples).max() < 40
  assert np.abs(read.pixels * 4095 - samples).mean() < 6
  assert read.jpeg_tables[0].max() < 10
  assert read.metadata.text == (('Comment', 'scan 7'),)
  assert read.metadata.iptc == image_files.IPTC
  notes = photo_write.write_photo(tmp_path / 'b.jpg', read.pixels, read)
  assert any('16-bit picture was rounded' in note for note in notes)


@pytest.mark.parametrize('bits', [8, 12, 16])
def test_lossless_jpeg(tmp_path, bits):
  random = np.random.default_rng(0)
  dtype = np.uint8 if bits == 8 else np.uint16
  samples = random.integers(0, 2**bits, (9, 7, 3)).astype(dtype)
  data = imagecodecs.jpeg8_encode(samples, lossless=True, bitspersample=bits)
  (tmp_path / 'a.jpg').write_bytes(data)
  read = photos.read_photo(tmp_path / 'a.jpg')
  wanted = samples / (2.0**bits - 1)
  np.testing.assert_allclose(read.pixels, wanted, rtol=1e-6)
  assert read.jpeg_tables is None


def test_jpeg_tables(tmp_path):
  tables = [list(range(1, 65)), list(range(65, 129))]
  path = photographs.save(tmp_path / 'a.jpg', photographs.RGB, qtables=tables)
  read = photos.read_photo(path)
  assert len(read.jpeg_tables) == 2
  np.testing.assert_array_equal(
    read.jpeg_tables[0], np.arange(1, 65).reshape(8, 8)
  )
  assert read.format == 'JPEG'
  exif = Image.Exif()
  exif[0x0112] = 6  # rows and columns change places
  read = photos.read_photo(
    photographs.save(path, photographs.RGB, qtables=tables, exif=exif)
  )
  np.testing.assert_array_equal(
    read.jpeg_tables[0], np.arange(1, 65).reshape(8, 8).T
  )


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


def test_of_a_camera_s_several_pictures_the_first(tmp_path):
  first, second = (
    Image.fromarray(photographs.RGB.repeat(4, 0)),
    Image.new('RGB', (4, 4)),
  )
  first.save(tmp_path / 'a.jpg', 'MPO', save_all=True, append_images=[second])
  read = photos.read_photo(tmp_path / 'a.jpg')
  assert read.format == 'JPEG'
  assert read.pixels.shape == (20, 8, 3)
  assert read.notes == ('Of the 2 pictures in the file, the first was taken.',)
  assert read.jpeg_tables is not None


@pytest.mark.parametrize('suffix', ['.jfif', '.jpe', '.JPE'])
def test_further_names_of_jpeg_files(tmp_path, suffix):
  path = tmp_path / f'a{suffix}'
  Image.new('RGB', (8, 8), 'red').save(path, 'JPEG')
  assert find_images(tmp_path) == [path]
  assert photos.read_photo(path).notes == ()

"""What a PNG file says of its colours: kept, or said by a profile."""

import io
import struct

import image_files
import numpy as np
import photographs
import pytest
from PIL import Image, ImageCms

from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write

GAMMA = (b'gAMA', struct.pack('>I', 100_000))
# Of Adobe RGB (1998), and of Display P3's code points.
ADOBE = (
  b'cHRM',
  struct.pack('>8I', *(31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
)
P3, PQ = (b'cICP', bytes([12, 13, 0, 1])), (b'cICP', bytes([9, 16, 0, 1]))
MASTERING, LIGHT = (b'mDCV', bytes(range(24))), (b'cLLI', bytes(range(8)))


def _chunks(path):
  data, found, i = path.read_bytes(), {}, 8
  while i < len(data):
    (length,) = struct.unpack_from('>I', data, i)
    found[data[i + 4 : i + 8]] = data[i + 8 : i + 8 + length]
    i += 12 + length
  return found


@pytest.mark.parametrize('deep', [False, True])
def test_a_png_file_keeps_what_says_how_it_looks(tmp_path, deep):
  given = [GAMMA, ADOBE, PQ, MASTERING, LIGHT, (b'sRGB', b'\1')]
  data = image_files.png(*(image_files.chunk(*c) for c in given))
  (tmp_path / 'in').write_bytes(data)
  read = photos.read_photo(tmp_path / 'in')._replace(depth=16 if deep else 8)
  path = tmp_path / 'a.png'
  assert photo_write.write_photo(path, read.pixels, read) == ()
  found = _chunks(path)
  assert {kind: found[kind] for kind, _ in given} == dict(given)
  order = list(found)
  assert order.index(b'gAMA') < order.index(b'IDAT')
  np.testing.assert_array_equal(photos.read_photo(path).pixels, read.pixels)


def _shown(path):
  """What a program that goes by profiles shows: uint8 sRGB."""
  with Image.open(path) as image:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info['icc_profile']))
    srgb = ImageCms.createProfile('sRGB')
    image = image.convert('RGB')
    return np.asarray(ImageCms.profileToProfile(image, profile, srgb))


@pytest.mark.parametrize('suffix', ['jpg', 'webp', 'tif'])
def test_elsewhere_a_profile_says_how_a_png_file_looks(tmp_path, suffix):
  flat = np.full((16, 16, 3), (100, 150, 200), np.uint8)
  data = image_files.png(image_files.chunk(*GAMMA), samples=flat)
  _, path, notes = photographs.written(
    tmp_path, data, f'a.{suffix}', quality=100
  )
  assert notes == ()
  linear = np.array([100, 150, 200]) / 255
  wanted = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
  assert np.abs(_shown(path).mean((0, 1)) - wanted).max() < 2
  # Display P3 shows the same numbers as stronger colours.
  data = image_files.png(image_files.chunk(*P3), samples=flat)
  _, path, notes = photographs.written(
    tmp_path, data, f'b.{suffix}', quality=100
  )
  assert notes == ()
  red, green, blue = _shown(path).mean((0, 1))
  assert red < 95
  assert abs(green - 151) < 2
  assert blue > 201
  # What looks like sRGB needs no profile.
  usual = image_files.chunk(b'gAMA', struct.pack('>I', 45455))
  _, path, notes = photographs.written(
    tmp_path, image_files.png(usual), f'c.{suffix}'
  )
  assert notes == ()
  with Image.open(path) as image:
    assert 'icc_profile' not in image.info


def test_grey_with_a_gamma_gets_a_grey_profile(tmp_path):
  grey = image_files.RGB[..., :1]
  data = image_files.png(image_files.chunk(*GAMMA), samples=grey)
  read, path, _ = photographs.written(tmp_path, data, 'a.jpg')
  assert photos.read_photo(path).metadata.icc[16:20] == b'GRAY'
  assert read.pixels.shape[-1] == 1


def test_what_no_profile_can_say_is_refused_or_reported(tmp_path):
  data = image_files.png(image_files.chunk(*PQ))
  (tmp_path / 'in').write_bytes(data)
  read = photos.read_photo(tmp_path / 'in')
  with pytest.raises(UserError, match=r'HDR \(PQ\), which JPEG .* write PNG'):
    photo_write.write_photo(tmp_path / 'a.jpg', read.pixels, read)
  assert not (tmp_path / 'a.jpg').exists()
  _, _, notes = photographs.written(
    tmp_path, image_files.png(image_files.chunk(*GAMMA)), 'a.bmp'
  )
  assert notes == ('BMP cannot say what its colours mean; that is lost.',)
  odd = image_files.chunk(b'cICP', bytes([10, 17, 0, 1]))
  _, _, notes = photographs.written(tmp_path, image_files.png(odd), 'b.jpg')
  assert notes == ('JPEG cannot say what its colours mean; that is lost.',)

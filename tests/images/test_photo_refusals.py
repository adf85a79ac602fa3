"""Files that can't be read or written: one sentence, nothing left behind."""

import contextlib
import os
import resource
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write

RGB = np.random.default_rng(0).integers(0, 256, (40, 32, 3), np.uint8)
DEEP = RGB.astype(np.uint16) * 257


def _refused(path):
  with pytest.raises(UserError) as caught:
    photos.read_photo(path)
  (sentence,) = caught.value.problems
  start = f'Cannot read the image {path}: '
  assert sentence.startswith(start)
  assert sentence.endswith('.')
  reason = sentence.removeprefix(start)
  assert '\n' not in reason
  assert 'object at 0x' not in reason
  return reason


def test_files_that_are_not_there(tmp_path):
  assert _refused(tmp_path / 'no.png') == 'No such file or directory.'
  assert _refused(tmp_path) == 'Is a directory.'
  (tmp_path / 'empty.jpg').write_bytes(b'')
  assert _refused(tmp_path / 'empty.jpg') == 'the file is empty.'


@pytest.mark.parametrize(
  ('head', 'name'),
  [
    (b'GIF89a', 'a GIF'),
    (b'8BPS\0\1', 'a Photoshop document'),
    (b'\0\0\0\x18ftypqt  ', 'a video'),
    (b'hello, world', 'not an image of a known kind'),
  ],
)
def test_other_kinds_are_named(tmp_path, head, name):
  (tmp_path / 'a.png').write_bytes(head + bytes(100))
  reason = _refused(tmp_path / 'a.png')
  assert reason.startswith(f'it is {name}')
  assert 'PNG, JPEG, TIFF, WebP, AVIF' in reason


def _files(folder):
  image = Image.fromarray(RGB)
  for name in ('a.png', 'a.jpg', 'a.tif', 'a.webp', 'a.bmp', 'a.avif'):
    image.save(folder / name)
  image.save(folder / 'lzw.tif', compression='tiff_lzw')
  like = photos.Photo(RGB / np.float32(255), depth=16)
  for name in ('deep.png', 'deep.tif', 'deep.avif', 'deep.jxl'):
    photo_write.write_photo(folder / name, like.pixels, like)
  tifffile.imwrite(folder / 'raw.tif', DEEP, photometric='rgb')
  return sorted(folder.iterdir())


def test_truncated_files(tmp_path):
  (tmp_path / 'whole').mkdir()
  for path in _files(tmp_path / 'whole'):
    data = path.read_bytes()
    photos.read_photo(path)
    for size in (9, 30, len(data) // 2, len(data) - 200):
      cut = tmp_path / f'cut-{path.name}'
      cut.write_bytes(data[:size])
      _refused(cut)


def test_damaged_files_never_end_in_a_traceback(tmp_path):
  random = np.random.default_rng(1)
  (tmp_path / 'whole').mkdir()
  for path in _files(tmp_path / 'whole'):
    data = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
      broken = data.copy()
      reach = random.choice([60, len(data)])  # headers, or anywhere
      places = random.integers(4, reach, 4)
      broken[places] = random.integers(0, 256, 4)
      other = tmp_path / path.name
      other.write_bytes(broken.tobytes())
      with contextlib.suppress(UserError):
        read = photos.read_photo(other)
        assert np.isfinite(read.pixels).all()
        assert 0 <= read.pixels.min() <= read.pixels.max() <= 1


def test_small_files_that_unfold_to_any_size(tmp_path):
  Image.fromarray(RGB).save(tmp_path / 'a.png')
  data = bytearray((tmp_path / 'a.png').read_bytes())
  struct.pack_into('>II', data, 16, 60_000, 60_000)
  import zlib

  struct.pack_into('>I', data, 29, zlib.crc32(data[12:29]))
  (tmp_path / 'a.png').write_bytes(data)
  assert 'exceeds limit' in _refused(tmp_path / 'a.png')
  tifffile.imwrite(
    tmp_path / 'a.tif',
    shape=(60_000, 60_000),
    dtype=np.uint16,
    data=iter([b''] * 4),
    tile=(30_000 // 16 * 16 + 16,) * 2,
    compression='zlib',
  )
  assert (tmp_path / 'a.tif').stat().st_size < 10_000
  assert 'exceeds limit' in _refused(tmp_path / 'a.tif')


def test_large_photographs_are_no_bombs(tmp_path, monkeypatch):
  # Pillow warns from its limit on, and refuses from twice that on.
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', RGB.size // 3 - 1)
  Image.fromarray(RGB).save(tmp_path / 'a.png')
  assert photos.read_photo(tmp_path / 'a.png').pixels.shape == RGB.shape
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', RGB.size // 3 // 2 - 1)
  assert 'exceeds limit' in _refused(tmp_path / 'a.png')


@pytest.mark.parametrize('suffix', ['png', 'webp'])
def test_animations(tmp_path, suffix):
  first, second = Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())
  path = tmp_path / f'a.{suffix}'
  first.save(path, save_all=True, append_images=[second])
  assert 'animated, with 2 frames' in _refused(path)


@pytest.mark.parametrize('pages', [RGB, DEEP])
def test_pages(tmp_path, pages):
  tifffile.imwrite(tmp_path / 'a.tif', np.stack([pages] * 3), photometric='rgb')
  assert _refused(tmp_path / 'a.tif') == (
    'it holds 3 pages; save each page as a file of its own.'
  )


def test_camera_raw(tmp_path):
  dng = (50706, 1, 4, (1, 4, 0, 0), True)
  tifffile.imwrite(tmp_path / 'a.dng', DEEP, photometric='rgb', extratags=[dng])
  assert _refused(tmp_path / 'a.dng').startswith('it is a camera raw file')


def test_tiff_that_is_no_photograph(tmp_path):
  path = tmp_path / 'a.tif'
  tifffile.imwrite(path, np.full((4, 4), np.nan, np.float32))
  assert 'NaN' in _refused(path)
  tifffile.imwrite(path, RGB.astype(np.float32), photometric='rgb')
  assert 'scale them to 0..1' in _refused(path)
  tifffile.imwrite(path, RGB.astype(np.uint32), photometric='rgb')
  assert '32-bit samples (UINT)' in _refused(path)
  tifffile.imwrite(
    path, DEEP[..., 0].astype(np.int16), photometric='minisblack'
  )
  assert '16-bit samples (INT)' in _refused(path)
  tifffile.imwrite(
    path, np.zeros((4, 4, 4), np.uint16), photometric='separated'
  )
  assert 'SEPARATED' in _refused(path)
  Image.fromarray(RGB, mode='LAB').save(path)
  assert 'LAB' in _refused(path)


LIKE = photos.Photo(RGB / np.float32(255))


@pytest.mark.skipif(not os.path.isdir('/proc'), reason='Linux alone has /proc')
def test_a_folder_that_is_read_only():
  with pytest.raises(UserError, match=r'^Cannot write /proc/a\.png: .*\.$'):
    photo_write.write_photo('/proc/a.png', LIKE.pixels, LIKE)


@pytest.mark.parametrize('depth', [8, 16, 32])
@pytest.mark.parametrize(
  'suffix', ['png', 'tif', 'jpg', 'webp', 'bmp', 'avif', 'jxl']
)
def test_a_full_disk(tmp_path, suffix, depth):
  big = np.random.default_rng(2).random((256, 256, 3), np.float32)
  path = tmp_path / f'a.{suffix}'
  path.write_bytes(b'old')
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
  try:
    with pytest.raises(UserError, match=r'^Cannot write .*: .*\.$') as caught:
      photo_write.write_photo(path, big, LIKE._replace(depth=depth))
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
  assert len(caught.value.problems) == 1
  assert path.read_bytes() == b'old'
  assert list(tmp_path.iterdir()) == [path]


def test_formats_that_cannot_be(tmp_path):
  for name in ('a.gif', 'a', 'a.png.txt'):
    with pytest.raises(UserError, match=r'format is not known; give it one of'):
      photo_write.write_photo(tmp_path / name, LIKE.pixels, LIKE)
  long = np.zeros((1, 16384, 1), np.float32)
  with pytest.raises(UserError, match='WEBP holds at most 16383 pixels a side'):
    photo_write.write_photo(tmp_path / 'a.webp', long, photos.Photo(long))
  assert not list(tmp_path.iterdir())
  photo_write.write_photo(tmp_path / 'a.jpg', long, photos.Photo(long))


def test_alpha_of_another_size_is_the_caller_s_mistake(tmp_path):
  like = LIKE._replace(alpha=np.ones((20, 16, 1), np.float32))
  with pytest.raises(ValueError, match='alpha is'):
    photo_write.write_photo(tmp_path / 'a.png', LIKE.pixels, like)

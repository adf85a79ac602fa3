"""What a file says beside its picture: kept, or left out with a word."""

import subprocess
import sys
import zlib

import image_files
import numpy as np
import photographs
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base

from adafm_jax.images import exif as exifs
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif'])
def test_iptc_is_kept(tmp_path, suffix):
  iptc = image_files.IPTC
  resources = image_files.photoshop((0x3ED, bytes(16)), (0x404, iptc))
  data = image_files.jpeg(image_files.segment(0xED, resources))
  _, path, notes = photographs.written(tmp_path, data, f'a.{suffix}')
  assert notes == ()
  again = photos.read_photo(path)
  assert (again.metadata.iptc, again.notes) == (iptc, ())
  if suffix == 'jpg':  # as other programs find it
    with Image.open(path) as image:
      assert image.info['photoshop'] == {0x404: iptc}
  elif suffix == 'tif':
    with tifffile.TiffFile(path) as tiff:
      assert tiff.pages[0].tags[33723].value == iptc
  else:
    with Image.open(path) as image:
      text = image.text['Raw profile type iptc'].split()
      assert text[:2] == ['iptc', str(len(bytes.fromhex(''.join(text[2:]))))]
  # And from there into a JPEG file again.
  photo_write.write_photo(tmp_path / 'b.jpg', again.pixels, again)
  assert photos.read_photo(tmp_path / 'b.jpg').metadata.iptc == iptc


def test_iptc_that_has_no_place_is_reported(tmp_path):
  resources = image_files.photoshop((0x404, image_files.IPTC))
  data = image_files.jpeg(image_files.segment(0xED, resources))
  _, _, notes = photographs.written(tmp_path, data, 'a.webp')
  assert notes == ('WEBP holds no IPTC data; it was left out.',)


def test_a_comment_is_kept(tmp_path):
  comment = image_files.segment(0xFE, 'Hafen, früh'.encode())
  data = image_files.jpeg(comment)
  _, path, notes = photographs.written(tmp_path, data, 'a.jpg')
  assert notes == ()
  with Image.open(path) as image:
    assert image.info['comment'].decode() == 'Hafen, früh'
  _, path, _ = photographs.written(tmp_path, data, 'a.png')
  with Image.open(path) as image:
    image.load()
    assert image.text['Comment'] == 'Hafen, früh'
  for suffix in ('webp', 'tif'):
    _, path, notes = photographs.written(tmp_path, data, f'a.{suffix}')
    assert notes == ()
    assert photographs.user_comment(path) == 'Hafen, früh'


def test_texts_of_a_png_file_find_a_place_in_exif(tmp_path):
  words = {
    'Description': 'Boote', 'Author': 'Zoë', 'Comment': 'früh', 'seed': '7'
  }  # fmt: skip
  chunks = [
    image_files.chunk(b'tEXt', f'{k}\0{v}'.encode('latin-1'))
    for k, v in words.items()
  ]
  _, path, notes = photographs.written(
    tmp_path, image_files.png(*chunks), 'a.jpg'
  )
  assert notes == ('JPEG has no place for the texts seed.',)
  with Image.open(path) as image:
    exif = image.getexif()
    assert exif[Base.ImageDescription] == 'Boote'
    assert exif[Base.Artist].encode('latin-1').decode() == 'Zoë'
    assert image.info['comment'].decode() == 'früh'


@pytest.mark.parametrize('endian', ['<', '>'])
@pytest.mark.parametrize('text_endian', ['<', '>'])
@pytest.mark.parametrize('suffix', ['jpg', 'webp', 'tif'])
def test_a_comment_in_unicode_outlives_the_recipe(
  tmp_path, endian, text_endian, suffix
):
  text = 'Kyōto 日本'
  order = {'<': 'utf-16-le', '>': 'utf-16-be'}[text_endian]
  exif = Image.Exif()
  exif.endian = endian
  exif[IFD.Exif] = {Base.UserComment: b'UNICODE\0' + text.encode(order)}
  data = image_files.jpeg(exif=exif.tobytes())
  _, path, notes = photographs.written(
    tmp_path, data, f'a.{suffix}', extra_text={'adafm': 'x'}
  )
  assert notes == ()
  assert photographs.user_comment(path).splitlines() == [text, '{"adafm": "x"}']


def test_comments_in_other_codings():
  plain, coded = 'Grüße', '日本'
  for value, text in (
    (b'\0' * 8 + plain.encode(), plain),
    (b'\0' * 8 + plain.encode('latin-1'), plain),
    (b'JIS\0\0\0\0\0' + coded.encode('iso2022_jp'), coded),
    (b'UNICODE\0' + coded.encode('utf-16'), coded),  # with a mark
    (b'ASCII\0\0\0by hand \0', 'by hand'),
    ('by hand', ''),
  ):
    assert exifs.comment(value, '>') == text


def test_each_comment_of_a_jpeg_file_has_its_own_coding(tmp_path):
  texts = 'früh', 'Kyōto 日本'
  coded = texts[0].encode('latin-1'), b'', texts[1].encode(), b'\0'
  path = tmp_path / 'a.jpg'
  segments = [image_files.segment(0xFE, text) for text in coded]
  path.write_bytes(image_files.jpeg(*segments))
  assert photos.read_photo(path).metadata.text == (
    ('Comment', '\n'.join(texts)),
  )


def test_texts_of_one_name_are_all_kept(tmp_path):
  chunks = [
    image_files.chunk(b'tEXt', b'Comment\0' + text) for text in (b'one', b'two')
  ]
  data = image_files.png(*chunks)
  _, path, notes = photographs.written(
    tmp_path, data, 'a.png', extra_text={'x': 'y'}
  )
  assert notes == ()
  wanted = (('Comment', 'one'), ('Comment', 'two'), ('x', 'y'))
  assert photos.read_photo(path).metadata.text == wanted
  _, path, notes = photographs.written(tmp_path, data, 'a.jpg')
  assert photos.read_photo(path).metadata.text == (('Comment', 'one\ntwo'),)
  _, path, notes = photographs.written(tmp_path, data, 'a.webp')
  assert notes == ('WEBP has no place for the texts Comment.',)
  assert photographs.user_comment(path) == 'one'


def test_a_large_profile_of_a_png_file_is_kept(tmp_path):
  srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  icc = srgb + np.random.default_rng(0).bytes(2**21)  # over Pillow's limit
  body = b'icc\0\0' + zlib.compress(icc)
  data = image_files.png(image_files.chunk(b'iCCP', body))
  _, path, notes = photographs.written(tmp_path, data, 'a.tif')
  assert notes == ()
  assert photos.read_photo(path).metadata.icc == icc


def test_reading_changes_no_warning_filters(tmp_path):
  """Threads that read side by side would undo each other's changes."""
  (tmp_path / 'a.png').write_bytes(
    image_files.png(image_files.chunk(b'eXIf', b'MM\0*\0\0\0\x08\0\x09'))
  )
  code = (
    'import warnings; from adafm_jax.images import photo\n'
    'from adafm_jax.images import decoders\n'
    'before = list(warnings.filters)\n'
    f'for _ in range(2): read = photo.read_photo({str(tmp_path / "a.png")!r})\n'
    'assert read.notes, read; assert before == list(warnings.filters)'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'avif', 'jxl', 'tif'])
@pytest.mark.parametrize('endian', '<>')
def test_bytes_of_exif_keep_the_types_of_the_standard(tmp_path, suffix, endian):
  exif = Image.Exif()
  exif.endian = endian
  exif[Base.XPTitle] = 'Hafen'.encode('utf-16-le')
  exif[IFD.Exif] = {
    Base.ExifVersion: b'0232',
    Base.MakerNote: b'Maker' * 9,
    Base.UserComment: b'ASCII\0\0\0a harbour',
    IFD.Interop: {1: 'R98', 2: b'0100'},
  }
  exif[IFD.GPSInfo] = {
    GPS.GPSVersionID: b'\2\3\0\0',
    GPS.GPSAltitudeRef: b'\1',
    GPS.GPSProcessingMethod: b'ASCII\0\0\0GPS',
  }
  data = image_files.encoded('JPEG', exif=exif)
  _, path, _ = photographs.written(tmp_path, data, f'a.{suffix}')
  byte, undefined = 1, 7
  found = photographs.exif_types(path, endian)
  assert found[0][Base.XPTitle] == byte
  assert {
    t: k for t, k in found[IFD.Exif].items() if k in (byte, undefined)
  } == {
    Base.ExifVersion: undefined,
    Base.MakerNote: undefined,
    Base.UserComment: undefined,
  }
  assert found[IFD.GPSInfo] == {
    GPS.GPSVersionID: byte,
    GPS.GPSAltitudeRef: byte,
    GPS.GPSProcessingMethod: undefined,
  }
  assert found[IFD.Interop] == {1: 2, 2: undefined}

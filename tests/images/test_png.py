"""PNG files: of 16 bits, with a transparent colour, damaged or cut."""

import struct
import zlib

import image_files
import numpy as np
import photographs
import pytest
from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.images import reading
from adafm_jax.images import write as photo_write


def test_damaged_chunks_beside_the_picture_cost_it_nothing(tmp_path):
  path = tmp_path / 'a.png'
  damaged = 'It has damaged parts beside the picture; left out.'
  sound = image_files.chunk(b'tEXt', b'a\0b')
  for bad, note in (
    (image_files.chunk(b'tEXt', b'x\0y', sound=False), damaged),
    (image_files.chunk(b'gAMA', bytes(4), sound=False), damaged),
    (image_files.chunk(b'iCCP', b'x\0\0nothing'), 'Its colour profile is dam'),
    (image_files.chunk(b'iTXt', b'k\0\0\0\0\0\xff'), 'Its text is damaged'),
    (image_files.chunk(b'eXIf', b'nonsense'), 'Its EXIF data is damaged'),
    (image_files.chunk(b'pHYs', b'\1'), None),
    (image_files.chunk(b'tRNS', b'\0\1\0\2\0\3', sound=False), damaged),
    (image_files.chunk(b'tRNS', b'\0\1'), 'Its transparency is damaged'),
    (image_files.chunk(b'tEXt', b'no end'), 'Its text is damaged'),
    (image_files.chunk(b'tEXt', b'k' * 80 + b'\0v'), 'Its text is damaged'),
  ):
    path.write_bytes(image_files.png(bad, sound))
    read = photos.read_photo(path)
    wanted = image_files.RGB / np.float32(255)
    np.testing.assert_array_equal(read.pixels, wanted)
    assert read.metadata.text == (('a', 'b'),)
    assert [n.startswith(note) for n in read.notes] == [True] * bool(note)


def test_a_key_beside_an_alpha_channel_says_nothing(tmp_path):
  path = tmp_path / 'a.png'
  pixels = np.full((4, 5, 4), 99, np.uint8)
  Image.fromarray(pixels, 'RGBA').save(path)
  data = path.read_bytes()
  key = image_files.chunk(b'tRNS', b'\0\1\0\2\0\3')
  path.write_bytes(data[:33] + key + data[33:])  # behind the header
  read = photos.read_photo(path)
  assert read.notes == ()
  np.testing.assert_allclose(read.alpha, 99 / 255, atol=1e-6)


@pytest.mark.parametrize('cut', [12, 4, 1])
@pytest.mark.parametrize('deep', [False, True])
def test_a_png_file_without_its_end(tmp_path, cut, deep):
  like = photos.Photo(image_files.RGB / np.float32(255), depth=16)
  like = like if deep else like._replace(depth=8)
  photo_write.write_photo(tmp_path / 'a.png', like.pixels, like)
  whole = (tmp_path / 'a.png').read_bytes()
  (tmp_path / 'b.png').write_bytes(whole[:-cut])
  read = photos.read_photo(tmp_path / 'b.png')
  np.testing.assert_allclose(read.pixels, like.pixels, rtol=1e-6)


@pytest.mark.parametrize('samples', photographs.ALL_DEEP)
def test_16_bit_png(tmp_path, samples):
  (tmp_path / 'a.png').write_bytes(image_files.deep_png(samples))
  read = photos.read_photo(tmp_path / 'a.png')
  photographs.check(read, samples, 65535)
  assert read.depth == 16


def test_16_bit_png_with_a_transparent_colour(tmp_path):
  key = photographs.DEEP[1, 2, :3].astype('>u2').tobytes()
  data = image_files.deep_png(
    photographs.DEEP[..., :3], image_files.chunk(b'tRNS', key)
  )
  (tmp_path / 'a.png').write_bytes(data)
  read = photos.read_photo(tmp_path / 'a.png')
  wanted = np.ones((5, 8, 1))
  wanted[1, 2] = 0
  np.testing.assert_array_equal(read.alpha, wanted)
  photographs.check(read._replace(alpha=None), photographs.DEEP[..., :3], 65535)


@pytest.mark.parametrize('bits', [1, 2, 4])
def test_a_transparent_grey_of_few_bits(tmp_path, bits):
  highest = 2**bits - 1
  row = 1 << (8 - bits)  # greys 1 and 0
  header = struct.pack('>IIBBBBB', 2, 1, bits, 0, 0, 0, 0)
  chunks = [
    image_files.chunk(b'IHDR', header),
    image_files.chunk(b'tRNS', struct.pack('>H', 1)),  # grey 1 is transparent
    image_files.chunk(b'IDAT', zlib.compress(bytes([0, row]))),
    image_files.chunk(b'IEND', b''),
  ]
  (tmp_path / 'a.png').write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(chunks))
  read = photos.read_photo(tmp_path / 'a.png')
  assert read.alpha[..., 0].tolist() == [[0, 1]]
  assert read.pixels[0, :, 0].tolist() == [pytest.approx(1 / highest, 1e-3), 0]


def test_text_that_cannot_be_read_is_left_out(tmp_path):
  image = Image.fromarray(photographs.RGB)
  image.save(tmp_path / 'plain.png')
  plain = (tmp_path / 'plain.png').read_bytes()
  text = b'k\0\0' + zlib.compress(b' ' * 2_000_000)
  large = image_files.chunk(b'zTXt', text)
  path = tmp_path / 'a.png'
  path.write_bytes(plain[:33] + large + plain[33:])
  read = photos.read_photo(path)
  np.testing.assert_array_equal(np.rint(read.pixels * 255), photographs.RGB)
  (note,) = read.notes
  assert 'text' in note
  path.write_bytes(plain[:33] + large + plain[33:-40])  # the picture, too
  with pytest.raises(UserError, match=r'a\.png'):
    photos.read_photo(path)


@pytest.mark.parametrize('body', [b'no zlib', zlib.compress(b'short')])
def test_a_damaged_16_bit_picture_is_said_in_our_words(tmp_path, body):
  whole = image_files.deep_png(photographs.DEEP[..., :3])
  end = image_files.chunk(b'IEND', b'')
  path = tmp_path / 'a.png'
  path.write_bytes(whole[:33] + image_files.chunk(b'IDAT', body) + end)
  with pytest.raises(UserError) as caught:
    photos.read_photo(path)
  wanted = f'Cannot read the image {path}: the picture in it is damaged.'
  assert caught.value.problems == [wanted]


@pytest.mark.parametrize(
  ('said', 'shown'),
  [('bad\nmarker.', 'bad marker.'), ('\0\7', 'it is damaged, or not an image')],
)
def test_what_a_decoder_says_is_shown_if_it_can_be_printed(said, shown):
  matches = f'the image a.jpg: {shown}'
  with pytest.raises(UserError, match=matches), reading.explaining('a.jpg'):
    raise ValueError(said)

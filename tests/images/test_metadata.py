"""What a file says beside its picture: kept, or taken out with a word."""

import io
import struct
import sys
import zlib

import image_files
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from adafm_jax.errors import UserError
from adafm_jax.images import exif as exifs
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


def _written(folder, data, target, **options):
  """A file's photograph, what it becomes in another format, and notes."""
  (folder / 'in').write_bytes(data)
  read = photos.read_photo(folder / 'in')
  path = folder / target
  notes = photo_write.write_photo(path, read.pixels, read, **options)
  return read, path, notes


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
  _, path, notes = _written(tmp_path, data, f'a.{suffix}', quality=100)
  assert notes == ()
  linear = np.array([100, 150, 200]) / 255
  wanted = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
  assert np.abs(_shown(path).mean((0, 1)) - wanted).max() < 2
  # Display P3 shows the same numbers as stronger colours.
  data = image_files.png(image_files.chunk(*P3), samples=flat)
  _, path, notes = _written(tmp_path, data, f'b.{suffix}', quality=100)
  assert notes == ()
  red, green, blue = _shown(path).mean((0, 1))
  assert red < 95
  assert abs(green - 151) < 2
  assert blue > 201
  # What looks like sRGB needs no profile.
  usual = image_files.chunk(b'gAMA', struct.pack('>I', 45455))
  _, path, notes = _written(tmp_path, image_files.png(usual), f'c.{suffix}')
  assert notes == ()
  with Image.open(path) as image:
    assert 'icc_profile' not in image.info


def test_grey_with_a_gamma_gets_a_grey_profile(tmp_path):
  grey = image_files.RGB[..., :1]
  data = image_files.png(image_files.chunk(*GAMMA), samples=grey)
  read, path, _ = _written(tmp_path, data, 'a.jpg')
  assert photos.read_photo(path).metadata.icc[16:20] == b'GRAY'
  assert read.pixels.shape[-1] == 1


def test_what_no_profile_can_say_is_refused_or_reported(tmp_path):
  data = image_files.png(image_files.chunk(*PQ))
  (tmp_path / 'in').write_bytes(data)
  read = photos.read_photo(tmp_path / 'in')
  with pytest.raises(UserError, match=r'HDR \(PQ\), which JPEG .* write PNG'):
    photo_write.write_photo(tmp_path / 'a.jpg', read.pixels, read)
  assert not (tmp_path / 'a.jpg').exists()
  _, _, notes = _written(
    tmp_path, image_files.png(image_files.chunk(*GAMMA)), 'a.bmp'
  )
  assert notes == ('BMP cannot say what its colours mean; that is lost.',)
  odd = image_files.chunk(b'cICP', bytes([10, 17, 0, 1]))
  _, _, notes = _written(tmp_path, image_files.png(odd), 'b.jpg')
  assert notes == ('JPEG cannot say what its colours mean; that is lost.',)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif'])
def test_iptc_is_kept(tmp_path, suffix):
  iptc = image_files.IPTC
  resources = image_files.photoshop((0x3ED, bytes(16)), (0x404, iptc))
  data = image_files.jpeg(image_files.segment(0xED, resources))
  _, path, notes = _written(tmp_path, data, f'a.{suffix}')
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
  _, _, notes = _written(tmp_path, data, 'a.webp')
  assert notes == ('WEBP holds no IPTC data; it was left out.',)


def test_a_comment_is_kept(tmp_path):
  comment = image_files.segment(0xFE, 'Hafen, früh'.encode())
  data = image_files.jpeg(comment)
  _, path, notes = _written(tmp_path, data, 'a.jpg')
  assert notes == ()
  with Image.open(path) as image:
    assert image.info['comment'].decode() == 'Hafen, früh'
  _, path, _ = _written(tmp_path, data, 'a.png')
  with Image.open(path) as image:
    image.load()
    assert image.text['Comment'] == 'Hafen, früh'
  for suffix in ('webp', 'tif'):
    _, path, notes = _written(tmp_path, data, f'a.{suffix}')
    assert notes == ()
    assert _user_comment(path) == 'Hafen, früh'


def test_texts_of_a_png_file_find_a_place_in_exif(tmp_path):
  words = {
    'Description': 'Boote', 'Author': 'Zoë', 'Comment': 'früh', 'seed': '7'
  }  # fmt: skip
  chunks = [
    image_files.chunk(b'tEXt', f'{k}\0{v}'.encode('latin-1'))
    for k, v in words.items()
  ]
  _, path, notes = _written(tmp_path, image_files.png(*chunks), 'a.jpg')
  assert notes == ('JPEG has no place for the texts seed.',)
  with Image.open(path) as image:
    exif = image.getexif()
    assert exif[Base.ImageDescription] == 'Boote'
    assert exif[Base.Artist].encode('latin-1').decode() == 'Zoë'
    assert image.info['comment'].decode() == 'früh'


def _user_comment(path):
  """As other programs read it: by the byte order of the EXIF data."""
  with Image.open(path) as image:
    exif = image.getexif()
    value = exif.get_ifd(IFD.Exif)[Base.UserComment]
  if value.startswith(b'UNICODE\0'):
    order = {'<': 'le', '>': 'be'}[exif.endian]
    return value[8:].decode(f'utf-16-{order}')
  assert value.startswith(b'ASCII\0\0\0')
  return value[8:].decode('ascii')


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
  _, path, notes = _written(
    tmp_path, data, f'a.{suffix}', extra_text={'adafm': 'x'}
  )
  assert notes == ()
  assert _user_comment(path).splitlines() == [text, '{"adafm": "x"}']


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


def _packet(text, **spaces):
  names = ''.join(f' xmlns:{name}="{uri}"' for name, uri in spaces.items())
  return (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org'
    f'/1999/02/22-rdf-syntax-ns#"{names}>{text}</rdf:RDF></x:xmpmeta>'
  ).encode()


CAMERA = 'http://ns.google.com/photos/1.0/camera/'
CONTAINER = 'http://ns.google.com/photos/1.0/container/'
GAIN_MAP = 'http://ns.adobe.com/hdr-gain-map/1.0/'
DIRECTORY = (
  '<Container:Directory><rdf:Seq><rdf:li Item:Semantic="Primary"/>'
  '</rdf:Seq></Container:Directory>'
)
VIDEO_LOST = 'The video of the motion photo was left out.'
GAIN_MAP_LOST = 'The gain map, which HDR screens show, was left out.'


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
def test_no_result_claims_a_video(tmp_path, suffix):
  packet = _packet(
    '<rdf:Description Cam:MotionPhoto="1" Cam:MicroVideoOffset="99"'
    f' dc:title="MotionPhoto">{DIRECTORY}'
    '<Cam:MotionPhotoVersion>1</Cam:MotionPhotoVersion></rdf:Description>',
    Cam=CAMERA,
    Container=CONTAINER,
    dc='http://purl.org/dc/elements/1.1/',
  )
  video = b'\0\0\0\x10ftypmp42' + bytes(4004)
  data = image_files.jpeg(image_files.xmp_segment(packet)) + video
  _, path, notes = _written(tmp_path, data, f'a.{suffix}')
  assert notes == (VIDEO_LOST,)
  kept = photos.read_photo(path).metadata.xmp
  assert kept == _packet(
    '<rdf:Description dc:title="MotionPhoto"></rdf:Description>',
    Cam=CAMERA,
    Container=CONTAINER,
    dc='http://purl.org/dc/elements/1.1/',
  )
  assert b'ftyp' not in path.read_bytes()


def test_a_video_without_xmp_is_reported(tmp_path):
  for behind in (
    b'\0\0\0\x18ftypmp42' + bytes(100),
    b'x' * 50 + b'MotionPhoto_Data' + b'\0\0\0\x18ftypmp42' + bytes(100),
  ):
    _, _, notes = _written(tmp_path, image_files.jpeg() + behind, 'a.jpg')
    assert notes == (VIDEO_LOST,)
  _, _, notes = _written(tmp_path, image_files.jpeg() + b'\0\0', 'a.jpg')
  assert notes == ()


def test_no_result_claims_a_gain_map(tmp_path):
  packet = _packet(
    f'<rdf:Description hdrgm:Version="1.0">{DIRECTORY}</rdf:Description>',
    hdrgm=GAIN_MAP,
    Container=CONTAINER,
  )
  data = image_files.jpeg(image_files.xmp_segment(packet))
  _, path, notes = _written(tmp_path, data, 'a.jpg')
  assert notes == (GAIN_MAP_LOST,)
  kept = photos.read_photo(path).metadata.xmp
  assert b'Version' not in kept
  assert b'Directory' not in kept


def test_xmp_is_cut_in_time_that_grows_with_its_length(tmp_path):
  import time

  packet = _packet('<Cam:MotionPhoto>' * 50_000, Cam=CAMERA)
  began = time.monotonic()
  text = packet.decode()
  itxt = b'XML:com.adobe.xmp\0\0\0\0\0' + text.encode()
  (tmp_path / 'a.png').write_bytes(
    image_files.png(image_files.chunk(b'iTXt', itxt))
  )
  photos.read_photo(tmp_path / 'a.png')
  assert time.monotonic() - began < 5


def test_a_large_profile_of_a_png_file_is_kept(tmp_path):
  srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  icc = srgb + np.random.default_rng(0).bytes(2**21)  # over Pillow's limit
  body = b'icc\0\0' + zlib.compress(icc)
  data = image_files.png(image_files.chunk(b'iCCP', body))
  _, path, notes = _written(tmp_path, data, 'a.tif')
  assert notes == ()
  assert photos.read_photo(path).metadata.icc == icc


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


def test_texts_of_one_name_are_all_kept(tmp_path):
  chunks = [
    image_files.chunk(b'tEXt', b'Comment\0' + text) for text in (b'one', b'two')
  ]
  data = image_files.png(*chunks)
  _, path, notes = _written(tmp_path, data, 'a.png', extra_text={'x': 'y'})
  assert notes == ()
  wanted = (('Comment', 'one'), ('Comment', 'two'), ('x', 'y'))
  assert photos.read_photo(path).metadata.text == wanted
  _, path, notes = _written(tmp_path, data, 'a.jpg')
  assert photos.read_photo(path).metadata.text == (('Comment', 'one\ntwo'),)
  _, path, notes = _written(tmp_path, data, 'a.webp')
  assert notes == ('WEBP has no place for the texts Comment.',)
  assert _user_comment(path) == 'one'


def test_each_comment_of_a_jpeg_file_has_its_own_coding(tmp_path):
  texts = 'früh', 'Kyōto 日本'
  coded = texts[0].encode('latin-1'), b'', texts[1].encode(), b'\0'
  path = tmp_path / 'a.jpg'
  segments = [image_files.segment(0xFE, text) for text in coded]
  path.write_bytes(image_files.jpeg(*segments))
  assert photos.read_photo(path).metadata.text == (
    ('Comment', '\n'.join(texts)),
  )


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


def test_reading_changes_no_warning_filters(tmp_path):
  """Threads that read side by side would undo each other's changes."""
  import subprocess

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

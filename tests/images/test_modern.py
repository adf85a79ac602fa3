"""AVIF, JPEG XL and HEIC: depth, colours, orientation and metadata."""

import io
import sys

import image_files
import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.ExifTags import Base

from adafm_jax.errors import UserError
from adafm_jax.images import bit_fields, boxes, jxl_header, jxl_icc
from adafm_jax.images import eight_bit as images
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.images.metadata import Metadata

_Y, _X = np.mgrid[:48, :64] / 64
RGB = np.stack([_X, _Y, 0.2 + 0.6 * _X * _Y], axis=-1).astype(np.float32)
ALPHA = np.where(_X > 0.5, 0.5, 1)[..., None].astype(np.float32)
ADOBE = imagecodecs.cms_profile(
  'rgb',
  whitepoint=(0.3127, 0.329),
  primaries=(0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
  gamma=2.19921875,
)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\xc3\xbc</x:xmpmeta>'
P3, PQ = ((b'cICP', bytes([12, 13, 0, 1])),), ((b'cICP', bytes([9, 16, 0, 1])),)
KINDS = [('avif', d) for d in (8, 10, 12)]
KINDS += [('jxl', d) for d in (8, 10, 12, 16, 32)]


def _exif(**tags):
  exif = Image.Exif()
  exif[Base.Artist] = 'Zoe'
  for name, value in tags.items():
    exif[Base[name]] = value
  return exif.tobytes()


def _rounded(values, depth):
  highest = 2**depth - 1
  return values if depth == 32 else np.rint(values * highest) / highest


@pytest.mark.parametrize(('suffix', 'depth'), KINDS)
@pytest.mark.parametrize('channels', [1, 2, 3, 4])
def test_all_depths_come_back_without_loss(tmp_path, suffix, depth, channels):
  pixels = RGB if channels > 2 else RGB[..., :1]
  alpha = ALPHA if channels in (2, 4) else None
  icc = ADOBE if channels > 2 else None
  metadata = Metadata(exif=_exif(), icc=icc, xmp=XMP, dpi=(300.0, 240.0))
  like = photos.Photo(pixels, alpha, depth=depth, metadata=metadata)
  path = tmp_path / f'a.{suffix}'
  assert photo_write.write_photo(path, pixels, like, quality=100) == ()
  read = photos.read_photo(path)
  assert (read.depth, read.notes) == (depth, ())
  np.testing.assert_allclose(read.pixels, _rounded(pixels, depth), rtol=1e-6)
  if alpha is None:
    assert read.alpha is None
  else:
    np.testing.assert_allclose(read.alpha, _rounded(alpha, depth), rtol=1e-6)
  assert (read.metadata.icc, read.metadata.xmp) == (icc, XMP)
  assert read.metadata.dpi == (300, 240)
  assert b'Zoe' in read.metadata.exif


def test_other_programs_find_all_in_an_avif_file(tmp_path):
  metadata = Metadata(exif=_exif(), icc=ADOBE, xmp=XMP)
  like = photos.Photo(RGB, ALPHA, depth=10, metadata=metadata)
  photo_write.write_photo(tmp_path / 'a.avif', RGB, like)
  with Image.open(tmp_path / 'a.avif') as image:
    image.load()
    assert (image.mode, image.size) == ('RGBA', (64, 48))
    assert image.info['icc_profile'] == ADOBE
    assert image.info['xmp'] == XMP
    assert image.getexif()[Base.Artist] == 'Zoe'
    error = np.abs(np.asarray(image)[..., :3] / 255 - RGB)
    assert error.max() < 0.03


@pytest.mark.parametrize('suffix', ['avif', 'jxl'])
def test_quality_is_a_matter_of_size(tmp_path, suffix):
  grain = np.random.default_rng(0).normal(0, 0.05, RGB.shape)
  pixels = np.clip(RGB + grain, 0, 1).astype(np.float32)
  sizes, errors = [], []
  for quality in (30, 80, 95):
    path = tmp_path / f'{quality}.{suffix}'
    like = photos.Photo(pixels)
    photo_write.write_photo(path, pixels, like, quality=quality)
    sizes.append(path.stat().st_size)
    errors.append(np.abs(photos.read_photo(path).pixels - pixels).mean())
  assert sizes == sorted(sizes)
  assert errors == sorted(errors, reverse=True)
  photo_write.write_photo(path, RGB, photos.Photo(RGB))
  assert np.abs(photos.read_photo(path).pixels - RGB).mean() < 0.006


@pytest.mark.parametrize('coded', [P3, PQ])
@pytest.mark.parametrize('suffix', ['avif', 'jxl', 'png'])
def test_code_points_of_colours_are_kept(tmp_path, suffix, coded):
  like = photos.Photo(RGB, depth=10, metadata=Metadata(colours=coded))
  photo_write.write_photo(tmp_path / f'a.{suffix}', RGB, like)
  again = photos.read_photo(tmp_path / f'a.{suffix}')
  assert again.metadata.colours == coded
  photo_write.write_photo(tmp_path / 'b.avif', again.pixels, again)
  assert photos.read_photo(tmp_path / 'b.avif').metadata.colours == coded
  if coded == PQ:
    with pytest.raises(UserError, match=r'HDR \(PQ\).*write PNG or AVIF or'):
      photo_write.write_photo(tmp_path / 'c.jpg', again.pixels, again)
  else:
    photo_write.write_photo(tmp_path / 'c.jpg', again.pixels, again)
    assert photos.read_photo(tmp_path / 'c.jpg').metadata.icc


@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientation(tmp_path, orientation):
  stored = np.rint(RGB * 255).astype(np.uint8)
  exif = _exif(Orientation=orientation)
  Image.fromarray(stored).save(
    tmp_path / 'a.avif', exif=exif, quality=100, subsampling='4:4:4'
  )
  (tmp_path / 'a.jxl').write_bytes(_turned_jxl(stored, orientation))
  wanted = image_files.UPRIGHT[orientation](stored / 255)
  for name in ('a.avif', 'a.jxl'):
    read = photos.read_photo(tmp_path / name)
    assert read.pixels.shape == wanted.shape
    assert np.abs(read.pixels - wanted).max() < 0.02
    measured = photos.measure((tmp_path / name).read_bytes(), name)
    assert measured == read.pixels.shape[1::-1]
    again = Image.Exif()
    again.load(read.metadata.exif or b'')
    assert Base.Orientation not in again


def _codestream(samples, **options):
  data = bytes(imagecodecs.jpegxl_encode(samples, **options))
  if data[:2] == jxl_header.SIGNATURE:
    return data
  return b''.join(
    body[4:] if kind == b'jxlp' else body
    for kind, body in boxes.walk(data)
    if kind in (b'jxlc', b'jxlp')
  )


def _turned_jxl(samples, orientation):
  """A codestream whose header says an orientation."""
  data = _codestream(samples, lossless=True)
  header = jxl_header.read(data)
  bits, out = bit_fields.Bits(data), bit_fields.Writer()
  size = 16 + 1 + (5 if samples.shape[0] % 8 == 0 else 11) + 3
  size += 5 if bits._data[2] >> 6 == 0 and not _ratio(data) else 0
  out.put(bits.take(size), size)
  assert bits.take(2) == 0  # not all as usual, no further fields
  out.put(0b10, 2)
  out.put(orientation - 1, 3)
  out.put(0, 3)  # no size of its own, no preview, no animation
  end = header.colour_bits[1]
  out.put(bits.take(end - bits.at), end - size - 2)
  out.put(1, 1)  # as bright as usual
  out.put(bits.take(header.end - end), header.end - end)
  return out.tobytes() + data[-(-header.end // 8) :]


def _ratio(data):
  bits = bit_fields.Bits(data, 16)
  bits.take(6)
  return bits.take(3)


def test_a_jpeg_file_inside_a_jxl_file_tells_its_tables(tmp_path):
  samples = np.rint(RGB * 255).astype(np.uint8)
  comment = image_files.segment(0xFE, b'scan 7')
  data = image_files.jpeg(
    comment, samples=samples, quality=40, exif=_exif(), icc_profile=ADOBE
  )
  (tmp_path / 'a.jpg').write_bytes(data)
  (tmp_path / 'a.jxl').write_bytes(
    bytes(imagecodecs.jpegxl_encode_jpeg(data, usecontainer=True))
  )
  one, other = (photos.read_photo(tmp_path / f'a.{x}') for x in ('jpg', 'jxl'))
  np.testing.assert_array_equal(one.jpeg_tables, other.jpeg_tables)
  np.testing.assert_array_equal(one.pixels, other.pixels)
  assert one.metadata == other.metadata
  assert other.format == 'JXL'


def _profiles():
  """A short one and one with long tables."""
  yield ADOBE
  curve = (np.linspace(0, 1, 1024) ** 1.7 * 65535).astype(np.uint16)
  yield imagecodecs.cms_profile(
    'rgb',
    whitepoint=(0.3127, 0.329),
    primaries=(0.68, 0.32, 0.21, 0.71, 0.15, 0.06),
    transferfunction=curve,
  )


def test_profiles_that_libjxl_wrote_are_read():
  """In its own, much denser coding."""
  samples = np.rint(RGB * 255).astype(np.uint8)
  for profile in _profiles():
    data = image_files.jpeg(samples=samples, icc_profile=profile)
    made = bytes(imagecodecs.jpegxl_encode_jpeg(data, usecontainer=True))
    stream = b''.join(
      body[4:] if kind == b'jxlp' else body
      for kind, body in boxes.walk(made)
      if kind in (b'jxlc', b'jxlp')
    )
    header = jxl_header.read(stream)
    assert header.colour.profile
    assert jxl_icc.read(stream, header.end)[0] == profile


def test_profiles_written_here_are_read_by_libjxl():
  """It gives the samples, so it found where they begin, behind the profile."""
  samples = np.rint(RGB * 255).astype(np.uint8)
  for profile in _profiles():
    stream = jxl_header.recoloured(
      _codestream(samples, lossless=True),
      jxl_header.Colour(0, True),
      jxl_icc.write(profile),
    )
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(stream), samples)
    header = jxl_header.read(stream)
    assert jxl_icc.read(stream, header.end)[0] == profile


def test_a_profile_of_a_lossy_jxl_file_gives_way_to_display_p3(tmp_path):
  """libjxl would give linear light in 8 bits."""
  samples = np.rint(np.concatenate([RGB, ALPHA], -1) * 255).astype(np.uint8)
  stream = _codestream(samples, distance=0.1)
  assert jxl_header.read(stream).xyb
  adobe = jxl_header.recoloured(
    stream, jxl_header.Colour(0, True), jxl_icc.write(ADOBE)
  )
  (tmp_path / 'a.jxl').write_bytes(adobe)
  read = photos.read_photo(tmp_path / 'a.jxl')
  assert read.metadata.colours == P3
  assert [note for note in read.notes if 'Display P3' in note]
  # The picture that was sRGB, in P3: less colourful numbers, and no steps.
  photo_write.write_photo(
    tmp_path / 'b.png', read.pixels, read._replace(alpha=None), format='TIFF'
  )
  with Image.open(tmp_path / 'b.png') as image:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info['icc_profile']))
    srgb = ImageCms.createProfile('sRGB')
    shown = np.asarray(ImageCms.profileToProfile(image, profile, srgb))
  inside = (RGB.min(-1) > 0.1) & (RGB.max(-1) < 0.9)
  assert np.abs(shown / 255.0 - RGB)[inside].mean() < 0.02


def test_deep_jxl_files_of_others_are_what_they_say(tmp_path):
  """imagecodecs itself writes more than 8 bits as linear light."""
  samples = np.rint(RGB * 65535).astype(np.uint16)
  stream = _codestream(samples, lossless=True)
  (tmp_path / 'a.jxl').write_bytes(stream)
  read = photos.read_photo(tmp_path / 'a.jxl')
  assert read.metadata.colours == ((b'cICP', bytes([1, 8, 0, 1])),)
  # Ours say sRGB, and nothing has to be said of that elsewhere.
  photo_write.write_photo(tmp_path / 'b.jxl', RGB, photos.Photo(RGB, depth=16))
  assert photos.read_photo(tmp_path / 'b.jxl').metadata.colours == ()


def test_packed_boxes_of_a_jxl_file_are_read(tmp_path):
  samples = np.rint(RGB * 255).astype(np.uint8)
  packed = [
    boxes.box(b'brob', kind, bytes(imagecodecs.brotli_encode(body)))
    for kind, body in ((b'xml ', XMP), (b'Exif', bytes(4) + _exif()[6:]))
  ]
  (tmp_path / 'a.jxl').write_bytes(
    b'\0\0\0\x0cJXL \r\n\x87\n'
    + boxes.box(b'ftyp', b'jxl \0\0\0\0jxl ')
    + b''.join(packed)
    + boxes.box(b'jxlc', _codestream(samples, lossless=True))
  )
  read = photos.read_photo(tmp_path / 'a.jxl')
  assert read.metadata.xmp == XMP
  assert b'Zoe' in read.metadata.exif
  assert read.lossless


def test_animations_are_refused(tmp_path):
  frames = [Image.fromarray(image_files.RGB)] * 2
  frames[0].save(tmp_path / 'a.avif', save_all=True, append_images=frames[1:])
  with pytest.raises(UserError, match='it is animated'):
    photos.read_photo(tmp_path / 'a.avif')


@pytest.mark.parametrize('suffix', ['avif', 'jxl'])
def test_data_sets_may_hold_them(tmp_path, suffix):
  path = tmp_path / f'a.{suffix}'
  like = photos.Photo(RGB, ALPHA)
  photo_write.write_photo(path, RGB, like, quality=100)
  np.testing.assert_array_equal(images.read(path), images.to_uint8(RGB))
  photo_write.write_photo(path, RGB, like._replace(depth=10))
  with pytest.raises(UserError, match='more than 8 bits'):
    images.read(path)


def _heic(samples, mode, **options):
  pillow_heif = pytest.importorskip('pillow_heif')
  file = pillow_heif.from_bytes(
    mode, (samples.shape[1], samples.shape[0]), samples.tobytes()
  )
  data = io.BytesIO()
  file.save(data, quality=-1, chroma=444, **options)
  return data.getvalue()


@pytest.mark.parametrize('depth', [8, 10])
def test_heic(tmp_path, depth):
  samples = np.rint(RGB * (2**depth - 1)).astype('u1' if depth == 8 else 'u2')
  stored = samples if depth == 8 else samples << 6
  data = _heic(
    stored,
    'RGB' if depth == 8 else 'RGB;16',
    exif=_exif(Orientation=6),
    xmp=XMP,
    icc_profile=ADOBE,
  )
  (tmp_path / 'a.heic').write_bytes(data)
  read = photos.read_photo(tmp_path / 'a.heic')
  assert (read.depth, read.format, read.notes) == (depth, 'HEIF', ())
  assert np.abs(read.pixels - image_files.UPRIGHT[6](RGB)).max() < 0.03
  assert photos.measure(data, 'a.heic') == read.pixels.shape[1::-1]
  assert read.metadata.icc == ADOBE
  assert read.metadata.xmp == XMP
  assert b'Zoe' in read.metadata.exif
  with pytest.raises(UserError, match=r'HEIF is read, but not written.*\.avif'):
    photo_write.write_photo(tmp_path / 'b.heic', read.pixels, read)
  photo_write.write_photo(tmp_path / 'b.avif', read.pixels, read)
  again = photos.read_photo(tmp_path / 'b.avif')
  assert (again.depth, again.metadata.icc) == (depth, ADOBE)


def test_heic_with_premultiplied_alpha_is_read_as_straight(tmp_path):
  samples = np.empty((32, 32, 4), np.uint8)
  samples[:] = (80, 40, 0, 100)
  samples[:, 16:] = (90, 200, 10, 255)
  data = _heic(samples, 'RGBa', matrix_coefficients=0)
  (tmp_path / 'a.heic').write_bytes(data)
  read = photos.read_photo(tmp_path / 'a.heic')
  left, right = read.pixels[:, 4] * 255, read.pixels[:, -4] * 255
  np.testing.assert_allclose(left, [[204, 102, 0]] * 32, atol=1)
  np.testing.assert_allclose(right, [[90, 200, 10]] * 32, atol=1)
  np.testing.assert_allclose(read.alpha[:, 4] * 255, 100, atol=1)


def test_of_several_pictures_in_a_heic_file_the_first(tmp_path):
  pillow_heif = pytest.importorskip('pillow_heif')
  file = pillow_heif.HeifFile()
  for side in (32, 48):
    file.add_from_pillow(Image.new('RGB', (side, side), 'red'))
  file.save(tmp_path / 'a.heic')
  read = photos.read_photo(tmp_path / 'a.heic')
  assert read.pixels.shape[:2] == (32, 32)
  assert read.notes == ('Of the 2 pictures in the file, the first was taken.',)


def test_without_pillow_heif_it_is_named(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'pillow_heif', None)
  (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(100))
  with pytest.raises(UserError, match=r"pip install 'adafm_jax\[heif\]'"):
    photos.read_photo(tmp_path / 'a.heic')

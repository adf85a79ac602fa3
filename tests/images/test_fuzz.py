"""Files that chance has damaged: one sentence or a picture, in bounded time."""

import io
import resource
import time

import image_files
import imagecodecs
import mutation
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from adafm_jax.errors import UserError
from adafm_jax.images import colours as colour_chunks
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.images.metadata import Metadata

ROUNDS = 2000  # of each format
MAX_SECONDS = 20.0  # for one file, beside whatever else runs
MAX_GROWTH = 600 * 2**20  # bytes, with pictures of at most 2 million pixels
MAX_LENGTH = 600  # of a message

RGB = image_files.RGB
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


def _exif():
  exif = Image.Exif()
  exif[Base.Orientation], exif[Base.Artist] = 6, 'Zoe'
  exif[IFD.Exif] = {Base.UserComment: b'UNICODE\0a\0b\0', 0xA005: {1: 'R98'}}
  exif[IFD.GPSInfo] = {1: 'N', 2: (48.0, 51.0, 30.5)}
  return exif.tobytes()


METADATA = Metadata(
  exif=_exif(),
  icc=SRGB,
  dpi=(300.0, 300.0),
  xmp=b'<x xmlns:G="http://ns.google.com/photos/1.0/camera/"'
  b' G:MotionPhoto="1"/>',
  text=(('Comment', 'by hand'), ('x', 'λ')),
  iptc=image_files.IPTC,
)


def _written(folder, suffix, **options):
  like = photos.Photo(RGB / np.float32(255), metadata=METADATA, **options)
  path = folder / f'seed{suffix}'
  photo_write.write_photo(path, like.pixels, like)
  return path.read_bytes()


def _tiff(**options):
  data = io.BytesIO()
  tifffile.imwrite(data, photometric='rgb', **options)
  return data.getvalue()


def _heic(folder):
  pillow_heif = pytest.importorskip('pillow_heif')
  file = pillow_heif.from_pillow(Image.fromarray(RGB))
  data = io.BytesIO()
  file.save(data, exif=_exif(), xmp=METADATA.xmp, icc_profile=SRGB)
  return data.getvalue()


def _mpo(folder):
  image = Image.fromarray(RGB)
  return image_files.encoded(
    'MPO', image, save_all=True, append_images=[image], exif=_exif()
  )


SEEDS = {
  'png': [
    lambda folder: _written(folder, '.png'),
    lambda folder: _written(folder, '.png', depth=16),
    lambda folder: image_files.encoded(
      'PNG', Image.fromarray(RGB).convert('P'), transparency=3
    ),
  ],
  'jpg': [
    lambda folder: _written(folder, '.jpg'),
    lambda folder: image_files.jpeg(progressive=True, exif=_exif()),
    lambda folder: image_files.encoded(
      'JPEG', Image.fromarray(RGB).convert('CMYK')
    ),
    lambda folder: imagecodecs.jpeg8_encode(
      RGB.astype(np.uint16) * 16, bitspersample=12
    ),
    _mpo,
  ],
  'tif': [
    lambda folder: _written(folder, '.tif'),
    lambda folder: _written(folder, '.tif', depth=16),
    lambda folder: _written(folder, '.tif', depth=32),
    lambda folder: _tiff(data=RGB, compression='jpegxl'),
    lambda folder: _tiff(data=RGB.astype(np.uint16), tile=(16, 16)),
    lambda folder: image_files.encoded(
      'TIFF', Image.fromarray(RGB), compression='tiff_lzw'
    ),
  ],
  'webp': [
    lambda folder: _written(folder, '.webp'),
    lambda folder: _written(folder, '.webp', lossless=True, format='WEBP'),
  ],
  'bmp': [lambda folder: _written(folder, '.bmp')],
  'avif': [
    lambda folder: _written(folder, '.avif'),
    lambda folder: _written(folder, '.avif', depth=10),
  ],
  'jxl': [
    lambda folder: _written(folder, '.jxl'),
    lambda folder: _written(folder, '.jxl', depth=16),
    lambda folder: bytes(
      imagecodecs.jpegxl_encode_jpeg(
        image_files.jpeg(icc_profile=SRGB, exif=_exif()), usecontainer=True
      )
    ),
    lambda folder: bytes(imagecodecs.jpegxl_encode(RGB, distance=1.0)),
  ],
  'heic': [_heic],
}


def _check(path):
  """A picture, or one sentence of bounded length, in bounded time."""
  began = time.monotonic()
  try:
    read = photos.read_photo(path)
    assert np.isfinite(read.pixels).all()
    assert 0 <= read.pixels.min() <= read.pixels.max() <= 1
  except UserError as error:
    (sentence,) = error.problems
    assert len(sentence) < MAX_LENGTH
    assert sentence.isprintable()
    assert sentence.endswith('.')
    read = None
  assert time.monotonic() - began < MAX_SECONDS
  return read


@pytest.mark.slow
@pytest.mark.parametrize('kind', SEEDS)
def test_mutated_files(tmp_path, kind, monkeypatch):
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10**6)
  seeds = [bytes(seed(tmp_path)) for seed in SEEDS[kind]]
  path = tmp_path / f'a.{kind}'
  for seed in seeds:
    path.write_bytes(seed)
    assert _check(path) is not None
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  random = np.random.default_rng(12)
  read = written = 0
  for i in range(ROUNDS):
    path.write_bytes(mutation.mutated(seeds[i % len(seeds)], random))
    found = _check(path)
    read += found is not None
    # What could be read can be written, with all that was found.
    if found is not None and i % 10 == 0 and found.pixels.size < 10**5:
      target = tmp_path / f'b.{"png" if kind == "heic" else kind}'
      if not colour_chunks.hdr(found.metadata.colours):
        photo_write.write_photo(target, found.pixels, found)
        assert _check(target) is not None
        written += 1
  after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  assert (after - before) * 1024 < MAX_GROWTH
  assert 0 < written <= read < ROUNDS

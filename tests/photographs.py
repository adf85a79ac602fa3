"""Small photographs: their files, and what is read of them or written."""

import struct

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base

from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write

_RANDOM = np.random.default_rng(0)
RGB = _RANDOM.integers(0, 256, (5, 8, 3), np.uint8)
GREY = RGB[..., :1]
ALPHA = _RANDOM.integers(0, 256, (5, 8, 1), np.uint8)
DEEP = _RANDOM.integers(0, 65536, (5, 8, 4), np.uint16)
ALL_DEEP = [DEEP[..., :1], DEEP[..., :2], DEEP[..., :3], DEEP]


def save(path, samples, **options):
  image = Image.fromarray(
    np.squeeze(samples, -1) if samples.shape[-1] == 1 else samples
  )
  image.save(path, **options)
  return path


def check(read, samples, highest):
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


def written(folder, data, target, **options):
  """A file's photograph, what it becomes in another format, and notes."""
  (folder / 'in').write_bytes(data)
  read = photos.read_photo(folder / 'in')
  path = folder / target
  notes = photo_write.write_photo(path, read.pixels, read, **options)
  return read, path, notes


def exif_types(path, endian):
  """Types of EXIF entries as stored: {directory, 0 for the main one: types}."""
  data = path.read_bytes()
  data = data[data.index({'<': b'II*\0', '>': b'MM\0*'}[endian]) :]
  (start,) = struct.unpack_from(endian + 'I', data, 4)
  found, waiting = {}, [(0, start)]
  for name, offset in waiting:
    (count,) = struct.unpack_from(endian + 'H', data, offset)
    entries = struct.iter_unpack(
      endian + 'HHII', data[offset + 2 : offset + 2 + 12 * count]
    )
    found[name] = {}
    for tag, kind, _, value in entries:
      found[name][tag] = kind
      if tag in (IFD.Exif, IFD.GPSInfo, IFD.Interop):
        waiting.append((tag, value))
  return found


def user_comment(path):
  """As other programs read it: by the byte order of the EXIF data."""
  with Image.open(path) as image:
    exif = image.getexif()
    value = exif.get_ifd(IFD.Exif)[Base.UserComment]
  if value.startswith(b'UNICODE\0'):
    order = {'<': 'le', '>': 'be'}[exif.endian]
    return value[8:].decode(f'utf-16-{order}')
  assert value.startswith(b'ASCII\0\0\0')
  return value[8:].decode('ascii')

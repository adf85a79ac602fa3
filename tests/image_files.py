"""Image files made byte by byte, for what no library writes."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RGB = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)

# What a camera stored by orientation, and how that is turned to stand upright.
UPRIGHT = {
  1: lambda a: a,
  2: lambda a: a[:, ::-1],
  3: lambda a: a[::-1, ::-1],
  4: lambda a: a[::-1],
  5: lambda a: a.transpose(1, 0, 2),
  6: lambda a: np.rot90(a, -1),
  7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
  8: lambda a: np.rot90(a),
}


def encoded(format, samples=RGB, **options):
  """An image file as bytes, by Pillow."""
  data = io.BytesIO()
  image = samples
  if isinstance(samples, np.ndarray):
    image = Image.fromarray(np.squeeze(samples))
  image.save(data, format, **options)
  return data.getvalue()


def chunk(kind, body, *, sound=True):
  """A chunk of a PNG file."""
  check = zlib.crc32(kind + body) ^ (not sound)
  return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', check)


def png(*chunks, samples=RGB, **options):
  """A PNG file with chunks behind its header."""
  data = encoded('PNG', samples, **options)
  return data[:33] + b''.join(chunks) + data[33:]


def deep_png(samples, *chunks):
  """A PNG file of 16 bits with chunks behind its header."""
  height, width, channels = samples.shape
  colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
  header = struct.pack('>IIBBBBB', width, height, 16, colour_type, 0, 0, 0)
  rows = b''.join(b'\0' + row.tobytes() for row in samples.astype('>u2'))
  parts = [chunk(b'IHDR', header), *chunks]
  parts += [chunk(b'IDAT', zlib.compress(rows)), chunk(b'IEND', b'')]
  return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def segment(marker, body):
  """A segment of a JPEG file."""
  return struct.pack('>BBH', 0xFF, marker, len(body) + 2) + body


def jpeg(*segments, samples=RGB, **options):
  """A JPEG file with segments behind its first marker."""
  data = encoded('JPEG', samples, **options)
  return data[:2] + b''.join(segments) + data[2:]


def xmp_segment(packet):
  """XMP in a JPEG file."""
  return segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0' + packet)


def photoshop(*resources):
  """Photoshop's image resources, as (number, body)."""
  data = b'Photoshop 3.0\0'
  for number, body in resources:
    data += b'8BIM' + struct.pack('>HxxI', number, len(body)) + body
    data += b'\0' * (len(body) % 2)
  return data


IPTC = b'\x1c\x02x\x00\x0fHarbour at dawn\x1c\x02\x19\x00\x05boats'

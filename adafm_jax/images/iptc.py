"""IPTC: captions and keywords of press photographs, in Photoshop's blocks."""

from __future__ import annotations

import struct

HEADER = b'Photoshop 3.0\0'  # of a JPEG segment (APP13)
_SIGNATURE, _IPTC = b'8BIM', 0x0404


def records(data: bytes) -> bytes | None:
  """The IPTC records in Photoshop's image resources, or those themselves.

  Args:
    data: resources, with or without `HEADER`, or bare records.

  Returns:
    Records, each beginning with 1C hexadecimal; None if there are none.
  """
  data = data.removeprefix(HEADER)
  if data[:1] == b'\x1c':
    return data
  i = 0
  while data[i : i + 4] == _SIGNATURE and i + 12 <= len(data):
    name = 1 + data[i + 6]
    i += 6 + name + name % 2
    (length,) = struct.unpack_from('>I', data.ljust(i + 4, b'\0'), i)
    body = data[i + 4 : i + 4 + length]
    if data[i - 2 - name - name % 2 : i][:2] == struct.pack('>H', _IPTC):
      return body if body[:1] == b'\x1c' else None
    i += 4 + length + length % 2
  return None


def block(iptc: bytes) -> bytes:
  """Records as Photoshop's image resource, without `HEADER`."""
  head = _SIGNATURE + struct.pack('>HxxI', _IPTC, len(iptc))
  return head + iptc + b'\0' * (len(iptc) % 2)

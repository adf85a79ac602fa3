"""ICC profiles in JPEG XL codestreams (ISO/IEC 18181-1, annex E).

A profile is kept as commands that rebuild it, and data for them; those bytes
are kept in few bits. Profiles are written here with the simplest of both.
"""

from __future__ import annotations

import struct

from adafm_jax.images.bit_fields import Bits, Writer
from adafm_jax.images.jxl_entropy import Numbers

_CONTEXTS = 41
_MAX_BYTES = 2**24
_HEADER = 128
_DAMAGED = 'its colour profile is damaged'
_TAGS = (
  *(b'cprt', b'wtpt', b'bkpt', b'rXYZ', b'gXYZ', b'bXYZ', b'kXYZ', b'rTRC'),
  *(b'gTRC', b'bTRC', b'kTRC', b'chad', b'desc', b'chrm', b'dmnd', b'dmdd'),
  b'lumi',
)
_POINTS = (b'rXYZ', b'gXYZ', b'bXYZ', b'kXYZ', b'wtpt', b'bkpt', b'lumi')
_TYPES = (
  *(b'XYZ ', b'desc', b'text', b'mluc', b'para', b'curv', b'sf32'),
  b'gbd ',
)
# Commands of the list of tags, and of the rest.
_UNKNOWN, _CURVES, _COLOURS, _FIRST_TAG = 1, 2, 3, 4
_AT, _LONG = 64, 128
_INSERT, _SHUFFLE_2, _SHUFFLE_4, _PREDICT, _XYZ, _FIRST_TYPE = (
  1,
  2,
  3,
  4,
  10,
  16,
)


def read(data: bytes, at: int) -> tuple[bytes, int]:
  """The profile behind a codestream's header, and the bit at which it ends.

  Args:
    data: the codestream.
    at: bit at which the header ends.

  Raises:
    ValueError: it is damaged.
  """
  bits = Bits(data, at)
  length = bits.long()
  if length > _MAX_BYTES:
    raise ValueError('its colour profile is too long')
  numbers, coded = Numbers(bits, _CONTEXTS), bytearray()
  for i in range(length):
    last, before = (*coded[:-3:-1], 0, 0)[:2] if i else (0, 0)
    coded.append(numbers.next(_context(i, last, before)) & 255)
    if i % 4096 == 0 and bits.at > 8 * len(data):
      raise ValueError(_DAMAGED)
  numbers.check_end()
  try:
    return _Rebuilt(bytes(coded)).profile(), bits.at
  except (IndexError, struct.error) as error:
    raise ValueError(_DAMAGED) from error


def _context(i: int, last: int, before: int) -> int:
  if i <= _HEADER:
    return 0
  return 1 + _kind(last, finer=True) + 8 * _kind(before, finer=False)


def _kind(byte: int, *, finer: bool) -> int:
  """What sort of byte it is: of 8, or of 5."""
  if chr(byte).isascii() and chr(byte).isalpha():
    return 0
  if byte in b'0123456789.,':
    return 1
  if not finer:
    return 2 if byte < 16 else 3 if byte > 240 else 4
  if byte < 16:
    return 2 + min(byte, 2)
  return 6 if byte == 255 else 5 if byte > 240 else 7


class _Rebuilt:
  """Follows the commands that rebuild a profile."""

  def __init__(self, coded: bytes):
    """Finds commands and data."""
    self._coded = coded
    self._at = 0
    self._size = self._number()
    length = self._number()
    self._end = self._at + length  # of the commands
    self._data = self._end
    if self._end > len(coded) or self._size > _MAX_BYTES:
      raise ValueError(_DAMAGED)
    self._made = bytearray()

  def profile(self) -> bytes:
    """The profile; raises ValueError or IndexError if it is damaged."""
    self._header()
    if self._at < self._end:
      self._tags()
    while self._at < self._end and len(self._made) <= self._size:
      self._content(self._byte())
    if len(self._made) != self._size:
      raise ValueError(_DAMAGED)
    return bytes(self._made)

  def _byte(self) -> int:
    self._at += 1
    return self._coded[self._at - 1]

  def _number(self) -> int:
    value = shift = 0
    while True:
      byte = self._byte()
      value |= (byte & 127) << shift
      shift += 7
      if byte < 128 or shift > 63:
        return value

  def _take(self, count: int) -> bytes:
    taken = self._coded[self._data : self._data + count]
    if len(taken) < count:
      raise ValueError(_DAMAGED)
    self._data += count
    return taken

  def _header(self) -> None:
    guess, made = bytearray(guessed_header(self._size)), self._made
    for i, byte in enumerate(self._take(min(_HEADER, self._size))):
      refine(guess, made, i)
      made.append(byte + guess[i] & 255)

  def _tags(self) -> None:
    count = self._number()
    if count == 0:
      return
    made = self._made
    made += struct.pack('>I', count - 1)
    start, size = _HEADER + 12 * (count - 1), 0
    while self._at < self._end and len(made) <= self._size:
      command = self._byte()
      code = command & 63
      if code == 0:
        break
      if code == _UNKNOWN:
        tag = self._take(4)
      elif code in (_CURVES, _COLOURS):
        tag = b'rTRC' if code == _CURVES else b'rXYZ'
      else:
        tag = _TAGS[code - _FIRST_TAG]
      start, length = start + size, size
      size = 20 if tag in _POINTS else length
      if command & _AT:
        start = self._number()
      if command & _LONG:
        size = self._number()
      made += tag + struct.pack('>II', start, size)
      for i, other in enumerate(
        ((b'gTRC', b'bTRC') if code == _CURVES else (b'gXYZ', b'bXYZ'))
        if code in (_CURVES, _COLOURS)
        else (),
        1,
      ):
        place = start if code == _CURVES else start + i * size
        made += other + struct.pack('>II', place, size)

  def _content(self, command: int) -> None:
    if command == _INSERT:
      self._made += self._take(self._number())
    elif command in (_SHUFFLE_2, _SHUFFLE_4):
      width = 2 if command == _SHUFFLE_2 else 4
      self._made += _shuffled(self._take(self._number()), width)
    elif command == _PREDICT:
      self._predict()
    elif command == _XYZ:
      self._made += b'XYZ \0\0\0\0' + self._take(12)
    elif _FIRST_TYPE <= command < _FIRST_TYPE + len(_TYPES):
      self._made += _TYPES[command - _FIRST_TYPE] + bytes(4)
    else:
      raise ValueError(_DAMAGED)

  def _predict(self) -> None:
    """Numbers that are kept as differences to a guess from those before."""
    flags = self._byte()
    width, order = (flags & 3) + 1, flags >> 2 & 3
    stride = self._number() if flags & 16 else width
    made = self._made
    if width == 3 or order == 3 or stride < width or 4 * stride >= len(made):
      raise ValueError(_DAMAGED)
    rest = _shuffled(self._take(self._number()), width)
    weights = ((1, 0, 0), (2, -1, 0), (3, -3, 1))[order]
    start = len(made)
    for i, byte in enumerate(rest):
      at, inside = start + i - i % width, i % width
      guess = sum(
        weight * int.from_bytes(made[at - k * stride :][:width], 'big')
        for k, weight in enumerate(weights, 1)
      )
      made.append(byte + (guess >> 8 * (width - 1 - inside)) & 255)


def _shuffled(data: bytes, width: int) -> bytes:
  """Bytes of numbers, put together that were kept highest ones first."""
  rows = -(-len(data) // width)
  order = sorted(range(len(data)), key=lambda j: (j % rows, j))
  return bytes(data[j] for j in order)


def guessed_header(size: int) -> bytes:
  """What most profiles of a size begin with."""
  guess = bytearray(_HEADER)
  guess[:4] = struct.pack('>I', size)
  guess[8] = 4
  guess[12:24] = b'mntrRGB XYZ '
  guess[36:40] = b'acsp'
  guess[70:80] = b'\xf6\xd6\0\1\0\0\0\0\xd3\x2d'
  return bytes(guess)


def refine(guess: bytearray, made: bytes | bytearray, i: int) -> None:
  """Guesses better from what is known before byte i."""
  if i == 8:
    guess[80:84] = made[4:8]
  elif i == 41:
    guess[41:44] = {65: b'PPL', 77: b'SFT'}.get(made[40], guess[41:44])
  elif i == 42:
    if made[40:42] == b'SG':
      guess[42:44] = b'I '
    elif made[40:42] == b'SU':
      guess[42:44] = b'NW'


def write(profile: bytes) -> Writer:
  """A profile as it goes behind a header."""
  guess, rest = bytearray(guessed_header(len(profile))), bytearray()
  for i, byte in enumerate(profile[:_HEADER]):
    refine(guess, profile, i)
    rest.append(byte - guess[i] & 255)
  content = profile[_HEADER:]
  commands = b'\0'  # no list of tags: it is content
  if content:
    commands += bytes([_INSERT]) + _number(len(content))
  if len(profile) <= _HEADER:
    commands = b''
  coded = _number(len(profile)) + _number(len(commands)) + commands
  coded += bytes(rest) + content
  out = Writer()
  out.long(len(coded))
  out.put(0, 1)  # nothing is repeated
  out.put(0b001, 3)  # one code for all contexts
  out.put(1, 1)  # a prefix code
  out.put(8, 4)  # of tokens below 256, with nothing behind them
  out.put(0, 4)
  out.put(0, 4)
  out.put(1, 1)  # 256 tokens: 1 + 127 + 128
  out.put(7, 4)
  out.put(127, 7)
  _all_of_8_bits(out)
  for byte in coded:
    out.put(int(f'{byte:08b}'[::-1], 2), 8)
  return out


def _all_of_8_bits(out: Writer) -> None:
  """The prefix code in which each of 256 tokens takes 8 bits."""
  out.put(0, 2)  # lengths of lengths: 8 alone is used
  for place in (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8):
    out.put(0b0111 if place == 8 else 0, 4 if place == 8 else 2)
  for _ in range(7):  # behind it, as a single code takes no space
    out.put(0, 2)


def _number(value: int) -> bytes:
  out = bytearray()
  while value > 127:
    out.append(value & 127 | 128)
    value >>= 7
  out.append(value)
  return bytes(out)

"""Numbers that JPEG XL keeps in few bits (ISO/IEC 18181-1, annex C).

Only ICC profiles are read this way here; libjxl reads pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from adafm_jax.images import jxl_prefix
from adafm_jax.images.bit_fields import Bits

_TABLE_BITS = 12  # probabilities are shares of 2^12
_FINAL_STATE = 0x130000
# Code of the logarithms of probabilities, as (length, bits) of 0 to 13.
_LOG_CODE = (
  *((5, 0b10001), (4, 0b1011), (4, 0b1111), (4, 0b0011), (4, 0b1001)),
  *((4, 0b0111), (3, 0b100), (3, 0b010), (3, 0b101), (3, 0b110), (3, 0b000)),
  *((6, 0b100001), (7, 0b0000001), (7, 0b1000001)),
)
_LOG_REPEAT = 13


class _HybridInteger(NamedTuple):
  """How numbers are split into a token and further bits."""

  exponent: int
  high: int
  low: int

  def value(self, token: int, bits: Bits) -> int:
    if token < 1 << self.exponent:
      return token
    inside = self.high + self.low
    count = self.exponent - inside
    count += (token - (1 << self.exponent)) >> inside
    if count > 32:
      raise ValueError('its colour profile is damaged')
    low = token & ((1 << self.low) - 1)
    head = token >> self.low & ((1 << self.high) - 1) | 1 << self.high
    return (head << count | bits.take(count)) << self.low | low


class Numbers:
  """Reads numbers, each in a context.

  Numbers may be a repetition of earlier ones.
  """

  def __init__(self, bits: Bits, contexts: int):
    """Reads how the numbers are coded.

    Raises:
      ValueError: the data are damaged.
    """
    self._bits = bits
    self._least, self._shortest = 2**32, 0  # of tokens that repeat
    if bits.take(1):
      self._least = bits.one_of(((0, 224), (0, 512), (0, 4096), (15, 8)))
      self._shortest = bits.one_of(((0, 3), (0, 4), (2, 5), (8, 9)))
      self._length_split = _read_split(bits, 8)
      contexts += 1
    self._clusters = _read_clusters(bits, contexts)
    count = 1 + max(self._clusters)
    prefix = bool(bits.take(1))
    size = jxl_prefix.MAX_BITS if prefix else 5 + bits.take(2)
    self._splits = [_read_split(bits, size) for _ in range(count)]
    self._state = _FINAL_STATE
    if prefix:
      sizes = [1 + _uint(bits, 4) for _ in range(count)]
      self._tokens = [jxl_prefix.tokens(bits, n) for n in sizes]
    else:
      shares = [_read_shares(bits, size) for _ in range(count)]
      self._tokens = [self._ans(s, size) for s in shares]
      self._state = bits.take(32)
    self._past: list[int] = []
    self._copies = self._from = 0

  def next(self, context: int) -> int:
    """The next number."""
    if self._copies == 0:
      cluster = self._clusters[context]
      token = self._tokens[cluster]()
      if token < self._least:
        value = self._splits[cluster].value(token, self._bits)
        self._past.append(value)
        return value
      self._copies = self._shortest + self._length_split.value(
        token - self._least, self._bits
      )
      last = self._clusters[-1]
      back = self._splits[last].value(self._tokens[last](), self._bits)
      self._from = max(0, len(self._past) - 1 - back)
    self._copies -= 1
    value = self._past[self._from] if self._from < len(self._past) else 0
    self._from += 1
    self._past.append(value)
    return value

  def check_end(self) -> None:
    """Raises ValueError if the numbers are not what was written."""
    if self._state != _FINAL_STATE:
      raise ValueError('its colour profile is damaged')

  def _ans(self, shares: Sequence[int], size: int) -> Callable[[], int]:
    """A reader of tokens of these shares: asymmetric numeral systems."""
    look_up = _alias_table(shares, size)

    def token() -> int:
      symbol, offset = look_up[self._state & (2**_TABLE_BITS - 1)]
      state = shares[symbol] * (self._state >> _TABLE_BITS) + offset
      if state < 2**16:
        state = state << 16 | self._bits.take(16)
      self._state = state
      return symbol

    return token


def _uint(bits: Bits, width: int) -> int:
  """A number, behind the count of its bits."""
  if not bits.take(1):
    return 0
  count = bits.take(width)
  return bits.take(count) + (1 << count)


def _read_split(bits: Bits, size: int) -> _HybridInteger:
  exponent = bits.take(size.bit_length())
  if exponent > size:
    raise ValueError('its colour profile is damaged')
  if exponent == size:
    return _HybridInteger(exponent, 0, 0)
  high = bits.take(exponent.bit_length())
  if high > exponent:
    raise ValueError('its colour profile is damaged')
  low = bits.take((exponent - high).bit_length())
  if high + low > exponent:
    raise ValueError('its colour profile is damaged')
  return _HybridInteger(exponent, high, low)


def _read_clusters(bits: Bits, contexts: int) -> list[int]:
  """Which code each context has."""
  if contexts == 1:
    return [0]
  if bits.take(1):
    width = bits.take(2)
    return [bits.take(width) for _ in range(contexts)]
  moved = bits.take(1)
  numbers = Numbers(bits, 1)
  clusters = [numbers.next(0) for _ in range(contexts)]
  numbers.check_end()
  if max(clusters) > 255:
    raise ValueError('its colour profile is damaged')
  if moved:  # each is a place in a list, whose entry goes to the front
    order = list(range(256))
    for i, place in enumerate(clusters):
      clusters[i] = order.pop(place)
      order.insert(0, clusters[i])
  return clusters


def _read_shares(bits: Bits, size: int) -> list[int]:
  """Probabilities of tokens, as shares of 2^12."""
  whole = 2**_TABLE_BITS
  if bits.take(1):
    tokens = [_uint(bits, 3) for _ in range(1 + bits.take(1))]
    shares = [0] * (max(tokens) + 1)
    shares[tokens[0]] = bits.take(_TABLE_BITS) if len(tokens) > 1 else whole
    if len(tokens) > 1:
      shares[tokens[1]] = whole - shares[tokens[0]]
  elif bits.take(1):
    count = 1 + _uint(bits, 3)
    shares = [whole // count + (i < whole % count) for i in range(count)]
  else:
    shares = _read_logarithms(bits)
  if sum(shares) != whole or len(shares) > 1 << size:
    raise ValueError('its colour profile is damaged')
  return shares


def _read_logarithms(bits: Bits) -> list[int]:
  """Shares whose logarithms come first."""
  width = 0
  while width < 3 and bits.take(1):
    width += 1
  shift = (bits.take(width) | 1 << width) - 1
  length = 3 + _uint(bits, 3)
  logs: list[int | None] = []  # None: as the one before
  while len(logs) < length:
    code = jxl_prefix.coded(bits, _LOG_CODE)
    if code == _LOG_REPEAT:
      logs += [None] * (4 + _uint(bits, 3))
    else:
      logs.append(code)
  del logs[length:]
  largest = max((x or -1, -i) for i, x in enumerate(logs) if x is not None)
  rest = -largest[1]
  shares: list[int] = []
  for i, log in enumerate(logs):
    if log is None:
      shares.append(shares[-1] if shares and i - 1 != rest else 0)
    elif i == rest or log == 0:
      shares.append(0)
    else:
      count = max(0, min(log - 1, shift - ((_TABLE_BITS - log + 1) >> 1)))
      shares.append((1 << log - 1) + (bits.take(count) << log - 1 - count))
  shares[rest] = 2**_TABLE_BITS - sum(shares)
  if shares[rest] <= 0:
    raise ValueError('its colour profile is damaged')
  return shares


def _alias_table(shares: Sequence[int], size: int) -> list[tuple[int, int]]:
  """Token, and place within its share, of each of 2^12 states.

  The states are split into 2^size parts of one length; each belongs to its own
  token up to a limit, and to one other from there on.
  """
  count = 1 << size
  part = 2**_TABLE_BITS >> size
  if max(shares) == 2**_TABLE_BITS:
    symbol = shares.index(2**_TABLE_BITS)
    return [(symbol, i) for i in range(2**_TABLE_BITS)]
  limits = [*shares, *[0] * (count - len(shares))]
  other, offsets = list(range(count)), [0] * count
  over = [i for i in range(count) if limits[i] > part]
  under = [i for i in range(count) if limits[i] < part]
  while over:
    full, short = over[-1], under.pop()
    limits[full] -= part - limits[short]
    other[short], offsets[short] = full, limits[full]
    if limits[full] <= part:
      over.pop()
      if limits[full] < part:
        under.append(full)
  table = []
  for i in range(count):
    for place in range(part):
      if place < limits[i]:
        table.append((i, place))
      else:
        table.append((other[i], offsets[i] - limits[i] + place))
  return table

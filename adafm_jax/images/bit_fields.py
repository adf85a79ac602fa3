"""Numbers of any count of bits, one behind the other, as JPEG XL has them."""

from __future__ import annotations

# One of a few values, as (bits, offset) of four ways.
ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))


class Bits:
  """Reads numbers of any length, their lowest bit first."""

  def __init__(self, data: bytes, at: int = 0):
    """Begins to read `data` at a bit."""
    self._data = data
    self.at = at

  def take(self, count: int) -> int:
    """The next `count` bits.

    Raises:
      ValueError: the data end before.
    """
    end = self.at + count
    if end > 8 * len(self._data):
      raise ValueError('its header is cut')
    part = self._data[self.at // 8 : -(-end // 8)]
    value = int.from_bytes(part, 'little') >> self.at % 8
    self.at = end
    return value & ((1 << count) - 1)

  def peek(self, count: int) -> int:
    """As `take`, of bits that stay; those behind the end are 0."""
    part = self._data[self.at // 8 : -(-(self.at + count) // 8)]
    return int.from_bytes(part, 'little') >> self.at % 8 & ((1 << count) - 1)

  def one_of(self, ways: tuple[tuple[int, int], ...]) -> int:
    """A number in one of four ways, as (bits, offset)."""
    bits, offset = ways[self.take(2)]
    return self.take(bits) + offset

  def long(self) -> int:
    """A number of up to 64 bits."""
    way = self.take(2)
    if way == 0:
      return 0
    if way < 3:
      return self.take(4 * way) + (1, 17)[way - 1]
    value, shift = self.take(12), 12
    while self.take(1):
      if shift == 60:
        return value | self.take(4) << shift
      value |= self.take(8) << shift
      shift += 8
    return value


class Writer:
  """Writes numbers as `Bits` reads them."""

  def __init__(self) -> None:
    """Begins with nothing."""
    self.value = 0
    self.length = 0

  def put(self, value: int, count: int) -> None:
    """The lowest `count` bits of a number."""
    self.value |= (value & ((1 << count) - 1)) << self.length
    self.length += count

  def enum(self, value: int) -> None:
    """One of a few values, as 0 to 81."""
    way = value if value < 2 else 2 if value < 18 else 3
    self.put(way, 2)
    if way > 1:
      self.put(value - ENUM[way][1], ENUM[way][0])

  def long(self, value: int) -> None:
    """A number of up to 64 bits."""
    self.put(3, 2)
    self.put(value, 12)
    value >>= 12
    while value:
      self.put(1, 1)
      self.put(value, 8)
      value >>= 8
    self.put(0, 1)

  def tobytes(self) -> bytes:
    """All of it, filled up to whole bytes."""
    return self.value.to_bytes(-(-self.length // 8), 'little')

"""Prefix codes of JPEG XL, which are those of Brotli (RFC 7932)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adafm_jax.images.bit_fields import Bits

MAX_BITS = 15  # of a token
# Code lengths of code lengths, as in Brotli.
_LENGTH_ORDER = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_LENGTH_CODE = (
  *((2, 0b00), (4, 0b0111), (3, 0b011), (2, 0b10), (2, 0b01)),
  (4, 0b1111),
)


def tokens(bits: Bits, count: int) -> Callable[[], int]:
  """A reader of tokens below `count` in a prefix code, as in Brotli."""
  return _canonical(bits, _read_lengths(bits, count) if count > 1 else [1])


def _read_lengths(bits: Bits, count: int) -> list[int]:
  """Lengths of the codes of tokens; 0 is not used."""
  skipped = bits.take(2)
  if skipped == 1:
    width = (count - 1).bit_length()
    symbols = [bits.take(width) for _ in range(bits.take(2) + 1)]
    deep = len(symbols) == 4 and bits.take(1)
    of_each = ((1,), (1, 1), (1, 2, 2), (2, 2, 2, 2))[len(symbols) - 1]
    lengths = [0] * max(count, *(s + 1 for s in symbols), 1)
    for symbol, length in zip(
      symbols, (1, 2, 3, 3) if deep else of_each, strict=True
    ):
      lengths[symbol] = length
    return lengths
  coding, space = [0] * 18, 32
  for place in _LENGTH_ORDER[skipped:]:
    coding[place] = coded(bits, _LENGTH_CODE)
    if coding[place]:
      space -= 32 >> coding[place]
    if space <= 0:
      break
  read = _canonical(bits, coding)
  lengths, space, before = [], 1 << MAX_BITS, 8
  repeated, last = 0, 0
  while len(lengths) < count and space > 0:
    symbol = read()
    if symbol < 16:
      lengths.append(symbol)
      repeated, last = 0, symbol
      if symbol:
        before = symbol
        space -= 1 << MAX_BITS - symbol
      continue
    extra, value = symbol - 14, before if symbol == 16 else 0
    old = repeated if last == symbol else 0
    new = (old - 2 << extra if old else 0) + bits.take(extra) + 3
    lengths += [value] * (new - old)
    repeated, last = new, symbol
    if value:
      space -= (new - old) << MAX_BITS - value
  return lengths[:count]


def _canonical(bits: Bits, lengths: Sequence[int]) -> Callable[[], int]:
  """A reader of the symbols of a code, of which lengths tell all."""
  used = sorted((n, i) for i, n in enumerate(lengths) if n)
  if not used:
    raise ValueError('its colour profile is damaged')
  if len(used) == 1:
    only = used[0][1]
    return lambda: only
  table, code, last = {}, 0, 0
  for length, symbol in used:
    code <<= length - last
    table[length, code] = symbol
    code, last = code + 1, length

  def symbol_() -> int:
    code = 0
    for length in range(1, last + 1):
      code = code << 1 | bits.take(1)
      if (length, code) in table:
        return table[length, code]
    raise ValueError('its colour profile is damaged')

  return symbol_


def coded(bits: Bits, code: Sequence[tuple[int, int]]) -> int:
  """The symbol that comes next in a code of (length, bits)."""
  for symbol, (length, pattern) in enumerate(code):
    if length and bits.peek(length) == pattern:
      bits.take(length)
      return symbol
  raise ValueError('its colour profile is damaged')

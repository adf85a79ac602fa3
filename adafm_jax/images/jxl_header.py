"""The header of a JPEG XL codestream (ISO/IEC 18181-1), read and changed.

imagecodecs gives samples alone, and writes all as sRGB. What the numbers mean
is in the header, field behind field without bytes between them.
"""

from __future__ import annotations

from typing import NamedTuple

from adafm_jax.images import bit_fields

SIGNATURE = b'\xff\x0a'
GREY, XYB = 1, 2  # colour spaces
D65, CUSTOM = 1, 2  # white points, and primaries given as numbers
# White points by their codes: E, and that of digital cinema.
WHITES = {10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
# Their codes for those of H.273.
PRIMARIES = {1: 1, 9: 9, 12: 11}
TRANSFERS = {1: 1, 6: 1, 8: 8, 13: 13, 14: 1, 15: 1, 16: 16, 18: 18}
_MAX_NAME = 1071
# Distributions of numbers: (bits, offset), four each.
_SIZE = ((9, 1), (13, 1), (18, 1), (30, 1))
_XY = ((19, 0), (19, 2**19), (20, 2**20), (21, 2**21))
# (width, height) by their ratio.
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class Colour(NamedTuple):
  """What the numbers mean.

  Attributes:
    space: 0 RGB, `GREY` or `XYB`.
    profile: whether an ICC profile follows the header and says the rest.
    white: code of H.273's kind, `D65`, or (x, y).
    primaries: code, or x and y of red, green and blue.
    transfer: code; 0 where `gamma` counts.
    gamma: exponent of the encoding, or 0.
  """

  space: int = 0
  profile: bool = False
  white: int | tuple[float, ...] = D65
  primaries: int | tuple[float, ...] = 1
  transfer: int = 13
  gamma: float = 0.0


def has_code(primaries: int, transfer: int) -> bool:
  """Whether a header can say colours by code points of H.273."""
  return primaries in PRIMARIES and transfer in TRANSFERS


class CodestreamHeader(NamedTuple):
  """What the beginning of a codestream says.

  Attributes:
    size: (height, width), as stored.
    orientation: which the decoder applies, as in EXIF, 1 to 8.
    bits: of a sample.
    animated: whether there may be several frames.
    alpha: number among the extra channels of the alpha channel; -1 if none.
    premultiplied: whether colours are.
    extra: number of extra channels.
    xyb: whether the picture is stored with loss, in a space of its own.
    colour: what the numbers mean.
    colour_bits: (begin, end) of that; None where all is as usual.
    end: bit at which the header ends.
  """

  size: tuple[int, int]
  orientation: int = 1
  bits: int = 8
  animated: bool = False
  alpha: int = -1
  premultiplied: bool = False
  extra: int = 0
  xyb: bool = True
  colour: Colour = Colour()
  colour_bits: tuple[int, int] | None = None
  end: int = 0


def read(data: bytes) -> CodestreamHeader:
  """Reads the header of a codestream.

  Raises:
    ValueError: it is cut, or no header.
  """
  if data[:2] != SIGNATURE:
    raise ValueError('it has no header')
  bits = bit_fields.Bits(data, 16)
  header = CodestreamHeader(_size(bits))
  if not bits.take(1):
    header = _metadata(bits, header)
  if not bits.take(1):  # how samples are made of what is stored
    if header.xyb and not bits.take(1):
      bits.take(16 * 16)
    own = bits.take(3)  # filters to enlarge by 2, 4 and 8
    for i, weights in enumerate((15, 55, 210)):
      bits.take(16 * weights * (own >> i & 1))
  return header._replace(end=bits.at)


def _size(bits: bit_fields.Bits) -> tuple[int, int]:
  small = bits.take(1)
  height = 8 * (bits.take(5) + 1) if small else bits.one_of(_SIZE)
  ratio = bits.take(3)
  if ratio:
    across, down = _RATIOS[ratio - 1]
    return height, height * across // down
  return height, 8 * (bits.take(5) + 1) if small else bits.one_of(_SIZE)


def _metadata(
  bits: bit_fields.Bits, header: CodestreamHeader
) -> CodestreamHeader:
  more = bits.take(1)
  if more:
    header = header._replace(orientation=bits.take(3) + 1)
    if bits.take(1):
      _size(bits)
    if bits.take(1):
      _preview(bits)
    if bits.take(1):
      return header._replace(animated=True)  # it is refused
  depth = _depth(bits)
  bits.take(1)
  extra = bits.one_of(((0, 0), (0, 1), (4, 2), (12, 1)))
  alpha, premultiplied = -1, False
  for i in range(extra):
    kind, associated = _extra_channel(bits)
    if kind == 0 and alpha < 0:
      alpha, premultiplied = i, associated
  xyb, begin = bool(bits.take(1)), bits.at
  colour = _colour(bits)
  end = bits.at
  if more and not bits.take(1):  # how bright it is meant to be
    bits.take(16 * 2 + 1 + 16)
  extensions = bits.long()
  if extensions:
    sizes = [bits.long() for i in range(64) if extensions >> i & 1]
    bits.take(sum(sizes))
  return header._replace(
    bits=depth,
    alpha=alpha,
    premultiplied=premultiplied,
    extra=extra,
    xyb=xyb,
    colour=colour,
    colour_bits=(begin, end),
  )


def _preview(bits: bit_fields.Bits) -> None:
  small = bits.take(1)
  eighths = ((0, 16), (0, 32), (5, 1), (9, 33))
  pixels = ((6, 1), (8, 65), (10, 321), (12, 1345))
  bits.one_of(eighths if small else pixels)
  if not bits.take(3):
    bits.one_of(eighths if small else pixels)


def _depth(bits: bit_fields.Bits) -> int:
  if bits.take(1):  # floats
    depth = bits.one_of(((0, 32), (0, 16), (0, 24), (6, 1)))
    bits.take(4)
    return depth
  return bits.one_of(((0, 8), (0, 10), (0, 12), (6, 1)))


def _extra_channel(bits: bit_fields.Bits) -> tuple[int, bool]:
  """Its kind, 0 for alpha, and whether colours are premultiplied by it."""
  if bits.take(1):
    return 0, False
  kind = bits.one_of(bit_fields.ENUM)
  _depth(bits)
  bits.one_of(((0, 0), (0, 3), (0, 4), (3, 1)))
  length = bits.one_of(((0, 0), (4, 0), (5, 16), (10, 48)))
  bits.take(8 * min(length, _MAX_NAME))
  if kind == 0:
    return kind, bool(bits.take(1))
  if kind == 2:
    bits.take(4 * 16)
  elif kind == 5:
    bits.one_of(((0, 1), (2, 0), (4, 3), (8, 19)))
  return kind, False


def _colour(bits: bit_fields.Bits) -> Colour:
  if bits.take(1):
    return Colour()
  profile, space = bool(bits.take(1)), bits.one_of(bit_fields.ENUM)
  if profile:
    return Colour(space, True)
  white: int | tuple[float, ...] = D65
  primaries: int | tuple[float, ...] = 1
  transfer, gamma = 13, 0.0
  if space != XYB:
    white = bits.one_of(bit_fields.ENUM)
    if white == CUSTOM:
      white = _xy(bits, 1)
    if space != GREY:
      primaries = bits.one_of(bit_fields.ENUM)
      if primaries == CUSTOM:
        primaries = _xy(bits, 3)
    if bits.take(1):
      transfer, gamma = 0, bits.take(24) / 1e7
    else:
      transfer = bits.one_of(bit_fields.ENUM)
  bits.one_of(bit_fields.ENUM)  # the rendering intent
  return Colour(space, False, white, primaries, transfer, gamma)


def _xy(bits: bit_fields.Bits, points: int) -> tuple[float, ...]:
  values = [bits.one_of(_XY) for _ in range(2 * points)]
  return tuple((-(v + 1) if v % 2 else v) / 2e6 for v in values)


def recoloured(
  data: bytes,
  colour: Colour,
  profile: bit_fields.Writer | None = None,
  end: int | None = None,
) -> bytes:
  """A codestream whose header says other colours.

  Where it is `xyb`, decoders give the same picture in those; otherwise the same
  numbers, which mean something else then.

  Args:
    data: a codestream.
    colour: what it is to say; white and primaries are codes.
    profile: the coded ICC profile, if `colour` says so.
    end: bit at which the profile ends that follows the header; None: there is
      none.
  """
  header = read(data)
  assert header.colour_bits is not None
  begin, after = header.colour_bits
  bits, out = bit_fields.Bits(data), bit_fields.Writer()
  out.put(bits.take(begin), begin)
  out.put(0, 1)  # not as usual
  out.put(colour.profile, 1)
  out.enum(colour.space)
  if not colour.profile:
    assert isinstance(colour.white, int)
    assert isinstance(colour.primaries, int)
    out.enum(colour.white)
    if colour.space != GREY:
      out.enum(colour.primaries)
    out.put(0, 1)
    out.enum(colour.transfer)
    out.enum(1)  # relative intent
  bits.at = after
  out.put(bits.take(header.end - after), header.end - after)
  if profile is not None:
    out.put(profile.value, profile.length)
  return out.tobytes() + data[-(-(end or header.end) // 8) :]

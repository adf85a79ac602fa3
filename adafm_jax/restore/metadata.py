"""What a photograph carries beside its pixels, and how it is kept."""

from __future__ import annotations

from typing import NamedTuple


class Metadata(NamedTuple):
  """What is kept of a file beside its pixels.

  Attributes:
    exif: EXIF as a TIFF structure, upright (orientation 1), without thumbnail;
      or None.
    icc: ICC colour profile, or None.
    dpi: (horizontal, vertical) pixels an inch, or None.
    xmp: XMP packet, upright, or None.
  """

  exif: bytes | None = None
  icc: bytes | None = None
  dpi: tuple[float, float] | None = None
  xmp: bytes | None = None

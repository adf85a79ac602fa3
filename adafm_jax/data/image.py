"""One image of a set, and what identifies it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class NamedImage(NamedTuple):
  """An image of a set.

  Attributes:
    name: file name without folder and suffix.
    pixels: uint8 [H, W, C].
  """

  name: str
  pixels: np.ndarray


class Seen(NamedTuple):
  """What identifies an image.

  Attributes:
    name: without folder and suffix.
    pixels: its `fingerprint`.
  """

  name: str
  pixels: str


def fingerprint(pixels: np.ndarray) -> str:
  """Hash of an image's size and pixels; grey RGB has the hash of grey.

  Compare images in the same channels: all in RGB, or all in luma.

  Args:
    pixels: uint8 [H, W, 1 or 3].

  Returns:
    32 hex digits.
  """
  if pixels.shape[-1] == 3 and (pixels[..., :1] == pixels[..., 1:]).all():
    pixels = pixels[..., :1]
  found = hashlib.sha256(repr(pixels.shape).encode())
  found.update(np.ascontiguousarray(pixels).data)
  return found.hexdigest()[:32]


def identify(images: Iterable[NamedImage]) -> list[Seen]:
  """The `Seen` of each image."""
  return [Seen(image.name, fingerprint(image.pixels)) for image in images]

"""Masks: where an image is restored, and how much."""

from __future__ import annotations

import pathlib

import numpy as np

from adafm_jax.errors import UserError
from adafm_jax.images import alpha as alphas
from adafm_jax.images import photo as photos


def read(path: str) -> np.ndarray:
  """Reads a mask: float32 [H, W] in [0, 1], white is 1, transparent is 0.

  Raises:
    UserError: it can't be read, or is in colour.
  """
  photo = photos.read_photo(path)
  pixels = alphas.premultiply(photo.pixels, photo.alpha)
  if np.ptp(pixels, axis=-1).any():
    raise UserError(
      f'The mask {path} is in colour; it must be grey: white for full strength,'
      ' black for strength 0.'
    )
  return pixels[..., 0]


def check(
  mask: np.ndarray, shape: tuple[int, ...], source: pathlib.Path
) -> None:
  """Checks that a mask [H, W] has the proportions of an image [H', W', C].

  Raises:
    UserError: it hasn't, to one pixel of the smaller of the two.
  """
  (high, wide), (height, width) = mask.shape, shape[:2]
  slack = max(1.0, height / high, width / wide)
  if (
    abs(wide * height / high - width) > slack
    and abs(high * width / wide - height) > slack
  ):
    raise UserError(
      f'The mask has {wide} x {high} pixels and {source} {width} x {height}: a'
      ' mask of another size is fitted, but it must have the same proportions.'
    )

"""How images are degraded and results measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adafm_jax.data import known
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import resize
from adafm_jax.degrade.degradation import Degradation


@dataclasses.dataclass(frozen=True)
class Protocol:
  """How a degraded image is made and its restoration measured.

  Attributes:
    degradation: the task, and whether noisy images are 8-bit.
    channels: 'rgb' or 'y' (MATLAB), what PSNR and SSIM compare.
    seed: of the noise.
    shave: pixels cropped at each side, or 'scale'; None is the task's default.
  """

  degradation: Degradation
  channels: str = 'rgb'
  seed: int = 0
  shave: int | str | None = None

  @classmethod
  def of(
    cls,
    task: str,
    noise: str = 'clipped',
    judged: known.Judged | None = None,
    *,
    luma: bool = False,
  ) -> Protocol:
    """The protocol of a set, or the task's usual one (`known.USUAL`).

    Args:
      task: name of the task.
      noise: of noisy images.
      judged: how the set is judged.
      luma: whether its images have Y alone.
    """
    channels, border, seed = judged or known.USUAL[task]
    channels = 'y' if luma else channels
    return cls(Degradation(task, noise), channels, seed, border)

  def border(self, level: float) -> int:
    """Pixels cropped at each side, usually the scale in super-resolution."""
    return self._judged.pixels(level)

  @property
  def _judged(self) -> known.Judged:
    """The task's usual protocol, with this one's border."""
    usual = known.USUAL[self.degradation.task]
    return usual if self.shave is None else usual._replace(border=self.shave)

  @property
  def label(self) -> str:
    """The protocol in words, for tables."""
    task, parts = self.degradation.task, [self.channels.upper()]
    if task == 'denoise':
      parts.append(
        {
          'clipped': 'noisy input clipped to 8 bits',
          'float': 'noisy input unclipped',
        }[self.degradation.noise]
      )
    if task == 'dejpeg':
      parts.append('Pillow JPEG')
    if border := self._judged.border:
      size = 'the scale' if border == 'scale' else f'{border} pixels'
      parts.append(f'border of {size} cropped')
    return ', '.join(parts)


class Case(NamedTuple):
  """One image to restore.

  Attributes:
    name: of the image.
    clean: uint8 [H, W, C].
    degraded: float32 [H, W, C] in [0, 1]; beyond it where noise is unclipped.
  """

  name: str
  clean: np.ndarray
  degraded: np.ndarray


def make_case(image: NamedImage, level: float, protocol: Protocol) -> Case:
  """Degrades an image to one level.

  For a whole scale factor, the image is first cropped to a multiple of it.
  """
  name, clean = image
  if protocol.degradation.task == 'sr' and level == int(level):
    clean = resize.modcrop(clean, int(level))
  degraded = protocol.degradation.apply(
    clean, level, seed=protocol.seed, name=name
  )
  return Case(name, clean, degraded)


def make_cases(
  images: Sequence[NamedImage], level: float, protocol: Protocol
) -> list[Case]:
  """Degrades several images, kept in memory; see `make_case`."""
  return [make_case(image, level, protocol) for image in images]

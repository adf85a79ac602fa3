"""One interface to all degradations, for training, evaluation and tools."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from adafm_jax.degrade import level as levels
from adafm_jax.degrade import noise as noises
from adafm_jax.degrade import resize
from adafm_jax.degrade.jpeg import jpeg
from adafm_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Degradation:
  """A task's degradation, at any level.

  Attributes:
    task: a key of `level.TASKS`.
    noise: protocol of the denoising task (see `noise`): 'clipped' is the
      authors', 'float' that of DnCNN and most later work. Other tasks' inputs
      are always 8-bit images.

  Raises:
    UserError: the task or the protocol is unknown.
  """

  task: str
  noise: str = 'clipped'

  def __post_init__(self):
    levels.get_task(self.task)
    if self.noise not in levels.NOISE_PROTOCOLS:
      raise UserError(
        f'Unknown noise protocol {self.noise!r}: choose one of '
        f'{list(levels.NOISE_PROTOCOLS)}.'
      )

  @property
  def whole_image(self) -> bool:
    """Whether whole images must be degraded: JPEG and resizing depend on it.

    Training then stores a degraded partner of every image. Noise needs none: it
    is drawn on the device.
    """
    return self.task != 'denoise'

  def apply(
    self,
    image: npt.NDArray[np.uint8],
    level: float,
    *,
    seed: int = 0,
    name: str = '',
  ) -> npt.NDArray[np.float32]:
    """Degrades an image.

    Args:
      image: [H, W, C] uint8. For 'dejpeg', C = 1 is the luma protocol and C = 3
        a colour JPEG.
      level: a legal level of the task, in its unit.
      seed: of the noise, non-negative; other tasks ignore it.
      name: the image's name without folder; the noise depends on it.

    Returns:
      Same shape, float32: multiples of 1/255 in [0, 1], except for 'float'
      noise, which is unbounded.

    Raises:
      UserError: the level is not legal for the task, or the image not uint8.
    """
    if image.dtype != np.uint8:
      raise UserError(
        f'An image is degraded as uint8, 0 to 255, not as {image.dtype}.'
      )
    if problems := levels.TASKS[self.task].problems(level):
      raise UserError(problems)
    if self.task == 'denoise':
      clipped = self.noise == 'clipped'
      return noises.add_noise_numpy(
        image, level, clipped=clipped, seed=seed, name=name
      )
    if self.task == 'dejpeg':
      degraded = jpeg(image, level).astype(np.float64)
    else:
      degraded = resize.shrink_and_enlarge(image, level)
      degraded = np.rint(np.clip(degraded, 0, 255))
    return (degraded / 255).astype(np.float32)

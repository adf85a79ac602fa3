"""One row of an experiment: a system, its two levels, where it is measured."""

from __future__ import annotations

import dataclasses
from typing import Any

from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.models.architecture import EVERYWHERE, KERNELS, PLACEMENTS

# Side of the AdaFM filters that the paper chose for each task (section 4.2).
KERNEL = {'denoise': 1, 'dejpeg': 1, 'sr': 5}
# Images are RGB or luma, as in the paper.
CHANNELS = {'denoise': 3, 'dejpeg': 1, 'sr': 3}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variation:
  """A system that is trained and measured.

  Attributes:
    task: a key of `degrade.level.TASKS`.
    system: a key of `systems.SYSTEMS`.
    start: level of the basic model; of a system with one level, that level.
    end: level of the adaptation; None for a system with one level.
    kernel: side of the AdaFM filters; 0: the paper's choice for the task.
    placement: of the AdaFM layers, see `models.architecture`.
    bends: of a bent path.
    channels: of the images; 0: the task's usual ones.
    seed: of weights, patches and noise.
    levels: levels at which it is measured beside its own, each at the strength
      that is best on held-out images.
    picture: a level at which a sweep of strengths is drawn; 0: none.
  """

  task: str
  start: float
  end: float | None = None
  system: str = 'adafm'
  kernel: int = 0
  placement: str = 'block'
  bends: int = 0
  channels: int = 0
  seed: int = 0
  levels: tuple[float, ...] = ()
  picture: float = 0.0

  def __post_init__(self):
    """Fills in what the task decides.

    Raises:
      UserError: a field has an impossible value.
    """
    task = levels.get_task(self.task)
    kernel = self.kernel or KERNEL[self.task]
    object.__setattr__(self, 'kernel', kernel)
    channels = self.channels or CHANNELS[self.task]
    object.__setattr__(self, 'channels', channels)
    for name in ('start', 'end'):
      if (value := getattr(self, name)) is not None:
        object.__setattr__(self, name, float(value))
    object.__setattr__(self, 'levels', tuple(map(float, self.levels)))
    wrong = [
      f'{name} is {value!r}; it must be one of {", ".join(map(str, legal))}.'
      for name, value, legal in (
        ('kernel', kernel, KERNELS[1:]),
        ('placement', self.placement, (*PLACEMENTS, EVERYWHERE)),
        ('channels', channels, (1, 3)),
      )
      if value not in legal
    ]
    ends = [x for x in (self.start, self.end) if x is not None]
    for value in (*ends, *self.levels):
      wrong += task.problems(value)
    if self.start == self.end:
      wrong.append(f'start and end are both {self.start:g}.')
    if wrong:
      raise UserError([f'A variation of task {self.task}: {x}' for x in wrong])

  def but(self, **changes: Any) -> Variation:
    """The same with other fields, and measured nowhere else."""
    made: dict[str, Any] = {'levels': (), 'picture': 0.0} | changes
    return dataclasses.replace(self, **made)

  @property
  def identity(self) -> dict:
    """The fields that decide the weights, as JSON values."""
    values = dataclasses.asdict(self)
    del values['levels'], values['picture']
    return values

  @property
  def title(self) -> str:
    """In words, for the console: 'denoise 15 -> 75, adafm 1x1'."""
    ends = ' -> '.join(
      f'{x:g}' for x in (self.start, self.end) if x is not None
    )
    parts = [f'{self.task} {ends}, {self.system}']
    if self.system in ('adafm', 'scratch', 'hats', 'poly', 'arcnn_fit'):
      parts.append(f' {self.kernel}x{self.kernel}')
    if self.bends:
      parts.append(f' of {self.bends} bends')
    if self.placement != 'block':
      parts.append(f', {self.placement}')
    if self.channels != CHANNELS[self.task]:
      parts.append(f', {self.channels} channel(s)')
    if self.seed:
      parts.append(f', seed {self.seed}')
    return ''.join(parts)

"""What a network is made of: the numbers that fix every parameter's shape."""

from __future__ import annotations

import dataclasses
from typing import Any

from adafm_jax.errors import UserError

# Where the AdaFM layers sit (paper section 4.1, "The position of AdaFM
# layers"). 'block': after both convs of a residual block, before the
# activation, the paper's choice. 'block+trunk': one more after the conv that
# closes the trunk, as in the authors' released weights. 'activation': after
# the activation of each residual block, the variant the paper found worse.
PLACEMENTS = ('block', 'block+trunk', 'activation')
# After every conv of the network, which the paper found no better. Only the
# paper's experiments have it: no model file, tile or export knows it.
EVERYWHERE = 'everywhere'
KERNELS = (0, 1, 3, 5, 7)
# Convs outside the residual blocks, in the order in which they run.
OUTER = ('head', 'trunk', 'upsample', 'hidden', 'tail')
# How AdaFM filters move with strength, see `path`.
PATHS = ('line', 'hats', 'poly')
MAX_BENDS = 6


@dataclasses.dataclass(frozen=True)
class Architecture:
  """The basic model's size and the AdaFM layers added to it.

  Attributes:
    features: channels of every hidden feature map.
    blocks: residual blocks at half resolution.
    channels: of the images, 1 (grey or luma) or 3 (RGB).
    kernel: side of the AdaFM filters, 1, 3, 5 or 7; 0 is the basic model,
      which has no AdaFM layers.
    placement: where the AdaFM layers sit, one of `PLACEMENTS`.
    path: how the AdaFM filters move with strength, see `models.path`; 'line' is
      the paper's.
    bends: number of bends of the path, 0 for 'line'.
  """

  features: int = 64
  blocks: int = 16
  channels: int = 3
  kernel: int = 1
  placement: str = 'block'
  path: str = 'line'
  bends: int = 0

  @property
  def adafm_layers(self) -> int:
    """Number of AdaFM layers; the leading axis of a per-layer strength."""
    if not self.kernel:
      return 0
    if self.placement == 'activation':
      return self.blocks
    if self.placement == EVERYWHERE:
      return 2 * self.blocks + len(OUTER)
    return 2 * self.blocks + (self.placement == 'block+trunk')

  @property
  def folds(self) -> bool:
    """Whether AdaFM layers at one strength can become part of the convs."""
    return self.kernel == 1 and self.placement in ('block', 'block+trunk')

  @property
  def basic(self) -> Architecture:
    """The same network without AdaFM layers."""
    return dataclasses.replace(
      self, kernel=0, placement='block', path='line', bends=0
    )

  @property
  def multiply_adds(self) -> float:
    """Multiplications of the convs for one pixel, at one strength.

    Each is one addition too. AdaFM filters that fold into the convs cost
    nothing.
    """
    pair = 9 * self.features**2
    adafm = 0 if self.folds else self.adafm_layers * self.kernel**2
    half = 9 * self.channels * self.features  # the head
    half += (2 * self.blocks + 1) * pair + adafm * self.features
    half += 4 * pair  # into four pixels
    return half / 4 + pair + 9 * self.features * self.channels

  def problems(self) -> list[str]:
    """One sentence for each field that has an impossible value."""
    found = []
    for name, least in (('features', 1), ('blocks', 1)):
      value = getattr(self, name)
      if not isinstance(value, int) or value < least:
        found.append(
          f'model.{name} is {value!r}; it must be a whole number, {least} or'
          ' more.'
        )
    for name, legal in (
      ('channels', (1, 3)),
      ('kernel', KERNELS),
      ('placement', PLACEMENTS),
    ):
      if getattr(self, name) not in legal:
        found.append(
          f'model.{name} is {getattr(self, name)!r}; it must be one of'
          f' {", ".join(map(str, legal))}.'
        )
    if self.kernel == 0 and self.path != 'line':
      found.append(
        f'model.path is {self.path!r}, but a network without AdaFM layers'
        " (kernel 0) has no path to bend; use 'line'."
      )
    if self.path not in PATHS:
      return [
        *found,
        f'model.path is {self.path!r}; it must be one of {", ".join(PATHS)}.',
      ]
    least, most = (0, 0) if self.path == 'line' else (1, MAX_BENDS)
    if type(self.bends) is not int or not least <= self.bends <= most:
      found.append(
        f'model.bends is {self.bends!r}; for path {self.path!r} it must be a'
        f' whole number from {least} to {most}.'
      )
    return found

  def to_json(self) -> dict[str, Any]:
    """The fields as plain values, for a model file's header."""
    return dataclasses.asdict(self)

  @classmethod
  def from_json(cls, values: dict[str, Any]) -> Architecture:
    """The inverse of `to_json`.

    Raises:
      UserError: a field is unknown, missing or has an impossible value.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    if set(values) != names:
      raise UserError(
        'The architecture must have the fields'
        f' {", ".join(sorted(names))}; it has {", ".join(sorted(values))}.'
      )
    arch = cls(**values)
    if found := arch.problems():
      raise UserError(found)
    return arch

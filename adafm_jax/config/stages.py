"""Fields of the stages of training."""

from __future__ import annotations

import dataclasses

from adafm_jax.config.field import field
from adafm_jax.models.architecture import MAX_BENDS, PATHS


@dataclasses.dataclass(frozen=True)
class StageConfig:
  """One stage of training: `train` the basic model, or `adapt` AdaFM."""

  steps: int = field(
    1_000_000,
    'optimizer steps; 0 keeps what model.init holds; joint.steps=0 leaves that'
    ' stage out, and path.steps=0 leaves the bends to it',
    least=0,
  )
  batch: int = field(16, 'patches per step, over all devices', least=1)
  patch: int = field(96, 'side of a patch, pixels, even', least=2)
  learning_rate: float = field(1e-4, 'peak learning rate', least=0.0)
  schedule: str = field(
    'step',
    'step: multiplied by `decay` every `decay_every` steps (the paper);'
    ' cosine: down to zero at the last step; trapezoid: constant, then linear'
    ' to zero over the last fifth. `steps` may be changed until it falls',
    legal=('step', 'cosine', 'trapezoid'),
  )
  decay: float = field(0.1, 'factor of the step schedule', least=0.0)
  decay_every: int = field(500_000, 'steps between decays', least=1)
  optimizer: str = field(
    'adam',
    'adam; or muon, which orthogonalizes the updates of 3x3 kernels and uses'
    " Nesterov's Adam for biases and AdaFM layers",
    legal=('adam', 'muon'),
  )
  loss: str = field(
    'l1',
    'mean over the pixels of the absolute (l1, the paper) or squared error'
    ' (l2, what PSNR measures: as a last stage it gains some hundredths of a'
    ' dB)',
    legal=('l1', 'l2'),
  )
  warmup: int = field(0, 'steps of linear warm-up from zero', least=0)
  b2: float = field(
    0.999,
    "Adam's decay of the squared gradients (b1 is 0.9)",
    least=0.0,
    below=1.0,
  )
  ema: float = field(
    0.0,
    'decay per step of the moving average of the weights; the average is then'
    ' evaluated and released; 0 turns it off',
    least=0.0,
    below=1.0,
  )

  @property
  def constant_steps(self) -> int:
    """Steps before a trapezoid's fall."""
    return self.steps - self.steps // 5


@dataclasses.dataclass(frozen=True)
class PathConfig(StageConfig):
  """The third stage: bends of the path between the levels (`models.path`)."""

  kind: str = field(
    'line',
    "how AdaFM filters move with strength: line (the paper's, nothing to"
    ' learn), hats (linear between anchors) or poly (polynomials)',
    legal=PATHS,
  )
  bends: int = field(
    3,
    'anchors of hats, or bends of poly; line has none',
    legal=tuple(range(1, MAX_BENDS + 1)),
  )
  levels: str = field(
    '',
    'dejpeg and sr: levels to learn in the path and joint stages, each with a'
    ' degraded copy of all training images; empty: calibrate.levels. denoise'
    ' learns every level between the ends',
  )
  weighting: float = field(
    1.0,
    'exponent w: errors at a level are weighted with RMSE^-w, the straight'
    " path's RMSE there; 0: all levels count the same",
    least=0.0,
  )


@dataclasses.dataclass(frozen=True)
class JointConfig(StageConfig):
  """A last stage that goes past the paper: all weights learn together.

  The paper freezes the backbone after the start level. Here backbone, filters
  and bends go on learning at levels from start to end, each at its strength.
  """

  weighting: float = field(
    1.0,
    'exponent w: errors at a level are weighted with RMSE^-w, the RMSE before'
    ' this stage; 0: all levels count the same',
    least=0.0,
  )

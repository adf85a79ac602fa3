"""Every config field but those of the stages, see `config.stages`."""

from __future__ import annotations

import dataclasses

from adafm_jax.config.field import field
from adafm_jax.config.stages import JointConfig, PathConfig, StageConfig
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.level import LevelRange
from adafm_jax.models.architecture import Architecture


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """Size of the network; see `models.architecture.Architecture`."""

  features: int = field(64, 'channels of the hidden feature maps', least=1)
  blocks: int = field(16, 'residual blocks', least=1)
  channels: int = field(
    3, 'image channels: 3 RGB, 1 luma (MATLAB Y)', legal=(1, 3)
  )
  kernel: int = field(
    1, 'side of the AdaFM filters, pixels at half resolution', (1, 3, 5, 7)
  )
  placement: str = field(
    'block',
    'where AdaFM layers are: after the convs of residual blocks, also after the'
    " trunk's last conv (as in the authors' weights), or after activations",
    legal=('block', 'block+trunk', 'activation'),
  )
  init_scale: float = field(
    0.1,
    "factor on the Kaiming normal initial weights; the authors' 0.1 suits a"
    ' million steps, 0.3 to 1 starts short runs much faster',
    least=0.0,
  )
  init: str = field(
    '',
    'model file whose backbone the basic stage starts from; empty: random'
    ' weights. With train.steps=0 its backbone is kept as it is; with'
    ' adapt.steps=0 and path.steps=0 too, its AdaFM layers and bends',
  )
  compute: str = field(
    'float32',
    'type of the activations; parameters stay float32',
    legal=('float32', 'bfloat16'),
  )


@dataclasses.dataclass(frozen=True)
class DataConfig:
  """Training images."""

  train: str = field(
    'tfds:div2k/train',
    'a folder of images, tfds:NAME/SPLIT of a prepared TFDS data set, or'
    ' photos:train, the photographs that come with scikit-image',
  )
  holdout: int = field(
    20,
    'number of images, the last by name, to validate and calibrate on instead'
    ' of training on them',
    least=1,
  )
  heldout: str = field(
    '',
    'another source to validate and calibrate on, instead of `holdout`; empty:'
    ' the split "valid" of a prepared set',
  )
  data_dir: str = field(
    '', 'folder of prepared TFDS data sets; empty: ~/tensorflow_datasets'
  )
  placement: str = field(
    'auto',
    'where training images are kept: on the device, or in a prepared set from'
    ' which they are read as needed (stream); auto: on the device if they fit'
    ' into half of its free memory',
    legal=('auto', 'device', 'stream'),
  )
  shrink: int = field(
    1,
    'factor by which the images of data.train are first reduced (bicubic),'
    ' which removes the artefacts of images that were JPEG files',
    least=1,
  )
  scales: str = field(
    '1',
    'scales at which the images of data.train are trained on, as in 1,0.7,2: a'
    ' copy of every image for each, resized (bicubic); above 1, the middle of'
    ' the image, enlarged to its size. Held-out images keep their size',
  )
  vivid: float = field(
    0.0,
    'vivid copies of each image, and of its resized copies, as in 0.25: with'
    ' other, stronger colours, black and white. Photographs have little of'
    ' them, and a network that never saw black makes it grey',
    least=0.0,
  )


@dataclasses.dataclass(frozen=True)
class RunConfig:
  """How a run proceeds; what is learnt changes by rounding alone."""

  steps_per_dispatch: int = field(
    0,
    'steps in one compiled call; 0: 100 on accelerators, 1 on the CPU, where'
    " XLA's convolutions are slow inside a loop. Weights differ by rounding for"
    ' another number',
    least=0,
  )
  log_every: int = field(100, 'steps between lines on the console', least=1)
  evaluate_every: int = field(
    5000, 'steps between validations on held-out images', least=1
  )
  checkpoint_every: int = field(
    5000, 'steps between checkpoints; each stage ends with one', least=1
  )
  keep: int = field(2, 'checkpoints kept per stage', least=1)
  validate_images: int = field(
    8, 'held-out images used in validation during training', least=1
  )
  workers: int = field(
    -1,
    'processes that read streamed images; 0: threads of this process; -1: by'
    ' the number of cores. Patches are the same for any number',
    least=-1,
  )


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
  """What is measured at the end of a run."""

  sets: str = field(
    '',
    'names of prepared sets, such as cbsd68,set5 (see docs/data.md), or'
    ' NAME=SOURCE with sources as in data.train; the held-out training images'
    ' are always measured too, as "heldout"',
  )
  levels: str = field(
    '', 'levels, such as 15,25,50,75 or 15:75:10; empty: start and end'
  )
  protocols: str = field(
    '',
    'denoise: clipped (8-bit noisy images, as the authors), float (unclipped,'
    ' as most papers), or clipped,float; empty: that of training',
  )
  images: int = field(0, 'images of each set, 0: all', least=0)
  ssim: bool = field(True, 'SSIM as well as PSNR')


@dataclasses.dataclass(frozen=True)
class CalibrateConfig:
  """The lambda curve: strength as a function of the level (section 3.5)."""

  levels: str = field(
    '', 'levels to measure; empty: seven, evenly spaced from start to end'
  )
  grid: str = field('0:1:0.1', 'strengths to try first, then refined')
  kind: str = field(
    'polynomial', 'curve to release', legal=('polynomial', 'piecewise')
  )
  order: int = field(3, 'order M of the polynomial (equation 7)', (1, 2, 3, 4))
  images: int = field(12, 'held-out images used', least=1)


@dataclasses.dataclass(frozen=True)
class SweepConfig:
  """The sweep at the end of a run, as a contact sheet."""

  strengths: str = field('0:1:0.2', 'columns of the contact sheet')
  level: float = field(
    0.0, 'level of the images; 0: half way from start to end'
  )
  images: int = field(2, 'rows: images of the last evaluation set', least=1)


@dataclasses.dataclass(frozen=True)
class Config:
  """An experiment: two levels of one degradation, and how to learn them."""

  task: str = field('denoise', 'degradation', legal=tuple(levels.TASKS))
  start: float = field(
    15.0, 'start level: sigma of 255, JPEG quality, or scale factor'
  )
  end: float = field(75.0, 'end level, in the same unit')
  noise: str = field(
    'clipped',
    "denoise: training noise clipped and rounded to 8 bits (the authors'"
    ' data), unclipped float, or both: each patch one or the other',
    legal=levels.TRAINING_NOISES,
  )
  seed: int = field(
    0, 'seed of initial weights, patches, noise', least=0, below=2**32
  )
  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
  data: DataConfig = dataclasses.field(default_factory=DataConfig)
  train: StageConfig = dataclasses.field(default_factory=StageConfig)
  adapt: StageConfig = dataclasses.field(
    default_factory=lambda: StageConfig(steps=500_000)
  )
  path: PathConfig = dataclasses.field(
    default_factory=lambda: PathConfig(steps=20_000, learning_rate=1e-3)
  )
  joint: JointConfig = dataclasses.field(
    default_factory=lambda: JointConfig(steps=0)
  )
  run: RunConfig = dataclasses.field(default_factory=RunConfig)
  evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
  calibrate: CalibrateConfig = dataclasses.field(
    default_factory=CalibrateConfig
  )
  sweep: SweepConfig = dataclasses.field(default_factory=SweepConfig)

  @property
  def arch(self) -> Architecture:
    """The AdaFM-Net of this experiment, on a straight path."""
    fields = dataclasses.asdict(self.model)
    del fields['compute'], fields['init_scale'], fields['init']
    return Architecture(**fields)

  @property
  def bent(self) -> Architecture:
    """The same network on the released path."""
    if self.path.kind == 'line':
      return self.arch
    return dataclasses.replace(
      self.arch, path=self.path.kind, bends=self.path.bends
    )

  @property
  def used_stages(self) -> list[str]:
    """Names of the fields of all stages that this run has."""
    joint = ['joint'] * bool(self.joint.steps)
    own = self.path.kind != 'line' and (self.path.steps or not joint)
    return ['train', 'adapt', *['path'] * bool(own), *joint]

  @property
  def measured_noise(self) -> str:
    """Noise of validation and calibration; of 'both' the 8-bit one."""
    return 'clipped' if self.noise == 'both' else self.noise

  @property
  def levels(self) -> LevelRange:
    """From the start level to the end level."""
    return LevelRange(self.task, self.start, self.end)

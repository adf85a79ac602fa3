"""Image sets that are known by name: what they hold, and their protocols.

One table lists, for each set, its splits, the number and sizes of their images
(a folder is checked against them), the official address, and the evaluation
protocol of each task.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

from adafm_jax.errors import UserError


class Download(NamedTuple):
  """A published archive.

  Attributes:
    url: official address.
    size: bytes; 0 if no checksum is published.
    sha256: of the archive, in hex; '' if none is published.
  """

  url: str
  size: int = 0
  sha256: str = ''


class Judged(NamedTuple):
  """How results on a set are measured in one task (paper section 4.1).

  Attributes:
    channels: 'rgb' or 'y' (MATLAB's), what PSNR and SSIM compare.
    border: pixels cropped at each side; 'scale' is the scale factor.
    seed: of the noise.
  """

  channels: str
  border: int | str = 0
  seed: int = 0

  def pixels(self, level: float) -> int:
    """The border in pixels at a level of the task."""
    if isinstance(self.border, int):
      return self.border
    return math.ceil(level)


# The protocol of each task for sets that define none.
USUAL = {
  'denoise': Judged('rgb'),
  'dejpeg': Judged('y'),
  'sr': Judged('y', 'scale'),
}


@dataclasses.dataclass(frozen=True)
class KnownSplit:
  """A split of a set.

  Attributes:
    count: number of images; None if any number is right.
    names: of the folder, or of the archive without its suffix, if each split of
      the set has its own.
    download: the official archive, if there is one.
  """

  count: int | None = None
  names: tuple[str, ...] = ()
  download: Download | None = None


@dataclasses.dataclass(frozen=True)
class ImageSet:
  """A set of images that papers use.

  Attributes:
    title: full name.
    splits: by name; 'train' is for training, 'valid' for validation.
    evaluate: the split that the set's name means in `evaluate.sets`; '' if the
      set is for training alone.
    sizes: (short side, long side) that an image may have, pixels; () is any.
    longest: the long side that all images have; 0 is any.
    by_hand: how to get the set without a download, for error messages.
    judged: protocols by task.
  """

  title: str
  splits: Mapping[str, KnownSplit]
  by_hand: str
  evaluate: str = ''
  sizes: tuple[tuple[int, int], ...] = ()
  longest: int = 0
  judged: Mapping[str, Judged] = dataclasses.field(default_factory=dict)

  def size_problem(self, height: int, width: int) -> str:
    """What is wrong with an image's size, or ''."""
    short, long = sorted((height, width))
    if self.longest and long != self.longest:
      return f'its longer side should have {self.longest} pixels'
    if self.sizes and (short, long) not in self.sizes:
      shown = ', '.join(f'{b} x {a}' for a, b in self.sizes)
      return f'it should be {shown}, either way round'
    return ''


_DIV2K = 'https://data.vision.ee.ethz.ch/cvl/DIV2K/'
_BSD = ((321, 481),)

SETS: dict[str, ImageSet] = {
  'div2k': ImageSet(
    title='DIV2K (Agustsson and Timofte, 2017), high resolution',
    splits={
      'train': KnownSplit(
        800,
        ('DIV2K_train_HR',),
        Download(
          f'{_DIV2K}DIV2K_train_HR.zip',
          3530603713,
          '9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335',
        ),
      ),
      'valid': KnownSplit(
        100,
        ('DIV2K_valid_HR',),
        Download(
          f'{_DIV2K}DIV2K_valid_HR.zip',
          448993893,
          '20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc',
        ),
      ),
    },
    by_hand=f'put DIV2K_train_HR.zip and DIV2K_valid_HR.zip of {_DIV2K} (or the'
    ' folders they unpack to) into one folder',
    evaluate='valid',
    longest=2040,
    judged={'sr': USUAL['sr']},
  ),
  'bsds': ImageSet(
    title='BSDS500 (Arbelaez et al., 2011), or a part of it',
    splits={
      'train': KnownSplit(
        download=Download(
          'https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping'
          '/BSR/BSR_bsds500.tgz'
        ),
      ),
      'valid': KnownSplit(),
      'cbsd68': KnownSplit(68),
    },
    by_hand='unpack BSR_bsds500.tgz of the Berkeley Segmentation Data Set 500'
    ' (or put any of its images) into one folder',
    sizes=_BSD,
  ),
  'cbsd68': ImageSet(
    title="CBSD68 (Roth and Black's 68 test images of BSD, in colour)",
    splits={'test': KnownSplit(68)},
    by_hand='put the 68 images into one folder',
    evaluate='test',
    sizes=_BSD,
    judged={'denoise': USUAL['denoise']},
  ),
  'kodak24': ImageSet(
    title='Kodak Lossless True Color Image Suite',
    splits={'test': KnownSplit(24)},
    by_hand='put kodim01.png to kodim24.png of https://r0k.us/graphics/kodak/'
    ' into one folder',
    evaluate='test',
    sizes=((512, 768),),
    judged={'denoise': USUAL['denoise']},
  ),
  'live1': ImageSet(
    title='LIVE image quality data base, release 1, reference images',
    splits={'test': KnownSplit(29)},
    by_hand='ask for the data base at'
    ' https://live.ece.utexas.edu/research/quality and put its 29 reference'
    ' images into one folder',
    evaluate='test',
    sizes=(
      (438, 634),
      (453, 618),
      (480, 720),
      (482, 627),
      (488, 610),
      (505, 632),
      (505, 634),
      (512, 640),
      (512, 768),
    ),
    judged={'dejpeg': USUAL['dejpeg']},
  ),
  'set5': ImageSet(
    title='Set5 (Bevilacqua et al., 2012)',
    splits={'test': KnownSplit(5)},
    by_hand='put its five high-resolution images into one folder',
    evaluate='test',
    sizes=((228, 344), (256, 256), (280, 280), (288, 288), (512, 512)),
    judged={'sr': USUAL['sr']},
  ),
  'set14': ImageSet(
    title='Set14 (Zeyde et al., 2010)',
    splits={'test': KnownSplit(14)},
    by_hand='put its fourteen high-resolution images into one folder',
    evaluate='test',
    sizes=(
      (250, 361),
      (276, 276),
      (288, 352),
      (362, 500),
      (391, 586),
      (480, 500),
      (512, 512),
      (512, 768),
      (529, 656),
      (576, 720),
    ),
    judged={'sr': USUAL['sr']},
  ),
  'image_folder': ImageSet(
    title='a folder of images',
    splits={'train': KnownSplit(), 'valid': KnownSplit()},
    by_hand='give the folder with --source',
  ),
}

# Names in BSD of the images of CBSD68.
_CBSD68 = """
3096 12084 14037 16077 19021 21077 24077 33039 101085 101087 102061 103070
105025 106024 108005 108070 108082 109053 119082 123074 126007 130026 134035
143090 145086 147091 148026 148089 157055 159008 160068 163085 167062 167083
170057 175032 175043 182053 189080 196073 197017 208001 210088 216081 219090
220075 223061 227092 229036 236037 241004 241048 253027 253055 260058 271035
285079 291000 295087 296007 296059 299086 300091 302008 304034 304074 306005
351093
"""
CBSD68 = frozenset(_CBSD68.split())

# Images of BSD that another set holds a crop of. Their pixels differ, so they
# are recognised by name. Set5's "woman" is cut from 302003.
BSD_CROPS = {'set5': frozenset({'302003'})}


def get(name: str) -> ImageSet:
  """The set called `name`.

  Raises:
    UserError: the set is unknown.
  """
  if name not in SETS:
    raise UserError(
      f'There is no data set {name!r}; choose one of {", ".join(SETS)}.'
    )
  return SETS[name]


def evaluation_names() -> list[str]:
  """Sets that `evaluate.sets` takes by name alone."""
  return [name for name, known in SETS.items() if known.evaluate]


def judged(name: str, task: str) -> Judged:
  """The protocol of a set in a task, or the task's usual one."""
  known = SETS.get(name)
  return (known.judged if known else {}).get(task, USUAL[task])

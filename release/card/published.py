"""Published results, for comparison on model cards.

PSNR in dB on the sets and protocols that cards use. Sizes are trainable
parameters; None if a paper does not state one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Published(NamedTuple):
  """Results of one method in a paper, on one set, under one protocol.

  Attributes:
    method: its name.
    parameters: in millions; None if there are none, or if unknown.
    set: name of the evaluation set, see `data.known`.
    noise: 'clipped' or 'float' for denoising; '' for other tasks.
    psnr: dB by level.
    paper: source of the numbers.
  """

  method: str
  parameters: float | None
  set: str
  noise: str
  psnr: Mapping[float, float]
  paper: str


_ADAFM = 'He, Dong, Qiao, CVPR 2019'
_DRUNET = 'Zhang et al., Plug-and-Play with Deep Denoiser Prior, TPAMI 2021'
_FBCNN = 'Jiang, Zhang, Timofte, ICCV 2021'

DENOISE = (
  Published(
    'AdaFM-Net',
    1.4,
    'cbsd68',
    'clipped',
    {15: 34.10, 25: 31.43, 35: 29.78, 50: 28.13, 75: 26.35},
    _ADAFM,
  ),
  Published(
    'DnCNN, colour',
    0.67,
    'cbsd68',
    'float',
    {15: 33.90, 25: 31.24, 50: 27.95},
    'Zhang et al., TIP 2017',
  ),
  Published(
    'FFDNet, colour',
    0.85,
    'cbsd68',
    'float',
    {15: 33.87, 25: 31.21, 50: 27.96, 75: 26.24},
    'Zhang, Zuo, Zhang, TIP 2018',
  ),
  Published(
    'DRUNet',
    32.6,
    'cbsd68',
    'float',
    {15: 34.30, 25: 31.69, 50: 28.51},
    _DRUNET,
  ),
  Published(
    'SwinIR',
    11.5,
    'cbsd68',
    'float',
    {15: 34.42, 25: 31.78, 50: 28.56},
    'Liang et al., ICCVW 2021',
  ),
)

DEJPEG = (
  Published(
    'the input',
    None,
    'live1',
    '',
    {10: 27.77, 20: 30.07, 30: 31.41, 40: 32.35},
    _FBCNN,
  ),
  Published(
    'ARCNN',
    0.11,
    'live1',
    '',
    {10: 28.96, 20: 31.29, 30: 32.67, 40: 33.63},
    'Dong et al., ICCV 2015',
  ),
  Published(
    'DnCNN-3',
    0.67,
    'live1',
    '',
    {10: 29.19, 20: 31.59, 30: 32.98, 40: 33.96},
    'Zhang et al., TIP 2017',
  ),
  Published(
    'AdaFM-Net',
    1.4,
    'live1',
    '',
    {80: 38.81, 60: 35.98, 40: 34.29, 20: 31.81, 10: 29.35},
    _ADAFM,
  ),
  Published(
    'CFSNet',
    None,
    'live1',
    '',
    {10: 29.36, 20: 31.71, 30: 33.16, 40: 34.16},
    'Wang et al., ICCV 2019',
  ),
  Published(
    'FBCNN',
    70,
    'live1',
    '',
    {10: 29.75, 20: 32.13, 30: 33.54, 40: 34.53},
    _FBCNN,
  ),
)

SR = (
  Published(
    'bicubic, the input',
    None,
    'set5',
    '',
    {3: 30.39, 4: 28.42},
    'Lim et al., CVPRW 2017',
  ),
  Published(
    'VDSR',
    0.67,
    'set5',
    '',
    {3: 33.66, 4: 31.35},
    'Kim, Lee, Lee, CVPR 2016',
  ),
  Published('AdaFM-Net', 1.4, 'set5', '', {3: 34.34, 4: 32.00}, _ADAFM),
  Published(
    'EDSR-baseline',
    1.5,
    'set5',
    '',
    {3: 34.37, 4: 32.12},
    'Lim et al., CVPRW 2017',
  ),
)

TASKS: dict[str, tuple[Published, ...]] = {
  'denoise': DENOISE,
  'dejpeg': DEJPEG,
  'sr': SR,
}


def find(task: str, set_name: str, noise: str) -> list[Published]:
  """The published results on a set, weakest first.

  Args:
    task: a key of `degrade.level.TASKS`.
    set_name: in lower case.
    noise: 'clipped' or 'float' for denoising; '' for other tasks.
  """
  return [
    one for one in TASKS[task] if (one.set, one.noise) == (set_name, noise)
  ]

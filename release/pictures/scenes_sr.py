"""Where the super-resolution model fails, shown and measured."""

from __future__ import annotations

import numpy as np

from adafm_jax.degrade import resize
from adafm_jax.degrade.jpeg import jpeg
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case
from adafm_jax.images.eight_bit import to_uint8
from release.pictures import studio
from release.pictures.studio import Scene, Studio

_QUALITY = 50


def failures(taken: Studio) -> list[Scene]:
  """All rows of the picture."""
  return [_texture(taken), _text(taken), _compressed(taken), _sampled(taken)]


def _texture(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case, restored, window = studio.at_worst(taken, 'brick', level)
  kept = studio.texture_kept(case.clean[window], restored[window])
  return Scene(
    'Fine texture',
    'Lines come out clean, but what is finer than the small image can carry'
    ' does not come back: the surface of brick and mortar is smooth,'
    f" {kept:.0%} of the fine variation in this detail is the original's.",
    studio.row(case, [(restored, 'restored')], window),
  )


def _text(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case, restored, window = studio.at_worst(taken, 'page', level)
  return Scene(
    'Small text',
    f'Letters that cannot be read in the small image cannot be read at x'
    f'{level:g} either: strokes get sharper, not right.',
    studio.row(case, [(restored, 'restored')], window),
  )


def _compressed(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case = taken.case(taken.photo('astronaut'), level)
  small = to_uint8(resize.imresize(case.clean / 255, 1 / level))
  spoilt = _enlarged(case, jpeg(small, _QUALITY), level)
  pictures = [taken.restore(one, level) for one in (case, spoilt)]
  gains = [
    _gain(one, x) for one, x in zip((case, spoilt), pictures, strict=True)
  ]
  return Scene(
    'A small image that was compressed',
    f'JPEG artefacts are taken for detail and sharpened: saved at quality'
    f' {_QUALITY} first, this photograph gains {gains[1]:+.2f} dB over bicubic'
    f' instead of {gains[0]:+.2f}. Restore such images with a DeJPEG model'
    ' first.',
    studio.row(spoilt, [(pictures[1], 'restored')], studio.FACE),
  )


def _sampled(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case = taken.case(taken.photo('astronaut'), level)
  step = int(level)
  picked = _enlarged(
    case, case.clean[step // 2 :: step, step // 2 :: step], step
  )
  restored = [taken.restore(one, level) for one in (case, picked)]
  gains = [
    _gain(one, x) for one, x in zip((case, picked), restored, strict=True)
  ]
  return Scene(
    'An image that was made small another way',
    'The model has learnt to undo bicubic reduction. Of every'
    f' {_ordinal(step)} pixel, picked without any smoothing, it gains'
    f' {gains[1]:+.2f} dB over bicubic instead of {gains[0]:+.2f}: steps are'
    ' sharpened into jags.',
    studio.row(picked, [(restored[1], 'restored')], studio.FACE),
  )


def _gain(case: Case, picture: np.ndarray) -> float:
  """What a picture gains over the bicubic enlargement, dB."""
  before = metrics.psnr(case.clean, to_uint8(case.degraded))
  return metrics.psnr(case.clean, picture) - before


def _ordinal(number: int) -> str:
  return {2: 'second', 3: 'third', 4: 'fourth'}.get(number, f'{number}th')


def _enlarged(case: Case, small: np.ndarray, scale: float) -> Case:
  """The case of another small image: its bicubic enlargement."""
  height, width, _ = case.clean.shape
  large = to_uint8(resize.imresize(small / 255, scale)) / np.float32(255)
  return Case(case.name, case.clean, large[:height, :width])

"""Where the denoiser fails, shown and measured."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from adafm_jax.estimate import level as estimate
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case
from adafm_jax.images import eight_bit as images
from adafm_jax.report.sheet import Cell
from release.pictures import studio
from release.pictures.studio import Scene, Studio

_BLUR = 0.7  # pixels; this Gaussian blur turns white noise into grain
_BY_EYE = 25.0
_STRONG = 50.0  # sigma


def failures(taken: Studio) -> list[Scene]:
  """All rows of the picture; weak noise spoils neither text nor flat tones."""
  if taken.model.levels.end < _STRONG:
    return [_texture(taken), _wrong_level(taken)]
  scenes = [_texture(taken), _text(taken), _flat(taken)]
  if taken.model.noise == 'clipped':
    scenes.append(_unclipped(taken))
  return [*scenes, _wrong_level(taken)]


def _texture(taken: Studio) -> Scene:
  level = taken.near(50)
  case, restored, window = studio.at_worst(taken, 'grass', level)
  kept = studio.texture_kept(case.clean[window], restored[window])
  return Scene(
    'Fine texture',
    f'At sigma {level:g}, {kept:.0%} of the fine variation in this detail of'
    " grass is still the grass's: the rest is smoothed away or made up. What"
    ' looks like noise is taken for noise.',
    studio.row(case, [(restored, 'restored')], window),
  )


def _text(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case, restored, window = studio.at_worst(taken, 'page', level)
  return Scene(
    'Small text',
    f'At sigma {level:g} letters fade and run together, and the paper gets'
    ' tinted patches. The network has seen photographs only, and knows no'
    ' letters.',
    studio.row(case, [(restored, 'restored')], window),
  )


def _flat(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case = taken.case(taken.photo('rocket'), level)
  restored = taken.restore(case, level)
  window = studio.flattest(case.clean)
  error = restored[window].astype(float) - case.clean[window]
  slow = ndimage.gaussian_filter(error, (4, 4, 0))
  return Scene(
    'Flat tones in very strong noise',
    f'At sigma {level:g} an even sky gets blotches many pixels wide: they make'
    f' up {np.mean(slow**2) / np.mean(error**2):.0%} of the squared error'
    f' (RMS {np.sqrt(np.mean(error**2)):.1f} of 255), and show more than their'
    ' size tells. The network sees too little of the picture to average them'
    ' out.',
    studio.row(case, [(restored, 'restored')], window),
  )


def _unclipped(taken: Studio) -> Scene:
  level = taken.model.levels.end
  image = taken.photo('rocket')
  clipped, floating = (
    taken.case(image, level, noise) for noise in ('clipped', 'float')
  )
  pictures = [taken.restore(case, level) for case in (clipped, floating)]
  psnr = [metrics.psnr(clipped.clean, picture) for picture in pictures]
  window = studio.highest(-clipped.clean.mean(axis=-1))
  return Scene(
    'Noise that was not clipped',
    'Trained on 8-bit images, the network has only seen noise that is cut off'
    ' at black and white; what lies beyond, as in float data, is new to it. At'
    f' sigma {level:g} this photograph comes out at {psnr[1]:.2f} dB instead of'
    f' {psnr[0]:.2f}, with much of the noise left in its dark parts. Clip such'
    ' images to 0..1 first.',
    [
      *studio.row(clipped, [(pictures[0], 'clipped')], window)[:2],
      studio.cell(floating, pictures[1], window, 'unclipped'),
      Cell(clipped.clean[window], 'original'),
    ],
  )


def _wrong_level(taken: Studio) -> Scene:
  given = [round(taken.model.levels.level(x), 1) for x in (1 / 6, 7 / 12, 1)]
  level = given[1]
  case = taken.case(taken.photo('astronaut'), level)
  pictures = [taken.restore(case, x) for x in given]
  psnr = [metrics.psnr(case.clean, picture) for picture in pictures]
  return Scene(
    'The wrong level',
    f'Noise of sigma {level:g} restored as {given[0]:g}, {given[1]:g} and'
    f' {given[2]:g}: {", ".join(f"{x:.2f}" for x in psnr)} dB over the whole'
    ' photograph. Too low leaves noise, which is the greater loss; too high'
    ' smooths.',
    studio.row(
      case,
      [(p, f'as {x:g}') for p, x in zip(pictures, given, strict=True)],
      studio.FACE,
    ),
  )


def camera(taken: Studio) -> list[Scene]:
  """A photograph with real grain, and one with artificial grain."""
  return [_grainy(taken), _correlated(taken)]


def _grainy(taken: Studio) -> Scene:
  photo = studio.photograph('grace_hopper')
  pixels = (photo / 255).astype(np.float32)
  sigma = estimate.estimate_sigma(pixels)
  flat = (slice(100, 212), slice(390, 502))
  grain, neighbours = _grain(photo[flat])
  lowest, by_eye = taken.near(sigma), taken.near(_BY_EYE)
  restored = [taken.model.restore(photo, level=x) for x in (lowest, by_eye)]
  left = [_grain(picture[flat])[0] for picture in restored]
  face = (slice(150, 310), slice(200, 360))
  return Scene(
    'A photograph on film',
    f'Its grain has a standard deviation of {grain:.1f} of 255 in the even'
    f' background, and neighbouring pixels share it (correlation'
    f' {neighbours:.2f}; white noise: 0). The estimator, which looks for white'
    f' noise, reads sigma {sigma:.1f}; sigma {lowest:g}, the nearest that the'
    f' model has, leaves {left[0]:.1f} of the grain; sigma {by_eye:g}'
    f' leaves {left[1]:.1f}. With the grain go the pores and lines of the skin.'
    ' A weaker effect is had by blending with the original.',
    [
      Cell(photo[face], 'as it is'),
      Cell(restored[0][face], f'sigma {lowest:g} (estimated)'),
      Cell(restored[1][face], f'sigma {by_eye:g} (too much)'),
    ],
  )


def _grain(patch: np.ndarray) -> tuple[float, float]:
  """Standard deviation and correlation of neighbours, of uint8 [H, W, 3]."""
  values = patch.astype(np.float64)
  values -= ndimage.gaussian_filter(values, (8, 8, 0))
  variance = np.mean(values**2)
  shared = np.mean(values[:, 1:] * values[:, :-1]) / variance
  return float(np.sqrt(variance)), float(shared)


def _correlated(taken: Studio) -> Scene:
  level = taken.near(25)
  image = taken.photo('chelsea')
  case = taken.case(image, level)
  white = np.random.default_rng(0).normal(0, 1, image.pixels.shape)
  smooth = ndimage.gaussian_filter(white, (_BLUR, _BLUR, 0))
  grain = level * smooth / smooth.std()
  noisy = np.clip(np.rint(image.pixels + grain), 0, 255) / 255
  grainy = Case(case.name, case.clean, noisy.astype(np.float32))
  read = estimate.estimate_sigma(grainy.degraded)
  pictures = [taken.restore(one, level) for one in (case, grainy)]
  psnr = [metrics.psnr(case.clean, picture) for picture in pictures]
  window = (slice(60, 60 + studio.DETAIL), slice(130, 130 + studio.DETAIL))
  return Scene(
    'Grain instead of white noise',
    f'Noise of sigma {level:g}, blurred over {_BLUR:g} pixels and brought back'
    ' to its strength, as cameras and scanners do that smooth, demosaic or'
    f' enlarge: {psnr[1]:.2f} dB instead of {psnr[0]:.2f} with white noise. The'
    f' estimator reads sigma {read:.1f}. What is left has the look of the'
    ' picture, which the network takes it for.',
    [
      studio.cell(case, images.to_uint8(case.degraded), window, 'white'),
      studio.cell(case, pictures[0], window, 'restored'),
      studio.cell(grainy, images.to_uint8(grainy.degraded), window, 'grain'),
      studio.cell(grainy, pictures[1], window, 'restored'),
    ],
  )

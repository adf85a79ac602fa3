"""Where the DeJPEG model fails, shown and measured."""

from __future__ import annotations

import numpy as np

from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import colour
from adafm_jax.degrade.jpeg import jpeg
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case
from adafm_jax.report.sheet import Cell
from release.pictures import studio
from release.pictures.studio import Scene, Studio


def failures(taken: Studio) -> list[Scene]:
  """All rows of the picture."""
  return [_chroma(taken), _texture(taken), _text(taken), _wrong(taken)]


def _chroma(taken: Studio) -> Scene:
  level = taken.model.levels.end
  photo = studio.photograph('coffee')
  stored = jpeg(photo, level)
  restored = taken.model.restore(stored, level=level)
  chroma = [
    colour.rgb_to_ycbcr(x.astype(float))[..., 1:] for x in (photo, stored)
  ]
  error = np.mean((chroma[0] - chroma[1]) ** 2, axis=-1)
  window = studio.highest(error)
  psnr = [metrics.psnr(photo, x) for x in (stored, restored)]
  luma = [metrics.psnr(photo, x, channels='y') for x in (stored, restored)]
  return Scene(
    'Colour',
    'Only luma is restored: bleeding and blocks of colour stay. At quality'
    f' {level:g} this photograph gains {luma[1] - luma[0]:.2f} dB in Y, and'
    f' {psnr[1] - psnr[0]:.2f} dB in RGB.',
    [
      Cell(stored[window], 'input'),
      Cell(restored[window], 'restored'),
      Cell(photo[window], 'original'),
    ],
  )


def _texture(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case, restored, window = studio.at_worst(taken, 'grass', level)
  kept = [
    studio.texture_kept(case.clean[window], x[window])
    for x in (np.rint(case.degraded * 255), restored)
  ]
  return Scene(
    'Fine texture',
    f'What the file has dropped does not come back: of the fine variation in'
    f" this detail of grass, {kept[0]:.0%} is the original's in the JPEG of"
    f' quality {level:g}, and {kept[1]:.0%} when it is restored, smoother.',
    studio.row(case, [(restored, 'restored')], window),
  )


def _text(taken: Studio) -> Scene:
  level = taken.model.levels.end
  case, restored, window = studio.at_worst(taken, 'page', level)
  return Scene(
    'Text',
    f'At quality {level:g} ringing around letters is only weakened, since the'
    ' network has seen photographs only.',
    studio.row(case, [(restored, 'restored')], window),
  )


def _wrong(taken: Studio) -> Scene:
  start, end = taken.model.levels.start, taken.model.levels.end
  middle = round(taken.near(40))
  case = taken.case(taken.photo('astronaut'), middle)
  given = (start, middle, end)
  pictures = [taken.restore(case, x) for x in given]
  psnr = [metrics.psnr(case.clean, picture) for picture in pictures]
  shifted = _shifted(taken, end)
  return Scene(
    'The wrong quality',
    f'Quality {middle:g} restored as {given[0]:g}, {given[1]:g} and'
    f' {given[2]:g}: {", ".join(f"{x:.2f}" for x in psnr)} dB over the whole'
    f' photograph. Saved at {end:g}, then cropped and saved again at 90, it'
    f' comes to {shifted[1]:.2f} dB as {start:g} and to {shifted[0]:.2f} dB as'
    f' {end:g}: give the quality of the worst compression, not of the last.',
    studio.row(
      case,
      [(p, f'as {x:g}') for p, x in zip(pictures, given, strict=True)],
      studio.FACE,
    ),
  )


def _shifted(taken: Studio, end: float) -> tuple[float, float]:
  """PSNR of a twice saved photograph, restored for the end and the start."""
  image = taken.photo('astronaut')
  twice = jpeg(jpeg(image.pixels, end)[3:, 3:], 90)
  cut = NamedImage(image.name, image.pixels[3:, 3:])
  case = Case(cut.name, cut.pixels, (twice / 255).astype(np.float32))
  first, second = (
    metrics.psnr(cut.pixels, taken.restore(case, x))
    for x in (end, taken.model.levels.start)
  )
  return first, second

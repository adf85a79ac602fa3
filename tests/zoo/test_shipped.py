"""Every released model restores a photograph as well as it did when released.

The photograph comes with scikit-image, so that this runs on any machine, and no
released model was trained on it.
"""

import functools

import numpy as np
import pytest
import skimage.data

from adafm_jax import zoo
from adafm_jax.degrade import resize
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.evaluate import metrics
from adafm_jax.images import eight_bit as images

# PSNR in dB by `Model.restore`, with the weights as they were released, at both
# ends and between them.
STATED: dict[str, dict[float, float]] = {
  'denoise': {15: 35.999, 45: 31.508, 75: 28.882},
  'dejpeg': {80: 41.074, 30: 37.118, 10: 33.436},
  'sr': {3: 33.932, 3.6: 32.93, 4: 32.133},
  'sr-small': {3: 32.937, 3.6: 31.728, 4: 30.935},
  'denoise-small': {15: 35.161, 45: 30.098, 75: 27.498},
  'denoise-fine': {2: 44.584, 8: 38.017, 20: 33.339},
  'dejpeg-small': {80: 40.616, 30: 36.394, 10: 32.38},
}
# Rounding differs by processor; a spoilt network differs by more.
SLACK = 0.03
load = functools.cache(zoo.load)
_DENOISERS = [name for name in STATED if name.startswith('denoise')]


def _given(model, clean, level):
  """What a user has: the photograph, degraded, as uint8."""
  if model.levels.task == 'sr':
    return images.to_uint8(resize.imresize(clean, 1 / level) / 255)
  degradation = Degradation(model.levels.task)
  return images.to_uint8(degradation.apply(clean, level, name='coffee'))


def _psnr(model, level):
  """PSNR of what is given, enlarged if it is small, and of the result."""
  clean = images.to_channels(skimage.data.coffee(), model.arch.channels)
  clean = clean[60:240, 120:300]
  given = _given(model, clean, level)
  restored = model.restore(given, level=level)
  if model.levels.task == 'sr':
    given = images.to_uint8(resize.imresize(given, level) / 255)
  return [metrics.psnr(clean, x) for x in (given, restored)]


def test_every_released_model_is_stated():
  assert STATED.keys() == zoo.entries().keys()
  for name, levels in STATED.items():
    span = load(name).levels
    assert {span.start, span.end} < levels.keys()


@pytest.mark.parametrize(
  ('name', 'level'), [(name, x) for name in STATED for x in STATED[name]]
)
def test_it_restores_as_well_as_stated(name, level):
  before, after = _psnr(load(name), level)
  assert after == pytest.approx(STATED[name][level], abs=SLACK)
  assert after > before


@pytest.mark.parametrize('name', zoo.entries())
def test_between_the_ends_the_level_matters(name):
  """The curve's strength serves a middle level better than either end's."""
  model = load(name)
  if model.levels.task == 'sr':
    pytest.skip('its levels are sizes: x3 and x4 differ by little')
  middle = sorted(STATED[name])[1]
  clean = images.to_channels(skimage.data.coffee(), model.arch.channels)
  clean = clean[60:240, 120:300]
  given = _given(model, clean, middle)
  found = [
    metrics.psnr(clean, model.restore(given, strength=s))
    for s in (0, model.strength(middle), 1)
  ]
  assert np.argmax(found) == 1


@pytest.mark.parametrize('name', _DENOISERS)
@pytest.mark.parametrize('value', [0, 255])
def test_black_and_white_are_not_left_grey(name, value):
  """Noise that is clipped to 8 bits lifts black, by 6 of 255 at sigma 15."""
  model = load(name)
  clean = np.full((96, 96, 3), value, np.uint8)
  clean[36:60, 36:60] = (200, 30, 40)
  for level in (model.levels.start, model.levels.end):
    noisy = Degradation('denoise').apply(clean, level, name='square')
    margin = model.restore(images.to_uint8(noisy), level=level)[:24]
    lifted = abs(float(images.to_uint8(noisy)[:24].mean()) - value)
    assert lifted > 0.3 * level
    assert abs(float(margin.mean()) - value) < 0.3 + 0.12 * lifted


@pytest.mark.parametrize('black', [0, 4, 16])
@pytest.mark.parametrize('name', ['dejpeg', 'dejpeg-small', 'sr', 'sr-small'])
def test_shadows_of_grey_and_of_enlarged_pictures_stay(name, black):
  """Former weights lifted them, those of grey pictures by up to 20 of 255.

  Black is 0 in a grey picture, and 16 where it is MATLAB's Y.
  """
  model = load(name)
  channels = model.arch.channels
  clean = np.full((96, 96, channels), black, np.uint8)
  square = np.random.default_rng(0).integers(60, 200, (24, 24, channels))
  clean[36:60, 36:60] = square
  for level in (model.levels.start, model.levels.end):
    given = _given(model, clean, level)
    restored = model.restore(given, level=level)[:24]
    most = 1.0
    if black == 4 or name == 'dejpeg-small':
      # Steps of JPEG move it by more, at quality 10.
      most = max(most, abs(float(given[:6].mean()) - black))
    assert abs(float(restored.mean()) - black) < most


def test_together_they_are_small():
  sizes = [entry.path.stat().st_size for entry in zoo.entries().values()]
  assert sum(sizes) < 15e6

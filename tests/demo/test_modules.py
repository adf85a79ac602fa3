"""What the page computes beside the network, against the package's own."""

import base64
import dataclasses
import io

import numpy as np
import pytest
import released
from PIL import Image
from skimage import data

from adafm_jax import zoo
from adafm_jax.degrade import noise as noises
from adafm_jax.degrade import resize
from adafm_jax.demo import weights
from adafm_jax.engine import preview
from adafm_jax.evaluate import metrics
from adafm_jax.model_file import curve as curves

_PICTURE = """const picture = (width, height, text) => {
  const data = Uint8ClampedArray.from(atob(text), (c) => c.charCodeAt(0));
  const grey = data.every((value, i) => i % 4 > 2 || value === data[i & ~3]);
  return {width, height, data, grey};
};"""


@pytest.fixture(scope='module')
def page(engine):
  return engine.page


def _sent(rgb):
  """A picture as the arguments of `picture`."""
  rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
  text = base64.b64encode(rgba.astype(np.uint8).tobytes()).decode()
  return [rgb.shape[1], rgb.shape[0], text]


def _call(page, body, *arguments):
  return page.evaluate(
    f'async (given) => {{ {_PICTURE} {body} }}', list(arguments)
  )


@pytest.mark.parametrize('scale', [3.4, 1 / 3, 1])
def test_resizing_is_the_packages(page, scale):
  rgb = data.chelsea()[100:123, 90:121]
  found = _call(
    page,
    """const {imresize} = await import('/resize.js');
    const {width, height, data} = imresize(picture(...given[0]), given[1]);
    return {width, height, data: Array.from(data)};""",
    _sent(rgb),
    scale,
  )
  expected = resize.imresize(rgb, scale)
  shape = (found['height'], found['width'], 4)
  result = np.reshape(found['data'], shape)[..., :3]
  np.testing.assert_allclose(result, expected, atol=1e-3)


def test_shrinking_and_enlarging_keeps_the_grid(page):
  rgb = data.chelsea()[100:131, 90:137]
  found = _call(
    page,
    """const {shrinkAndEnlarge} = await import('/degrade.js');
    const made = shrinkAndEnlarge(picture(...given[0]), given[1]);
    return Array.from(made.data);""",
    _sent(rgb),
    3.2,
  )
  expected = resize.shrink_and_enlarge(rgb, 3.2).clip(0, 255)
  result = np.reshape(found, (31, 47, 4))[..., :3]
  np.testing.assert_allclose(result, expected, atol=0.51)


def test_strengths_of_levels_are_the_models(page):
  for task in ('denoise', 'dejpeg', 'sr'):
    model = zoo.load(released.small(task))
    piecewise = curves.fit_piecewise(
      model.curve.levels, model.curve.strengths, *_ends(model)
    )
    for curve in (model.curve, piecewise, None):
      shown = dataclasses.replace(model, curve=curve)
      levels = np.linspace(*_ends(model), 21).tolist()
      found = _call(
        page,
        """const {strengthOf} = await import('/engine/model.js');
        return given[1].map((level) => strengthOf(given[0], level));""",
        weights.describe(shown, task),
        levels,
      )
      straight = np.linspace(0, 1, 21)
      expected = curve.strength(levels) if curve else straight
      np.testing.assert_allclose(found, expected, atol=1e-12)


def _ends(model):
  return model.levels.start, model.levels.end


@pytest.mark.parametrize('sigma', [15, 30, 50, 70])
@pytest.mark.parametrize('name', ['chelsea', 'coffee', 'astronaut'])
def test_noise_is_estimated_on_the_bundled_pictures(page, name, sigma):
  clean = getattr(data, name)()[:256, :384]
  noisy = noises.add_noise_numpy(clean, sigma, clipped=True, seed=0, name=name)
  found = _call(
    page,
    """const {estimateSigma} = await import('/estimate.js');
    return estimateSigma(picture(...given[0]));""",
    _sent(np.rint(noisy * 255)),
  )
  assert abs(found - sigma) < 1.5 + 0.04 * sigma


def test_nothing_is_estimated_on_a_small_picture(page):
  noisy = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
  assert (
    _call(
      page,
      """const {estimateSigma} = await import('/estimate.js');
      return estimateSigma(picture(...given[0]));""",
      _sent(noisy),
    )
    is None
  )


def test_noise_that_is_added_has_its_sigma_and_is_the_same_each_time(page):
  rgb = np.full((64, 64, 3), (100, 128, 150), np.uint8)
  results = [
    np.reshape(
      _call(
        page,
        """const {addNoise} = await import('/degrade.js');
        return Array.from(addNoise(picture(...given[0]), 20).data);""",
        _sent(rgb),
      ),
      (64, 64, 4),
    )
    for _ in range(2)
  ]
  np.testing.assert_array_equal(*results)
  added = results[0][..., :3] - rgb.astype(float)
  np.testing.assert_allclose(added.std(axis=(0, 1)), 20, rtol=0.05)
  assert (
    abs(np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1]) < 0.06
  )
  assert (results[0][..., 3] == 255).all()


@pytest.mark.parametrize('quality', [10, 37, 80])
def test_quality_is_read_off_a_file(page, quality):
  file = io.BytesIO()
  Image.fromarray(data.chelsea()[:40, :40]).save(file, 'JPEG', quality=quality)
  body = """const {readQuality} = await import('/estimate.js');
    return readQuality(new Blob([Uint8Array.from(atob(given[0]),
      (c) => c.charCodeAt(0))]));"""
  text = base64.b64encode(file.getvalue()).decode()
  assert _call(page, body, text) == quality
  assert _call(page, body, base64.b64encode(b'no JPEG').decode()) is None


def test_psnr_is_the_packages(page):
  clean = data.chelsea()[:30, :40]
  noisy = noises.add_noise_numpy(clean, 25, clipped=True, seed=0, name='a')
  noisy = np.rint(noisy * 255).astype(np.uint8)
  for luma, other in ((False, noisy), (True, noisy), (False, clean)):
    found = _call(
      page,
      """const {psnr} = await import('/pictures.js');
      return psnr(picture(...given[0]).data, picture(...given[1]).data,
        given[2]);""",
      _sent(clean),
      _sent(other),
      luma,
    )
    expected = metrics.psnr(
      clean, other, border=0, channels='y' if luma else 'rgb'
    )
    assert found == pytest.approx(min(expected, metrics.BEST), abs=0.01)


def test_half_floats_round_as_numpys(page):
  rng = np.random.default_rng(0)
  values = np.concatenate(
    [
      rng.normal(size=500),
      rng.normal(size=200) * 1e-5,
      [0, -0.0, 1, 65504, 6e-8, 2**-14, 2**-25, 1e-9, 1 + 2**-11],
    ]
  ).astype(np.float32)
  found = _call(
    page,
    """const {halves} = await import('/engine/layout.js');
    return Array.from(halves(Float32Array.from(given[0])));""",
    values.tolist(),
  )
  expected = values.astype(np.float16).view(np.uint16)
  np.testing.assert_array_equal(found, expected)


def test_the_servers_blend_is_that_of_the_preview(page):
  found = _call(
    page,
    """const {ServerEngine} = await import('/engine/server.js');
    const engine = new ServerEngine(given[0], new URL('http://nowhere/'));
    return given[1].map((strength) => engine.weights(strength));""",
    {
      'nodes': preview.NODES,
      'coefficients': preview.coefficients().tolist(),
    },
    [0, 0.03, 0.5, 0.77, 1],
  )
  expected = [preview.weights(s) for s in (0, 0.03, 0.5, 0.77, 1)]
  np.testing.assert_allclose(found, expected, atol=1e-9)

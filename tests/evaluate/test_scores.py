import jax
import numpy as np
import pytest
import tiny_models
from skimage import metrics as oracle

from adafm_jax.data.image import NamedImage
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine import plan
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import metrics, scores
from adafm_jax.evaluate.protocol import Protocol, make_case, make_cases
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture


def _image(name, shape, seed=0):
  height, width, channels = shape
  y, x = np.mgrid[:height, :width]
  waves = [np.sin(x / 7 + c) * np.cos(y / (4 + c)) for c in range(channels)]
  noise = np.random.default_rng(seed).normal(0, 9, shape)
  picture = 128 + 90 * np.stack(waves, axis=-1) + noise
  return NamedImage(name, np.clip(picture, 0, 255).astype(np.uint8))


def _network(channels=3, memory=10**9):
  arch = Architecture(features=8, blocks=1, channels=channels, kernel=3)
  params = tiny_models.random_params(arch)
  params['tail']['kernel'] *= np.float32(0.3)
  params['tail']['bias'] += np.float32(0.5)
  return Network(arch, params, memory=memory)


STRENGTHS = np.array([0, 0.4, 1])


@pytest.mark.parametrize(
  ('task', 'level', 'channels'),
  [('denoise', 30, 3), ('dejpeg', 20, 1), ('dejpeg', 40, 3), ('sr', 3.4, 3)],
)
@pytest.mark.parametrize('passes', [1, 2, 9])
def test_psnr_grid_is_that_of_the_restored_images(
  task, level, channels, passes
):
  one = plan.whole_bytes(Architecture(features=8), 33, 46)
  network = _network(channels, memory=passes * one)
  images = [
    _image('a', (33, 46, channels)),
    _image('b', (24, 31, channels), 1),
  ]
  protocol = Protocol.of(task)
  cases = make_cases(images, level, protocol)
  grid = scores.psnr_grid(network, cases, STRENGTHS, protocol, level)
  assert grid.shape == (3, 2)
  apply = restorer.make_apply(network.arch)
  for j, case in enumerate(cases):
    pictures = scores.restore(network, case, STRENGTHS)
    assert pictures.dtype == np.uint8
    for i, strength in enumerate(STRENGTHS):
      alone = apply(network.params, case.degraded[None], np.float32(strength))
      off = 255 * np.clip(np.asarray(alone)[0], 0, 1) - pictures[i]
      assert np.abs(off).max() < 0.51
      wanted = metrics.psnr(
        case.clean,
        pictures[i],
        border=4 if task == 'sr' else 0,
        channels='rgb' if task == 'denoise' else 'y',
      )
      assert grid[i, j] == pytest.approx(wanted, abs=2e-3)
  assert np.ptp(grid, axis=0).min() > 0.02


def test_protocols_of_the_paper():
  assert Protocol.of('denoise').channels == 'rgb'
  assert Protocol.of('denoise', luma=True).label.startswith('Y, ')
  assert Protocol.of('dejpeg').channels == Protocol.of('sr').channels == 'y'
  borders = [Protocol.of('sr').border(s) for s in (2, 3, 3.4, 4)]
  assert borders == [2, 3, 4, 4]
  assert Protocol.of('denoise').border(50) == 0
  assert Protocol.of('dejpeg').border(10) == 0
  labels = {
    Protocol.of(*names).label
    for names in (('denoise',), ('denoise', 'float'), ('dejpeg',), ('sr',))
  }
  assert labels == {
    'RGB, noisy input clipped to 8 bits',
    'RGB, noisy input unclipped',
    'Y, Pillow JPEG',
    'Y, border of the scale cropped',
  }


def test_whole_scales_crop_to_a_multiple():
  image = _image('a', (34, 47, 3))
  for level, shape in ((3, (33, 45, 3)), (4, (32, 44, 3)), (3.4, (34, 47, 3))):
    case = make_case(image, level, Protocol.of('sr'))
    assert case.clean.shape == case.degraded.shape == shape
    height, width, _ = shape
    np.testing.assert_array_equal(case.clean, image.pixels[:height, :width])


def test_noise_is_fixed_whatever_else_is_in_the_set():
  first, second = _image('a', (20, 30, 3)), _image('b', (20, 30, 3))
  for noise in ('clipped', 'float'):
    protocol = Protocol.of('denoise', noise)
    both = make_cases([first, second], 25, protocol)
    (alone,) = make_cases([second], 25, protocol)
    np.testing.assert_array_equal(both[1].degraded, alone.degraded)
    assert (both[0].degraded != both[1].degraded).mean() > 0.9
  other = Protocol(Degradation('denoise', 'float'), seed=1)
  (reseeded,) = make_cases([second], 25, other)
  assert (reseeded.degraded != alone.degraded).mean() > 0.9


def _by_method(rows):
  assert [s.method for s in rows] == ['input', 'start', 'end', 'curve']
  return {s.method: s for s in rows}


def test_score_set_against_scikit_image():
  network = _network()
  images = [_image('a', (21, 30, 3)), _image('b', (24, 18, 3), 1)]
  protocol = Protocol.of('denoise')
  rows = _by_method(
    scores.score_set(
      network,
      images,
      name='two',
      level=40.0,
      strength=0.4,
      protocol=protocol,
    )
  )
  strengths = {'input': None, 'start': 0.0, 'end': 1.0, 'curve': 0.4}
  for method, score in rows.items():
    assert (score.set, score.level) == ('two', 40.0)
    assert score.protocol == 'RGB, noisy input clipped to 8 bits'
    assert score.strength == strengths[method]
    measured = []
    for image, row in zip(images, score.images, strict=True):
      case = make_case(image, 40.0, protocol)
      picture = (
        np.rint(255 * case.degraded).astype(np.uint8)
        if method == 'input'
        else scores.restore(network, case, np.array([score.strength]))[0]
      )
      psnr = oracle.peak_signal_noise_ratio(case.clean, picture)
      ssim = oracle.structural_similarity(
        case.clean,
        picture,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
      )
      assert row[0] == image.name
      np.testing.assert_allclose(row[1:], (psnr, ssim), atol=2e-3)
      measured.append(row[1:])
    np.testing.assert_allclose(
      (score.psnr, score.ssim), np.mean(measured, axis=0)
    )
  assert len({round(s.psnr, 2) for s in rows.values()}) == 4


def test_unclipped_input_is_judged_as_it_is():
  """20 log10(255 / 50) = 14.15 dB, the paper's field's figure (facts.md)."""
  images = [_image('a', (220, 210, 3))]
  options = {'name': 's', 'level': 50.0, 'strength': 0.5, 'ssim': False}
  found = {
    noise: _by_method(
      scores.score_set(
        _network(), images, protocol=Protocol.of('denoise', noise), **options
      )
    )['input']
    for noise in ('clipped', 'float')
  }
  assert found['float'].psnr == pytest.approx(14.15, abs=0.05)
  assert found['clipped'].psnr > found['float'].psnr + 0.3
  assert found['float'].ssim is None
  luma = Protocol(Degradation('denoise', 'float'), 'y')
  rows = scores.score_set(_network(), images, protocol=luma, **options)
  # Y's noise is smaller by the norm of its weights (65.481, ...) / 255.
  weights = np.array([65.481, 128.553, 24.966]) / 255
  gain = -10 * np.log10((weights**2).sum())
  assert rows[0].psnr == pytest.approx(14.15 + gain, abs=0.05)


def test_the_noisy_input_is_judged_inside_the_border():
  image = NamedImage('grey', np.full((32, 32, 3), 128, np.uint8))
  protocol = Protocol(Degradation('denoise', 'float'), shave=12)
  assert protocol.label == (
    'RGB, noisy input unclipped, border of 12 pixels cropped'
  )
  (row,) = scores.score_methods(
    [image],
    {},
    lambda case: [],
    name='s',
    level=50,
    protocol=protocol,
    ssim=False,
  )
  noise = make_case(image, 50, protocol).degraded * 255.0 - 128
  inside = noise[12:20, 12:20]
  psnr = 20 * np.log10(255 / np.sqrt(np.mean(inside**2)))
  assert row.psnr == pytest.approx(psnr, abs=1e-4)
  assert abs(20 * np.log10(255 / noise.std()) - psnr) > 0.1


def test_a_network_without_error_has_100_db_in_the_mean_too():
  arch = Architecture(features=8, blocks=1)
  params = jax.tree.map(np.zeros_like, tiny_models.random_params(arch))
  image = NamedImage('black', np.zeros((16, 16, 3), np.uint8))
  protocol = Protocol.of('denoise')
  cases = make_cases([image], 0.0, protocol)
  network = Network(arch, params)
  assert scores.mean_psnr(network, cases, 0.5, protocol, 0.0) == 100


@pytest.mark.parametrize(('task', 'level'), [('sr', 2), ('denoise', 0)])
def test_an_input_without_error_counts_as_100_db(task, level):
  image = NamedImage('flat', np.full((16, 16, 3), 77, np.uint8))
  rows = scores.score_methods(
    [image],
    {},
    lambda case: [],
    name='s',
    level=level,
    protocol=Protocol.of(task),
    ssim=False,
  )
  assert rows[0].psnr == 100

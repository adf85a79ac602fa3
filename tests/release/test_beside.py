"""Models beside each other, image by image."""

import jax
import numpy as np
import pytest
import tiny_models

from adafm_jax.data.image import NamedImage
from adafm_jax.errors import UserError
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Protocol, make_case
from adafm_jax.images.eight_bit import to_uint8
from release import beside


def _images(shape=(20, 26, 3)):
  rng = np.random.default_rng(0)
  return [NamedImage(n, rng.integers(0, 256, shape, np.uint8)) for n in 'abc']


def _psnr(model, image, noise):
  case = make_case(image, 40.0, Protocol.of('denoise', noise))
  output = jax.jit(model.apply)(
    model.params, case.degraded[None], np.float32(model.strength(40.0))
  )
  return metrics.psnr(case.clean, to_uint8(np.asarray(output[0])))


@pytest.mark.parametrize('noise', ['clipped', 'float'])
def test_images_on_which_the_last_is_furthest_behind_come_first(noise):
  models = {n: tiny_models.random_model(seed=i) for i, n in enumerate('xy')}
  found = beside.compare(models, {'some': _images()}, [40.0], noise=noise)
  label, header, *lines = found.splitlines()
  assert label.startswith('some (')
  assert label.endswith(', sigma 40')
  assert header.split() == ['image', 'input', 'x', 'y']
  wanted = {
    image.name: [_psnr(model, image, noise) for model in models.values()]
    for image in _images()
  }
  behind = sorted(wanted, key=lambda n: wanted[n][1] - wanted[n][0])
  assert [line.split()[0] for line in lines] == [*behind, 'mean']
  wanted['mean'] = np.mean(list(wanted.values()), axis=0)
  for line in lines:
    name, _, *values = line.split()
    np.testing.assert_allclose(np.float64(values), wanted[name], atol=0.012)


def test_models_of_other_tasks_are_refused():
  models = {
    'x': tiny_models.random_model(),
    'y': tiny_models.random_model(channels=1),
  }
  with pytest.raises(UserError, match='channel'):
    beside.compare(models, {'some': _images()}, [40.0])

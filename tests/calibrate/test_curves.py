"""A run's calibration is kept for the network and images it was made of."""

import numpy as np
import pytest
import small_configs
import tiny_models

from adafm_jax.calibrate import curves
from adafm_jax.data.image import NamedImage
from adafm_jax.engine.run import Network
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(4, 1, 3, 1)
CONFIG = small_configs.parse(
  calibrate__levels='15,45,75', calibrate__grid='0,0.5,1', calibrate__order=1
)


def _images(seed):
  pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
  return [NamedImage('same name', pixels)]


@pytest.mark.parametrize(
  ('weights', 'images', 'read'), [(0, 0, True), (1, 0, False), (0, 1, False)]
)
def test_a_calibration_is_read_again_for_what_it_was_made_of(
  tmp_path, capsys, weights, images, read
):
  def find(weights, images):
    network = Network(ARCH, tiny_models.random_params(ARCH, seed=weights))
    return curves.find_curve(CONFIG, tmp_path, network, _images(images))

  first = find(0, 0)
  capsys.readouterr()
  second = find(weights, images)
  assert ('read from' in capsys.readouterr().out) == read
  peaks = [[m.psnr.max() for m in x.measurements] for x in (first, second)]
  assert (peaks[0] == peaks[1]) == read

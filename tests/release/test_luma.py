import numpy as np
import tiny_models

from adafm_jax.model import Model
from release import luma


def test_on_grey_images_it_is_the_colour_network(tmp_path, capsys):
  colour = tiny_models.random_model()
  colour.save(tmp_path / 'colour.safetensors')
  output = tmp_path / 'luma.safetensors'
  luma.main([str(tmp_path / 'colour.safetensors'), '-o', str(output)])
  found = Model.load(output)
  assert found.arch.channels == 1
  grey = np.random.default_rng(0).random((2, 12, 14, 1), np.float32)
  for strength in (0.0, 0.7):
    expected = colour.apply(colour.params, grey.repeat(3, axis=-1), strength)
    given = np.asarray(expected)
    assert np.ptp(given, axis=-1).max() > 1e-3  # its channels differ
    np.testing.assert_allclose(
      found.apply(found.params, grey, strength),
      given.mean(axis=-1, keepdims=True),
      atol=1e-6,
    )
  assert luma.main([str(output), '-o', str(output)]) == 2
  assert 'luma network already' in capsys.readouterr().err

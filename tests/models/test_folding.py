import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_models

from adafm_jax.errors import UserError
from adafm_jax.models import folding, restorer
from adafm_jax.models.architecture import Architecture


@pytest.mark.parametrize('trunk', [False, True])
def test_folding_equals_the_unfolded_network(trunk):
  _, arch, params = tiny_models.authors_network(1, trunk=trunk)
  image = np.random.default_rng(1).random((2, 7, 10, 3), np.float32)
  apply = jax.jit(restorer.make_apply(arch))
  basic = jax.jit(restorer.make_apply(arch.basic))
  shapes = jax.tree.map(jnp.shape, restorer.parameter_shapes(arch.basic))
  per_layer = np.linspace(0.9, 0.1, arch.adafm_layers, dtype=np.float32)
  for strength in (0.0, 0.4, 1.0, per_layer):
    folded = folding.fold(params, arch, strength)
    assert jax.tree.map(jnp.shape, folded) == shapes
    wanted = strength if np.ndim(strength) == 0 else strength[:, None]
    expected = apply(params, image, wanted)
    actual = basic(folded, image, 0.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-6)
  assert np.abs(expected - apply(params, image, 0.0)).max() > 0.01


def test_folding_refuses_what_it_cannot_do():
  after = Architecture(4, 2, 3, 1, 'activation')
  for arch, words in (
    (Architecture(4, 2, 3, 3), 'kernel 3'),
    (after, "placement 'activation'"),
    (after.basic, 'kernel 0'),
  ):
    with pytest.raises(UserError, match=words):
      folding.fold({}, arch, 0.5)

"""StableHLO files, called in a process that has no adafm_jax."""

import dataclasses
import subprocess
import sys

import jax
import numpy as np
import pytest
import released
import tiny_models
from jax import export as jax_export

from adafm_jax.export import stablehlo
from adafm_jax.models import restorer

pytest.importorskip(
  'flatbuffers', reason='the extra stablehlo is not installed'
)

CALL = """
import sys
sys.modules['adafm_jax'] = sys.modules['flax'] = None  # neither is needed
import jax, numpy as np
model = jax.export.deserialize(bytearray(open('file.stablehlo', 'rb').read()))
given = np.load('given.npz')
images = [x for x in given if x.startswith('image')]
np.savez('found.npz', **{
  x: model.call(given[x], given[x.replace('image', 'strength')])
  for x in images
})
"""
SIZES = [(1, 7, 10), (2, 6, 5)]


@pytest.mark.parametrize('as_map', [False, True])
def test_another_process_calls_it_at_any_size(as_map, tmp_path):
  model = released.with_bends(kernel=1 if as_map else 5)
  path = tmp_path / 'file.stablehlo'
  stablehlo.write(path, model, model.params, as_map=as_map)
  rng = np.random.default_rng(0)
  given = {}
  for i, size in enumerate(SIZES):
    given[f'image_{i}'] = rng.random((*size, 3), np.float32)
    shape = size if as_map else size[:1]
    given[f'strength_{i}'] = rng.random(shape, np.float32)
  np.savez(tmp_path / 'given.npz', **given)
  subprocess.run(
    [sys.executable, '-c', CALL], cwd=tmp_path, check=True, timeout=120
  )
  apply = jax.jit(model.apply)
  with np.load(tmp_path / 'found.npz') as found:
    for i in range(len(SIZES)):
      image, strength = given[f'image_{i}'], given[f'strength_{i}']
      expected = apply(model.params, image, strength)
      np.testing.assert_allclose(
        found[f'image_{i}'], expected, rtol=0, atol=1e-5
      )
      other = apply(model.params, image, 1 - strength)
      assert np.abs(other - expected).max() > 1e-3


def test_it_is_for_every_platform_and_size():
  model = tiny_models.random_model(kernel=5)
  data = stablehlo.build(model, model.params, as_map=False)
  found = jax_export.deserialize(bytearray(data))
  assert found.platforms == ('cpu', 'cuda', 'tpu')
  (output,) = found.out_avals
  assert [str(x) for x in output.shape] == ['b', 'h', 'w', '3']
  # Grouped convolutions where they are fast, multiply-adds on the CPU.
  text = found.mlir_module()
  assert 'feature_group_count = 6' in text
  assert 'case' in text


def test_a_basic_model_has_a_strength_without_effect():
  model = tiny_models.random_model()
  basic = dataclasses.replace(
    model,
    arch=model.arch.basic,
    params=restorer.backbone(model.params),
  )
  data = stablehlo.build(basic, basic.params, as_map=False)
  image = np.random.default_rng(0).random((1, 4, 6, 3), np.float32)
  call = jax_export.deserialize(bytearray(data)).call
  results = [call(image, np.float32([s])) for s in (0, 1)]
  np.testing.assert_array_equal(*results)
  told = stablehlo.about(basic, as_map=False)
  assert 'strength [B] (which changes nothing' in told

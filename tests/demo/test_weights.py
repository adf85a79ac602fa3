import json

import numpy as np
import released
import safetensors.numpy
import tiny_models

from adafm_jax import zoo
from adafm_jax.demo import weights
from adafm_jax.models import parameters


def _metadata(file):
  length = int.from_bytes(file[:8], 'little')
  return json.loads(json.loads(file[8 : 8 + length])['__metadata__']['adafm'])


def test_every_weight_arrives_exactly_and_bends_are_written_out():
  model = zoo.load(released.small('denoise'))
  file = weights.export(model, 'denoise')
  found = safetensors.numpy.load(file)
  expected = parameters.flatten(model.params)
  assert found.keys() == expected.keys()
  assert 'block_00/adafm_1/bend_kernel' in found
  for name, value in expected.items():
    np.testing.assert_array_equal(found[name].astype(np.float32), value)
  assert found['head/kernel'].dtype == np.float16
  assert len(file) < 450_000


def test_the_header_says_what_the_page_needs():
  model = tiny_models.random_model('dejpeg', channels=1)
  about = _metadata(weights.export(model, 'mine'))
  assert about['name'] == 'mine'
  assert about['arch'] == model.arch.to_json()
  assert about['curve'] == model.curve.to_json()
  assert about['levels']['task'] == 'dejpeg'
  assert (about['levels']['start'], about['levels']['end']) == (80, 10)
  assert about['levels']['prefix'] == 'q '
  assert about['levels']['whole']
  # Random weights don't fit into half floats, and stay as they are.
  found = safetensors.numpy.load(weights.export(model, 'mine'))
  assert found['head/kernel'].dtype == np.float32

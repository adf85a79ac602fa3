"""Model files and recipes that chance has damaged: one sentence each."""

import json
import time

import mutation
import numpy as np
import pytest
import tiny_models

from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.model import Model
from adafm_jax.restore import recipe

ROUNDS = 500
MAX_SECONDS = 10.0
MAX_LENGTH = 1000  # of a message
RECIPE = recipe.Recipe(
  adafm_jax='0.1.0',
  model='modèle',
  model_sha256='0' * 64,
  task='denoise',
  level=32.0,
  strength=0.25,
  self_ensemble=False,
  mask_sha256=None,
  source='photo.jpg',
  source_sha256='f' * 64,
)


def _read(read, path):
  """What was read, or None and one bounded sentence for each problem."""
  began = time.monotonic()
  try:
    found = read(str(path))
  except UserError as error:
    found = None
    for sentence in error.problems:
      assert len(sentence) < MAX_LENGTH
      assert '\n' not in sentence
  assert time.monotonic() - began < MAX_SECONDS
  return found


@pytest.mark.slow
def test_mutated_model_files(tmp_path):
  path = tmp_path / 'model.safetensors'
  tiny_models.random_model().save(path)
  seed = path.read_bytes()
  assert _read(Model.load, path) is not None
  random = np.random.default_rng(12)
  refused = 0
  for _ in range(ROUNDS):
    path.write_bytes(mutation.mutated(seed, random))
    refused += _read(Model.load, path) is None
  assert 0 < refused <= ROUNDS


@pytest.mark.slow
@pytest.mark.parametrize('suffix', ['.json', '.png', '.jpg', '.tif', '.avif'])
def test_mutated_recipes(tmp_path, suffix):
  path = tmp_path / f'a{suffix}'
  if suffix == '.json':
    path.write_text(RECIPE.to_json())
  else:
    pixels = np.full((8, 8, 3), 0.5, np.float32)
    text = {recipe.KEY: RECIPE.to_json()}
    photo_write.write_photo(path, pixels, photos.Photo(pixels), extra_text=text)
  seed = path.read_bytes()
  assert _read(recipe.read, path) == RECIPE
  random = np.random.default_rng(12)
  refused = 0
  for _ in range(ROUNDS):
    path.write_bytes(mutation.mutated(seed, random))
    found = _read(recipe.read, path)
    if found is None:
      refused += 1
    else:
      json.loads(found.to_json())
  assert refused > 0

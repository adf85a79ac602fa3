import dataclasses
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.images import formats
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.restore import recipe

RECIPE = recipe.Recipe(
  adafm_jax='0.1.0',
  model='modèle',
  model_sha256='0' * 64,
  task='denoise',
  level=None,
  strength=1 / 3,
  self_ensemble=False,
  mask_sha256=None,
  source='naïve "photo".jpg',
  source_sha256='f' * 64,
)


@pytest.mark.parametrize(
  'suffix',
  [x for x in formats.SUFFIXES if recipe.fits_into(pathlib.Path(f'a{x}'))],
)
def test_it_comes_back_from_every_carrier(tmp_path, suffix):
  original = tmp_path / 'a.jpg'
  exif = Image.Exif()
  exif.get_ifd(0x8769)[0x9286] = b'ASCII\0\0\0' + b'my {"adafm": 1} comment'
  Image.new('RGB', (8, 8)).save(original, exif=exif)
  like = photos.read_photo(original)
  path = tmp_path / f'b{suffix}'
  text = {recipe.KEY: RECIPE.to_json()}
  photo_write.write_photo(path, like.pixels, like, extra_text=text)
  assert recipe.read(str(path)) == RECIPE
  with pytest.raises(UserError, match='holds no recipe'):
    recipe.read(str(original))


def test_a_sidecar_comes_before_the_picture(tmp_path):
  path = tmp_path / 'a.bmp'
  Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
  with pytest.raises(UserError, match='holds no recipe'):
    recipe.read(str(path))
  side = recipe.sidecar(path)
  side.write_text(RECIPE.to_json())
  assert recipe.read(str(path)) == recipe.read(str(side)) == RECIPE


@pytest.mark.parametrize(
  ('text', 'words'),
  [
    ('{', 'is broken'),
    ('{"strength": 1}', 'is broken'),
    ('[1]', 'is broken'),
    (json.dumps(dataclasses.asdict(RECIPE) | {'strength': 'a lot'}), 'broken'),
    (json.dumps(dataclasses.asdict(RECIPE) | {'level': [1]}), 'is broken'),
  ],
)
def test_broken_recipes_are_one_sentence(tmp_path, text, words):
  path = tmp_path / 'a.json'
  path.write_text(text)
  with pytest.raises(UserError, match=words) as caught:
    recipe.read(str(path))
  assert str(path) in str(caught.value)


def test_files_that_are_none(tmp_path):
  with pytest.raises(UserError, match='There is no file'):
    recipe.read(str(tmp_path / 'none.png'))
  path = tmp_path / 'a.png'
  path.write_bytes(b'no image')
  with pytest.raises(UserError, match='Cannot read the image') as caught:
    recipe.read(str(path))
  assert str(path) in str(caught.value)

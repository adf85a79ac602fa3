"""`adafm restore --recipe`: what made a result, and making it again."""

import json
import pathlib

import numpy as np
import pytest
import restoring
import tiny_models
from PIL import Image

from adafm_jax import files
from adafm_jax.errors import UserError
from adafm_jax.restore import recipe

pytestmark = pytest.mark.usefixtures('models_here')


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.webp', 'a.tif', 'a.bmp'])
def test_a_recipe_makes_a_result_again(name, capsys):
  restoring.make(name)
  options = ['--level', 33, '--recipe', '--self-ensemble']
  assert restoring.run(name, 'out', *options) == 0
  kept = recipe.read(f'out/{name}')
  assert (kept.level, kept.self_ensemble, kept.source) == (33, True, name)
  assert kept.estimated is False
  assert kept.strength == restoring.MODELS['denoise'].strength(33)
  assert kept.model_sha256 == files.sha256('denoise.safetensors')
  assert kept.source_sha256 == files.sha256(name)
  again = ['--from-recipe', f'out/{name}', '--recipe']
  assert restoring.run(name, 'again', *again) == 0
  for file in restoring.files('out'):
    first, second = (pathlib.Path(x, file) for x in ('out', 'again'))
    assert first.read_bytes() == second.read_bytes()
  tiny_models.random_model(seed=1).save('other.safetensors')
  assert restoring.run(name, 'third', *again, model='other') == 2
  assert 'is of the model denoise.safetensors' in capsys.readouterr().err
  assert restoring.run(name, 'third', '--from-recipe', name) == 2
  assert 'holds no recipe' in capsys.readouterr().err


def test_a_recipe_says_the_quality_and_what_computed():
  restoring.make('a.png')
  first = ['--strength', 0.5, '--recipe', '--quality', 30]
  assert restoring.run('a.png', 'a.jpg', *first) == 0
  kept = recipe.read('a.jpg')
  assert (kept.quality, kept.runtime) == (30, 'jax')
  again = ['--from-recipe', 'a.jpg', '--recipe']
  assert restoring.run('a.png', 'b.jpg', *again) == 0
  assert (
    pathlib.Path('a.jpg').read_bytes() == pathlib.Path('b.jpg').read_bytes()
  )
  assert restoring.run('a.png', 'c.jpg', *again, '--quality', 90) == 0
  assert recipe.read('c.jpg').quality == 90


def test_a_recipe_of_an_earlier_version_is_followed():
  restoring.make('a.png')
  assert restoring.run('a.png', 'a.jpg', '--strength', 0.5, '--recipe') == 0
  fields = json.loads(recipe.read('a.jpg').to_json())
  del fields['quality'], fields['runtime']
  pathlib.Path('old.json').write_text(json.dumps(fields))
  again = ['--from-recipe', 'old.json', '--recipe']
  assert restoring.run('a.png', 'b.jpg', *again) == 0
  assert (
    pathlib.Path('a.jpg').read_bytes() == pathlib.Path('b.jpg').read_bytes()
  )


def test_a_recipe_of_openvino_is_not_followed_on_a_gpu(capsys):
  restoring.make('a.png')
  assert restoring.run('a.png', 'a.jpg', '--strength', 0.5, '--recipe') == 0
  fields = {**json.loads(recipe.read('a.jpg').to_json()), 'runtime': 'openvino'}
  pathlib.Path('made.json').write_text(json.dumps(fields))
  again = ['--from-recipe', 'made.json', '--device', 'gpu:0']
  assert restoring.run('a.png', 'b.jpg', *again) == 2
  assert 'OpenVINO runs on the CPU: leave --device' in capsys.readouterr().err
  assert not pathlib.Path('b.jpg').exists()


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.webp'])
def test_a_result_has_no_recipe_but_its_own(name):
  exif = Image.Exif()
  exif[0x010E] = 'A cat'  # the description
  exif.get_ifd(0x8769)[0x9286] = b'ASCII\0\0\0' + b'seen by me'
  Image.fromarray(restoring.pixels()).save(name, exif=exif)
  assert restoring.run(name, 'one', '--level', 30, '--recipe') == 0
  assert recipe.read(f'one/{name}').level == 30
  assert restoring.run(f'one/{name}', 'two', '--level', 60) == 0
  with pytest.raises(UserError, match='holds no recipe'):
    recipe.read(f'two/{name}')
  options = ['--level', 60, '--recipe']
  assert restoring.run(f'one/{name}', 'three', *options) == 0
  assert recipe.read(f'three/{name}').level == 60
  for folder, recipes in (('two', 0), ('three', name != 'a.png')):
    with Image.open(f'{folder}/{name}') as image:
      kept = image.getexif()
      comment = kept.get_ifd(0x8769)[0x9286]
    assert kept[0x010E] == 'A cat'
    assert comment.count(b'seen by me') == 1
    assert comment.count(b'model_sha256') == recipes


@pytest.mark.parametrize('later', [('--level', 60), ('--level', 0)])
def test_a_sidecar_does_not_outlive_its_result(later):
  restoring.make('a.bmp')
  assert restoring.run('a.bmp', 'out', '--level', 30, '--recipe') == 0
  assert restoring.files('out') == ['a.bmp', 'a.bmp.recipe.json']
  assert restoring.run('a.bmp', 'out', *later) == 0
  assert restoring.files('out') == ['a.bmp']
  pathlib.Path('out/a.bmp.recipe.json').write_text('not ours')
  assert restoring.run('a.bmp', 'out', '--level', 50) == 0
  assert pathlib.Path('out/a.bmp.recipe.json').read_text() == 'not ours'


def test_a_recipe_of_a_scale_and_a_mask(capsys):
  restoring.make('a.png')
  Image.fromarray(restoring.pixels(seed=3, channels=1)).save('mask.png')
  options = ['--level', 2.5, '--strength', 0.9, '--mask', 'mask.png']
  assert restoring.run('a.png', 'b.png', *options, '--recipe', model='sr') == 0
  again = ['--from-recipe', 'b.png']
  mask = ['--mask', 'mask.png']
  assert restoring.run('a.png', 'c.png', *again, *mask, model='sr') == 0
  np.testing.assert_array_equal(
    restoring.read('b.png'), restoring.read('c.png')
  )
  assert restoring.run('a.png', 'd.png', *again, model='sr') == 2
  assert 'with a mask: give it with --mask' in capsys.readouterr().err
  Image.fromarray(restoring.pixels(seed=4, channels=1)).save('other.png')
  other = ['--mask', 'other.png']
  assert restoring.run('a.png', 'd.png', *again, *other, model='sr') == 2
  assert 'with another mask' in capsys.readouterr().err
  plain = ['--level', 2.5, '--recipe']
  assert restoring.run('a.png', 'e.png', *plain, model='sr') == 0
  again = ['--from-recipe', 'e.png']
  assert restoring.run('a.png', 'd.png', *again, *mask, model='sr') == 2
  assert 'without a mask: leave --mask out' in capsys.readouterr().err

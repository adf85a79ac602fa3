"""Options that a sweep refuses, in a sentence each."""

import numpy as np
import pytest
import sweeping


@pytest.mark.parametrize(
  ('more', 'sentence'),
  [
    (['--lambdas', '0,1', '--levels', '15'], '--lambdas or --levels, not both'),
    (['--lambdas', '0,1.5'], 'strength is 1.5; it must be from 0'),
    (['--lambdas', ''], "Cannot read ''"),
    (['--lambdas', '0:1'], "Cannot read '0:1'"),
    (['--lambdas', '0.5,0.50'], 'are the same strength; leave one out'),
    (['--levels', '90'], 'outside the range sigma 15 to sigma 75'),
    (['--scale', '2'], '--scale is for super-resolution'),
    (['--memory', 'much'], "'much' is not a size"),
    (['--memory', '1kB'], 'a.png: Images 47 pixels wide need'),
    (['--references', 'nowhere'], 'There is no file or folder nowhere'),
  ],
)
def test_wrong_options(swept, tmp_path, capsys, more, sentence):
  root, _, _ = swept
  code = sweeping.run(
    root / 'model.safetensors', root / 'images' / 'a.png', tmp_path, *more
  )
  assert code == 2
  assert sentence in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ('more', 'sentence'),
  [
    ([], 'give --scale'),
    (['--scale', '0.5'], '--scale is 0.5; it must be 1 to 16'),
    (['--scale', 'nan'], '--scale is nan'),
  ],
)
def test_wrong_scale(swept, tmp_path, capsys, more, sentence):
  root, _, _ = swept
  sweeping.save_model(tmp_path / 'm.safetensors', 'sr')
  out = tmp_path / 'out'
  code = sweeping.run(tmp_path / 'm.safetensors', root / 'images', out, *more)
  assert code == 2
  assert sentence in capsys.readouterr().err


def test_a_basic_model_has_nothing_to_sweep(swept, tmp_path, capsys):
  root, _, _ = swept
  sweeping.save_model(tmp_path / 'm.safetensors', kernel=0)
  arguments = (tmp_path / 'm.safetensors', root / 'images', tmp_path / 'out')
  assert sweeping.run(*arguments) == 2
  assert 'no AdaFM layers' in capsys.readouterr().err
  assert sweeping.run(*arguments, '--lambdas', '0') == 0


def test_mistakes_about_files(swept, tmp_path, capsys):
  root, _, images = swept
  model = root / 'model.safetensors'

  def sentence(inputs, output=tmp_path / 'out', *more, model=model):
    assert sweeping.run(model, inputs, output, *more) == 2
    return capsys.readouterr().err

  assert 'There is no model file' in sentence(root, model=tmp_path / 'no')
  assert 'There is no file or folder' in sentence(tmp_path / 'no')
  assert 'holds the images to sweep' in sentence(
    root / 'images', root / 'images'
  )
  twin = sweeping.write(tmp_path / 'twin' / 'a.bmp', images['a'])
  assert 'results of the same name' in sentence([root / 'images', twin])
  (tmp_path / 'file').write_text('')
  assert 'Cannot make the folder' in sentence(
    root / 'images', tmp_path / 'file'
  )
  references = '--references', tmp_path / 'twin'
  out = tmp_path / 'out'
  assert 'has no reference for b.png, grey.png' in sentence(
    root / 'images', out, *references
  )
  sweeping.write(tmp_path / 'twin' / 'a.png', images['a'])
  assert 'references of the same image' in sentence(
    root / 'images', out, *references
  )
  other = sweeping.write(tmp_path / 'other' / 'a.png', images['a'][1:])
  one = root / 'images' / 'a.png'
  assert 'has 32 x 47 pixels; the result has 33 x 47' in sentence(
    one, out, '--references', other
  )
  colours = np.repeat(images['grey'], 3, 2) // (1, 2, 3)
  rgb = sweeping.write(tmp_path / 'rgb.png', colours.astype(np.uint8))
  assert 'is in colour, but the image to sweep is grey' in sentence(
    root / 'images' / 'grey.png', out, '--references', rgb
  )


@pytest.mark.parametrize(
  'given',
  [
    {'inputs': ''},
    {'output': ''},
    {'more': ('--references', '')},
    {'more': ('--memory', '')},
    {'more': ('--path', '')},
  ],
)
def test_empty_arguments(given, swept, tmp_path, monkeypatch, capsys):
  root, _, _ = swept
  monkeypatch.chdir(tmp_path)
  sweeping.write(tmp_path / 'a.png', np.zeros((9, 9, 1), np.uint8))
  inputs, output = given.get('inputs', 'a.png'), given.get('output', 'out')
  more = given.get('more', ())
  assert sweeping.run(root / 'model.safetensors', inputs, output, *more) == 2
  assert capsys.readouterr().err.count('\n') == 1
  found = {str(x.relative_to(tmp_path)) for x in tmp_path.rglob('*')}
  assert found <= {'a.png', 'out'}

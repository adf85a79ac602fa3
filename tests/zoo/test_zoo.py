import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest
import tiny_models

from adafm_jax import cli, files, zoo
from adafm_jax.commands import models as listing
from adafm_jax.errors import UserError
from adafm_jax.model import Model
from release import register

SHIPPED = zoo.FOLDER


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  """An empty zoo."""
  monkeypatch.setattr(zoo, 'FOLDER', tmp_path / 'zoo')
  (tmp_path / 'zoo').mkdir()
  (tmp_path / 'zoo/registry.json').write_text('[]')
  return tmp_path / 'zoo'


@pytest.fixture
def model(tmp_path):
  path = tmp_path / 'model.safetensors'
  tiny_models.random_model().save(path)
  return path


def _register(path, name='denoise', *options):
  texts = ['--description', 'for tests', '--licence', 'CC0-1.0']
  return register.main([str(path), '--name', name, *texts, *options])


def test_a_registered_model_is_loaded_by_its_name(model, capsys):
  assert _register(model) == 0
  assert 'quality: noise: sigma 15 30.00 dB' in capsys.readouterr().out
  loaded, original = zoo.load('denoise'), Model.load(model)
  jax.tree.map(np.testing.assert_array_equal, loaded.params, original.params)
  assert loaded.levels == original.levels
  model.unlink()
  assert zoo.load('denoise').arch == original.arch


def test_paths_are_files_and_bare_names_are_names(model, monkeypatch):
  _register(model)
  assert zoo.locate(str(model)) == model
  assert zoo.locate(model) == model
  monkeypatch.chdir(model.parent)
  assert zoo.locate('model.safetensors') == pathlib.Path('model.safetensors')
  # A folder of that name changes nothing.
  (model.parent / 'denoise').mkdir()
  assert zoo.locate('denoise') == zoo.FOLDER / 'denoise.safetensors'
  assert zoo.locate('./denoise') == pathlib.Path('denoise')


@pytest.mark.parametrize(
  ('name', 'words'),
  [
    ('denoize', 'did you mean denoise?'),
    ('Denoise', 'did you mean denoise?'),
    ('upscale', 'denoise, sr'),
  ],
)
def test_an_unknown_name_lists_the_known_ones(model, name, words):
  _register(model)
  _register(model, 'sr')
  with pytest.raises(UserError, match=r'\.safetensors') as caught:
    zoo.load(name)
  assert words in str(caught.value)
  assert '\n' not in str(caught.value)


def test_without_any_model_it_says_so():
  with pytest.raises(UserError, match='none come with this version'):
    zoo.load('denoise')
  assert 'No models' in listing.describe()
  assert listing.summarize() == []


def test_a_changed_or_missing_file_is_refused(model, folder):
  _register(model)
  path = folder / 'denoise.safetensors'
  data = bytearray(path.read_bytes())
  data[-1] ^= 1  # one bit of one weight
  path.write_bytes(data)
  Model.load(path)  # a sound file, but another one
  with pytest.raises(UserError, match='not the released model'):
    zoo.load('denoise')
  path.unlink()
  with pytest.raises(UserError, match='are missing'):
    zoo.load('denoise')


def test_a_broken_registry_is_one_sentence(folder):
  for text in ('[', '[{"name": "denoise"}]', '[3]'):
    (folder / 'registry.json').write_text(text)
    with pytest.raises(UserError, match='install adafm_jax again'):
      zoo.entries()


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'name': 'De noise'}, 'is not a name'),
    ({'name': 'denoise'}, 'already'),
    ({'quality': ' '}, '--quality must be one line'),
    ({'description': 'a\nb'}, '--description must be one line'),
  ],
)
def test_wrong_entries_change_nothing(model, folder, fields, words):
  _register(model)
  before = {p.name: p.read_bytes() for p in folder.iterdir()}
  good = {'name': 'other', 'description': 'x', 'licence': 'x'}
  with pytest.raises(UserError, match=words):
    register.register(str(model), **good | fields)
  assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_model_without_metrics_needs_its_quality_given(tmp_path, capsys):
  path = tmp_path / 'plain.safetensors'
  plain = dataclasses.replace(tiny_models.random_model(), provenance={})
  plain.save(path)
  assert _register(path) == 2
  assert '--quality must be one line' in capsys.readouterr().err
  assert _register(path, 'denoise', '--quality', 'set: 30 dB') == 0
  assert zoo.entries()['denoise'].quality == 'set: 30 dB'


def test_an_entry_is_replaced_on_request(model, tmp_path):
  _register(model)
  other = tmp_path / 'other.safetensors'
  tiny_models.random_model(seed=1).save(other)
  assert _register(other, 'denoise', '--replace') == 0
  assert list(zoo.entries()) == ['denoise']
  expected = Model.load(other).params['head']['kernel']
  np.testing.assert_array_equal(
    zoo.load('denoise').params['head']['kernel'], expected
  )


def test_quality_is_that_of_one_set_and_protocol():
  rows = [
    {'set': 'heldout', 'protocol': 'RGB', 'level': 15.0, 'psnr': 34.0},
    {'set': 'a', 'protocol': 'RGB', 'level': 15.0, 'psnr': 33.123},
    {'set': 'a', 'protocol': 'RGB', 'level': 75.0, 'psnr': 25.0},
    {'set': 'a', 'protocol': 'other', 'level': 15.0, 'psnr': 1.0},
    {'set': 'b', 'protocol': 'RGB', 'level': 15.0, 'psnr': 2.0},
  ]
  model = dataclasses.replace(
    tiny_models.random_model(), provenance={'metrics': rows}
  )
  expected = 'a (RGB): sigma 15 33.12, sigma 75 25.00 dB'
  assert register.measured(model) == expected


def test_the_command_lists_models(model, capsys):
  _register(model)
  capsys.readouterr()
  assert cli.main(['models']) == 0
  text = capsys.readouterr().out
  for word in ('denoise', 'sigma 15 to sigma 75', 'CC0-1.0', '30.00 dB'):
    assert word in text
  assert 'denoise: for tests' in text
  assert cli.main(['models', '--json']) == 0
  (listed,) = json.loads(capsys.readouterr().out)
  assert (listed['start'], listed['end']) == (15, 75)
  arch = Model.load(listed['path']).arch
  assert listed['gflop_per_megapixel'] == 2 * arch.multiply_adds / 1e3
  path = pathlib.Path(listed['path'])
  assert listed['bytes'] == path.stat().st_size
  assert listed['sha256'] == files.sha256(path)
  assert cli.main(['info', 'denoise']) == 0
  assert listed['sha256'] in capsys.readouterr().out


def test_the_models_that_ship_are_whole(monkeypatch):
  monkeypatch.setattr(zoo, 'FOLDER', SHIPPED)
  for name, entry in zoo.entries().items():
    model = zoo.load(name)
    assert entry.path.parent == SHIPPED
    assert all(dataclasses.astuple(entry))
    assert model.strength(model.levels.end) == (1 if model.arch.kernel else 0)
  listed = {entry.file for entry in zoo.entries().values()}
  assert listed == {path.name for path in SHIPPED.glob('*.safetensors')}


def test_a_released_model_says_which_images_but_not_where_they_lay():
  given = {
    'config': {'data': {'train': '/home/me/sets/BSD431', 'holdout': 31}},
    'sets': ['cbsd68=/data/CBSD68,mine=/x/y/z', 'rgb/y', 'a/b/c'],
    'url': 'https://example.org/a/b',
  }
  assert register.without_folders(given) == {
    'config': {'data': {'train': 'BSD431', 'holdout': 31}},
    'sets': ['cbsd68=CBSD68,mine=z', 'rgb/y', 'a/b/c'],
    'url': 'https://example.org/a/b',
  }

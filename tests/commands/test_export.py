"""`adafm export` from command line to file."""

import importlib.util
import json
import pathlib
import sys

import numpy as np
import pytest
import released
import tiny_models

from adafm_jax import cli

MODEL = 'denoise.safetensors'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  tiny_models.random_model().save(MODEL)


def _export(*argv, model=MODEL):
  return cli.main(['export', *argv, '-m', model])


def test_options_reach_the_graph(capsys):
  ort = pytest.importorskip('onnxruntime', reason='it is not installed')
  pytest.importorskip('onnx', reason='the extra onnx is not installed')
  assert _export('a.onnx', '--map', '--float16', '--static', '64x32') == 0
  assert 'wrote a.onnx: ' in capsys.readouterr().out
  session = ort.InferenceSession('a.onnx')
  shapes = {x.name: x.shape for x in session.get_inputs()}
  assert shapes == {'input': [1, 3, 64, 32], 'strength': [1, 1, 64, 32]}
  about = json.loads(session.get_modelmeta().custom_metadata_map['adafm'])
  assert about['graph']['dtype'] == 'float16'
  assert _export('b.onnx', '--level', '40') == 0
  assert 'sigma 40' in capsys.readouterr().out
  (given,) = ort.InferenceSession('b.onnx').get_inputs()
  assert given.shape == ['batch', 3, 'height', 'width']


def test_a_file_of_others_is_replaced_only_if_asked(capsys):
  pytest.importorskip('onnx', reason='the extra onnx is not installed')
  path = pathlib.Path('a.onnx')
  path.write_bytes(b'mine')
  assert _export('a.onnx') == 2
  assert 'a.onnx exists' in capsys.readouterr().err
  assert path.read_bytes() == b'mine'
  assert _export('a.onnx', '--overwrite') == 0
  assert len(path.read_bytes()) > 1000
  assert _export('a.onnx', '--level', '40') == 0
  path.write_bytes(path.read_bytes() + b'edited')
  assert _export('a.onnx') == 2
  assert 'no earlier call wrote it as it is' in capsys.readouterr().err


@pytest.mark.parametrize('more', [[], ['--overwrite']])
def test_a_folder_is_a_sentence(more, capsys):
  pathlib.Path('a.onnx').mkdir()
  assert _export('a.onnx', *more) == 2
  error = capsys.readouterr().err
  assert error == 'error: a.onnx is a folder; give another file name.\n'


@pytest.mark.parametrize(
  ('argv', 'words'),
  [
    (['a.txt'], 'a.txt has no suffix'),
    (['a.onnx', '--level', '40', '--map'], '--level, or --map'),
    (['a.onnx', '--level', '400'], 'not a legal noise'),
    (['a.onnx', '--level', '80'], 'outside the range'),
    (['a.onnx', '--static', '0'], "--static is '0'"),
    (['a.onnx', '--static', '5x'], "--static is '5x'"),
    (['a.stablehlo', '--level', '40'], '--level is for ONNX'),
    (['a.stablehlo', '--level', '0'], '--level is for ONNX'),
    (['a.StableHLO', '--static', '8'], '--static is for ONNX'),
    (['a.ONNX', '--path', 'hats'], 'path line only'),
    (['a.onnx', '--path', 'hats'], 'path line only'),
  ],
)
def test_mistakes_are_a_sentence_and_nothing_is_written(argv, words, capsys):
  if 'legal' in words or 'range' in words:
    pytest.importorskip('onnx', reason='the extra onnx is not installed')
  assert _export(*argv) == 2
  assert words in capsys.readouterr().err
  assert [x.name for x in pathlib.Path().iterdir()] == [MODEL]


def test_without_onnx_one_sentence_says_what_to_install(monkeypatch, capsys):
  monkeypatch.setitem(sys.modules, 'onnx', None)
  assert _export('a.onnx') == 2
  assert "pip install 'adafm_jax[onnx]'" in capsys.readouterr().err


def test_without_flatbuffers_one_sentence_says_what_to_install(
  monkeypatch, capsys
):
  found = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util,
    'find_spec',
    lambda name, *rest: None if name == 'flatbuffers' else found(name, *rest),
  )
  assert _export('a.stablehlo') == 2
  assert "pip install 'adafm_jax[stablehlo]'" in capsys.readouterr().err
  assert not pathlib.Path('a.stablehlo').exists()


def test_a_stablehlo_file_is_written(capsys):
  pytest.importorskip('flatbuffers', reason='the extra is not installed')
  assert _export('a.STABLEHLO', '--map') == 0
  assert 'cpu, cuda, tpu' in capsys.readouterr().out
  assert len(pathlib.Path('a.STABLEHLO').read_bytes()) > 1000


def test_broken_models_are_a_sentence(capsys):
  data = pathlib.Path(MODEL).read_bytes()
  pathlib.Path('cut.safetensors').write_bytes(data[:-7])
  for model in ('cut.safetensors', 'none.safetensors', 'nobody'):
    assert _export('a.onnx', model=model) == 2
    assert model in capsys.readouterr().err
  assert not pathlib.Path('a.onnx').exists()


def test_the_straight_path_of_a_bent_model(tmp_path):
  """At its ends it is the model, between them another."""
  ort = pytest.importorskip('onnxruntime', reason='it is not installed')
  pytest.importorskip('onnx', reason='the extra onnx is not installed')
  from adafm_jax import zoo

  argv = ['a.onnx', '--path', 'line']
  name = released.small('denoise')
  assert _export(*argv, model=name) == 0
  model = zoo.load(name).with_path('line')
  image = np.random.default_rng(0).random((1, 8, 10, 3), np.float32)
  session = ort.InferenceSession('a.onnx')
  given = {'input': image.transpose(0, 3, 1, 2)}
  (output,) = session.run(None, given | {'strength': np.float32([0.5])})
  expected = model.restore(image, strength=0.5)
  found = output.transpose(0, 2, 3, 1).clip(0, 1)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)

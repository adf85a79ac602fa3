"""State dicts on disk, with PyTorch and without."""

import dataclasses
import os
import pathlib
import sys
import zipfile

import jax
import numpy as np
import pytest
import safetensors.numpy
import tiny_models

from adafm_jax import cli
from adafm_jax.errors import UserError
from adafm_jax.model import Model
from adafm_jax.model_file import authors, authors_file

NO_LEVELS = ('--task', 'denoise', '--start', '15', '--end', '75')

pytestmark = pytest.mark.usefixtures('here')


def _state(model):
  return authors.to_authors(model.params, model.arch)


def _convert(*argv):
  return cli.main(['convert', *map(str, argv)])


def _check_same(found, model):
  assert found.arch == model.arch
  jax.tree.map(np.testing.assert_array_equal, found.params, model.params)


@pytest.mark.parametrize('kernel', [1, 5])
def test_a_model_goes_there_and_back_without_pytorch(kernel, monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)
  model = tiny_models.random_model(kernel=kernel)
  model.save('a.safetensors')
  assert _convert('a.safetensors', '-o', 'theirs.safetensors') == 0
  tiny_models.check_equal(
    safetensors.numpy.load_file('theirs.safetensors'), _state(model)
  )
  assert _convert('theirs.safetensors', '-o', 'back.safetensors') == 0
  assert pathlib.Path('back.safetensors').read_bytes() == (
    pathlib.Path('a.safetensors').read_bytes()
  )


def test_levels_may_be_given_anew():
  model = tiny_models.random_model()
  model.save('a.safetensors')
  _convert('a.safetensors', '-o', 'theirs.safetensors')
  argv = ['--task', 'denoise', '--start', '10', '--end', '50']
  assert _convert('theirs.safetensors', '-o', 'b.safetensors', *argv) == 0
  found = Model.load('b.safetensors')
  assert (found.levels.start, found.levels.end, found.curve) == (10, 50, None)
  _check_same(found, model)


@pytest.mark.parametrize('kernel', [1, 5])
def test_a_model_goes_to_pytorch_and_back(kernel):
  torch = pytest.importorskip('torch', reason='the extra torch is missing')
  model = tiny_models.random_model(kernel=kernel)
  model.save('a.safetensors')
  assert _convert('a.safetensors', '-o', 'theirs.pth') == 0
  loaded = torch.load('theirs.pth', weights_only=True)
  tiny_models.check_equal(
    {k: x.numpy() for k, x in loaded.items()}, _state(model)
  )
  assert _convert('theirs.pth', '-o', 'back.safetensors', *NO_LEVELS) == 0
  _check_same(Model.load('back.safetensors'), model)
  parallel = {f'module.{name}': x for name, x in loaded.items()}
  torch.save(parallel, 'parallel.pth')
  assert _convert('parallel.pth', '-o', 'p.safetensors', *NO_LEVELS) == 0
  _check_same(Model.load('p.safetensors'), model)


def test_a_basic_model_and_what_was_adapted_from_it():
  model = tiny_models.random_model()
  made = {'metrics': [{'level': 75}], 'training_images': 9}
  dataclasses.replace(model, provenance=made).save('a.safetensors')
  assert _convert('a.safetensors', '-o', 'basic.safetensors', '--basic') == 0
  assert _convert('basic.safetensors', '-o', 'start.safetensors') == 0
  start = Model.load('start.safetensors').provenance
  assert start['training_images'] == 9
  assert 'metrics' not in start  # they are the whole model's
  basic = safetensors.numpy.load_file('basic.safetensors')
  assert not [name for name in basic if 'transformer' in name]
  layers = {k: x for k, x in _state(model).items() if k not in basic}
  safetensors.numpy.save_file(layers, 'layers.safetensors')
  two = ('basic.safetensors', 'layers.safetensors')
  assert _convert(*two, '-o', 'b.safetensors', *NO_LEVELS) == 0
  found = Model.load('b.safetensors')
  _check_same(found, model)
  assert found.provenance['basic_file'] == 'basic.safetensors'


def test_a_bent_model_is_converted_on_the_straight_path(capsys):
  argv = ['denoise', '-o', 'a.safetensors']
  assert _convert(*argv) == 2
  assert 'straight paths only' in capsys.readouterr().err
  assert not os.listdir()
  assert _convert(*argv, '--path', 'line') == 0
  assert 'model.7.bias' in safetensors.numpy.load_file('a.safetensors')


def _bad_files(model):
  """Files of every bad kind, and what is said of each."""
  state = _state(model)
  whole = safetensors.numpy.save(state)
  yield 'cut.safetensors', whole[:-3], 'not a whole safetensors file'
  yield 'empty.safetensors', b'', 'not a whole safetensors file'
  yield 'text.safetensors', b'hello there, this is text', 'not a whole'
  del state['model.2.bias']
  yield 'lacks.safetensors', safetensors.numpy.save(state), 'model.2.bias'
  other = {'conv.weight': np.zeros((3, 3), np.float32)}
  yield 'other.safetensors', safetensors.numpy.save(other), 'conv.weight'
  whole = {'model.0.weight': np.zeros((2, 3, 3, 3), np.int32)}
  yield 'whole.safetensors', safetensors.numpy.save(whole), 'holds I32'
  wrong = _state(model) | {'model.0.bias': np.float32([np.nan] * 6)}
  yield 'nan.safetensors', safetensors.numpy.save(wrong), 'finite'
  header = {authors_file.KEY: '{"version": 99}'}
  later = safetensors.numpy.save(_state(model), header)
  yield 'later.safetensors', later, 'version 99'


def test_bad_files_are_a_sentence_and_nothing_is_written(capsys):
  for name, data, words in _bad_files(tiny_models.random_model()):
    pathlib.Path(name).write_bytes(data)
    assert _convert(name, '-o', 'out.safetensors', *NO_LEVELS) == 2
    out, err = capsys.readouterr()
    assert not out
    assert words in err
    assert err.count('\n') == 1, err
  assert not pathlib.Path('out.safetensors').exists()


@pytest.mark.parametrize(
  ('argv', 'words'),
  [
    (['a.safetensors', '-o', 'b.txt'], 'b.txt has no suffix'),
    (['a.safetensors', '-o', 'a.safetensors'], 'give another'),
    (['a.safetensors', '-o', 'b.pth', '--task', 'sr'], 'leave --task'),
    (['t.safetensors', '-o', 'b', *NO_LEVELS], 'b must end in'),
    (['t.safetensors', '-o', 'b/', *NO_LEVELS], 'b/ must end in'),
    (['t.safetensors', '-o', 'b.pth', *NO_LEVELS], 'b.pth must end in'),
    (['none.safetensors', '-o', 'b.pth'], 'There is no file none.safetensors'),
    (['nobody', '-o', 'b.pth'], 'no released model'),
    (['t.safetensors', '-o', 'b.safetensors'], 'does not say its levels'),
    (['t.safetensors', '-o', 'b.safetensors', '--start', '1'], 'together'),
    (['t.safetensors', '-o', 'b.safetensors', '--basic'], 'way to the authors'),
    (['a.safetensors', 't.safetensors', '-o', 'b.pth'], 'one model'),
    (['t.safetensors'] * 3 + ['-o', 'b.safetensors', *NO_LEVELS], 'no more'),
  ],
)
def test_wrong_calls_are_a_sentence(argv, words, capsys):
  model = tiny_models.random_model()
  model.save('a.safetensors')
  safetensors.numpy.save_file(_state(model), 't.safetensors')
  assert _convert(*argv) == 2
  assert words in capsys.readouterr().err
  assert sorted(os.listdir()) == ['a.safetensors', 't.safetensors']


def test_a_basic_model_is_one_level(capsys):
  model = tiny_models.random_model()
  model.save('a.safetensors')
  _convert('a.safetensors', '-o', 'basic.safetensors', '--basic')
  assert _convert('basic.safetensors', '-o', 'b.safetensors') == 0
  found = Model.load('b.safetensors')
  assert (found.arch, found.levels) == (model.arch.basic, model.levels)
  assert found.strength(15) == 0


def test_without_pytorch_one_sentence_says_what_to_install(monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)
  with pytest.raises(UserError) as caught:
    authors_file.read_pth('weights.pth')
  assert "needs PyTorch: pip install 'adafm_jax[torch]'" in str(caught.value)


@pytest.mark.parametrize(
  ('names', 'words'),
  [
    (['nope.pth'], 'There is no file nope.pth.'),
    (['n.png'], 'n.png has no suffix of a known format'),
    (['there.pth/'], 'there.pth/ is a folder'),
    (['t.safetensors', 'denoise'], 'There is no file denoise.'),
    (['nope.onnx'], 'There is no file nope.onnx.'),
    (['there'], 'there is a folder'),
    (['there/denoise'], 'There is no file there/denoise.'),
    (['.'], '. is a folder'),
    (['denoise', 'nope.pth'], 'There is no file nope.pth.'),
  ],
)
@pytest.mark.parametrize('output', ['out.safetensors', 'out.pth'])
def test_what_is_no_such_file_is_named_and_nothing_else_blamed(
  output, names, words, monkeypatch, capsys
):
  monkeypatch.setitem(sys.modules, 'torch', None)
  pathlib.Path('n.png').write_bytes(b'a picture')
  pathlib.Path('there.pth').mkdir()
  pathlib.Path('there').mkdir()
  state = _state(tiny_models.random_model())
  safetensors.numpy.save_file(state, 't.safetensors')
  assert _convert(*names, '-o', output, *NO_LEVELS) == 2
  error = capsys.readouterr().err
  assert words in error
  assert 'PyTorch: pip' not in error


def test_a_released_name_is_no_folder_s():
  pathlib.Path('denoise').mkdir()
  argv = ['denoise', '-o', 'basic.safetensors', '--basic']
  assert _convert(*argv) == 0


def test_suffixes_may_be_in_capitals():
  model = tiny_models.random_model()
  model.save('A.SAFETENSORS')
  assert _convert('A.SAFETENSORS', '-o', 'T.SAFETENSORS') == 0
  tiny_models.check_equal(
    safetensors.numpy.load_file('T.SAFETENSORS'), _state(model)
  )
  assert _convert('T.SAFETENSORS', '-o', 'B.SAFETENSORS') == 0
  _check_same(Model.load('B.SAFETENSORS'), model)


class _Code:
  """Pickled, this is a call."""

  def __init__(self, touched):
    self.touched = touched

  def __reduce__(self):
    return pathlib.Path.touch, (self.touched,)


def test_pth_files_are_read_and_never_run(tmp_path):
  torch = pytest.importorskip('torch')
  path = tmp_path / 'weights.pth'
  state = _state(tiny_models.random_model())
  torch.save({k: torch.from_numpy(v) for k, v in state.items()}, path)
  tiny_models.check_equal(authors_file.read_pth(path), state)
  data = path.read_bytes()
  for bad in (b'', b'junk', data[: len(data) // 2]):
    path.write_bytes(bad)
    with pytest.raises(UserError, match=r'weights\.pth is not a state dict'):
      authors_file.read_pth(path)
  touched = tmp_path / 'touched'
  torch.save(_Code(touched), path)
  with pytest.raises(UserError, match=r'weights\.pth is not a state dict'):
    authors_file.read_pth(path)
  assert not touched.exists()
  with zipfile.ZipFile(path, 'w') as archive:  # a zip, but not PyTorch's
    archive.writestr('data.txt', 'hello')
  with pytest.raises(UserError, match=r'weights\.pth is not a state dict'):
    authors_file.read_pth(path)
  sparse = torch.zeros(3, 3).to_sparse()
  torch.save({'model.0.weight': sparse}, path)
  with pytest.raises(UserError, match=r'not dense|not a state dict'):
    authors_file.read_pth(path)
  torch.save({'epoch': 3}, path)
  with pytest.raises(UserError, match='must map names to tensors'):
    authors_file.read_pth(path)
  with pytest.raises(UserError, match='There is no file'):
    authors_file.read_pth(tmp_path / 'none.pth')


def test_a_file_is_marked_before_it_gets_its_name(renamed):
  tiny_models.random_model().save('a.safetensors')
  assert renamed.pop('a.safetensors') is False  # saving alone marks nothing
  assert _convert('a.safetensors', '-o', 'theirs.safetensors') == 0
  assert _convert('theirs.safetensors', '-o', 'back.safetensors') == 0
  assert renamed == {'theirs.safetensors': True, 'back.safetensors': True}


def test_nothing_of_the_user_s_is_overwritten(capsys):
  tiny_models.random_model().save('a.safetensors')
  target = pathlib.Path('theirs.safetensors')
  target.write_text('mine')
  assert _convert('a.safetensors', '-o', target) == 2
  assert 'theirs.safetensors exists' in capsys.readouterr().err
  assert target.read_text() == 'mine'
  assert _convert('a.safetensors', '-o', target, '--overwrite') == 0
  # What an earlier call wrote is replaced.
  assert _convert('a.safetensors', '-o', target) == 0


@pytest.mark.parametrize('more', [[], ['--overwrite']])
def test_a_folder_is_not_overwritten_whatever_is_asked(more, capsys):
  pathlib.Path('d.safetensors').mkdir()
  argv = ['denoise', '-o', 'd.safetensors', '--path', 'line']
  assert _convert(*argv, *more) == 2
  error = capsys.readouterr().err
  assert error == 'error: d.safetensors is a folder; give another --output.\n'


def test_where_no_marks_are_kept_that_is_said(capsys, no_marks):
  tiny_models.random_model().save('a.safetensors')
  command = 'a.safetensors', '-o', 'theirs.safetensors'
  assert _convert(*command) == 0
  assert _convert(*command) == 2
  said = capsys.readouterr().err
  assert 'keeps no marks' in said
  assert 'no earlier call' not in said
  assert _convert(*command, '--overwrite') == 0

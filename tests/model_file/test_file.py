import dataclasses
import json
import struct

import jax
import numpy as np
import pytest
import tiny_models
from flax.core import FrozenDict
from safetensors.numpy import save_file

from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.model import Model
from adafm_jax.model_file import curve as curves
from adafm_jax.model_file import file as model_file
from adafm_jax.models import parameters, restorer
from adafm_jax.models.architecture import Architecture

ARCH = Architecture(4, 2, 3, 3, 'block+trunk')


def _params(arch=ARCH, scale=0.3):
  return tiny_models.random_params(arch, scale=scale)


def _model(**changes):
  curve = curves.fit([25, 35, 50], [0.2, 0.35, 0.6], 15, 75)
  fields = {
    'arch': ARCH,
    'levels': LevelRange('denoise', 15, 75),
    'params': _params(),
    'curve': curve,
    'noise': 'clipped',
    'provenance': {'steps': 7, 'metrics': [{'psnr': 31.5}], 'note': 'Kodak é'},
  }
  return Model(**(fields | changes))


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'model.safetensors'


CURVE = np.array([[0.5, -1], [0, 2], [1, 1], [0, 0], [3, 4]], np.float32)
IMAGE = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)


def _older(version, **arch):
  """A change of the header to what an earlier version wrote."""

  def change(header):
    header['version'] = version
    for name in ('path', 'bends'):
      del header['arch'][name]
    header['arch'] |= arch

  return change


def test_a_file_of_version_1_is_read(path):
  _model().save(path)
  _rewrite(path, _older(1))
  assert Model.load(path).arch == ARCH


def test_a_layer_curve_of_version_2_is_a_bent_path(path):
  _model().save(path)
  _rewrite(path, _older(2, layer_curve=2), layer_curve=CURVE)
  loaded = Model.load(path)
  assert (loaded.arch.path, loaded.arch.bends) == ('poly', 2)
  assert model_file.read_header(path).arch == loaded.arch
  line = restorer.make_apply(ARCH)
  for s in (0.0, 0.3, 0.8, 1.0):
    q = CURVE[:, 0] + CURVE[:, 1] * np.float32(s)
    each = (s + s * (1 - s) * q).astype(np.float32)[:, None]
    np.testing.assert_allclose(
      loaded.apply(loaded.params, IMAGE, s),
      line(_params(), IMAGE, each),
      rtol=1e-5,
      atol=3e-5,
    )
  again = path.with_name('again.safetensors')
  loaded.save(again)
  saved = Model.load(again).params
  jax.tree.map(np.testing.assert_array_equal, saved, loaded.params)


def test_a_layer_curve_of_version_2_may_be_out_of_use(path):
  _model().save(path)
  _rewrite(path, _older(2, layer_curve=0), layer_curve=CURVE)
  loaded = Model.load(path)
  assert loaded.arch == ARCH
  jax.tree.map(np.testing.assert_array_equal, loaded.params, _params())


def test_a_layer_curve_of_another_shape_is_refused(path):
  _model().save(path)
  _rewrite(path, _older(2, layer_curve=2), layer_curve=CURVE[:4])
  with pytest.raises(UserError, match=r'layer_curve has shape \[4, 2\]'):
    Model.load(path)


def test_version_3_has_no_layer_curve(path):
  _model().save(path)
  _rewrite(path, lambda header: None, layer_curve=CURVE)
  with pytest.raises(UserError, match='layer_curve'):
    Model.load(path)


def test_a_bent_model_has_the_papers_path_too():
  arch = dataclasses.replace(ARCH, path='poly', bends=2)
  model = _model(arch=arch, params=_params(arch))
  line = model.with_path('line')
  frozen = dataclasses.replace(model, params=FrozenDict(model.params))
  for one in (line, frozen.with_path('line')):
    names = parameters.flatten(one.params).keys()
    assert not [name for name in names if 'bend' in name]
  assert line.arch == ARCH
  assert line.curve == model.curve
  assert model.with_path('poly') is model
  for s in (0.0, 1.0):
    np.testing.assert_allclose(
      line.apply(line.params, IMAGE, s),
      model.apply(model.params, IMAGE, s),
      rtol=0,
      atol=1e-6,
    )
  for other in (model, line):
    with pytest.raises(UserError, match=r'not .hats.'):
      other.with_path('hats')


def _parse(path):
  """Header and tensors by the format's description, without its library."""
  data = path.read_bytes()
  (length,) = struct.unpack('<Q', data[:8])
  return json.loads(data[8 : 8 + length]), data[8 + length :]


def _rewrite(path, change, **tensor_changes):
  """Changes the JSON header (and tensors) of a model file in place."""
  header = json.loads(_parse(path)[0]['__metadata__']['adafm'])
  change(header)
  flat = parameters.flatten(Model.load(path).params) | tensor_changes
  tensors = {name: value for name, value in flat.items() if value is not None}
  save_file(tensors, path, {'adafm': json.dumps(header)})


def test_what_is_saved_is_loaded(path):
  model = _model()
  model.save(path)
  loaded = Model.load(path)
  jax.tree.map(np.testing.assert_array_equal, loaded.params, model.params)
  assert {x.dtype.name for x in jax.tree.leaves(loaded.params)} == {'float32'}
  header = model_file.read_header(path)
  for field in dataclasses.fields(header):
    expected = getattr(model, field.name)
    assert getattr(loaded, field.name) == expected
    assert getattr(header, field.name) == expected


def test_others_may_read_the_file_as_any_other(path):
  path.with_name('other').touch()
  _model().save(path)
  assert path.stat().st_mode == path.with_name('other').stat().st_mode


@pytest.mark.parametrize('change', [jax.numpy.asarray, np.asfortranarray])
def test_other_arrays_are_saved_right(path, change):
  _model(params=jax.tree.map(change, _params())).save(path)
  loaded = Model.load(path).params
  jax.tree.map(np.testing.assert_array_equal, loaded, _params())


def test_layout_of_the_file_is_as_documented(path):
  model = _model()
  model.save(path)
  header, data = _parse(path)
  stated = json.loads(header['__metadata__']['adafm'])
  assert (stated['format'], stated['version']) == ('adafm', 3)
  assert stated['levels'] == {'task': 'denoise', 'start': 15, 'end': 75}
  assert stated['arch'] == ARCH.to_json()
  entry = header['block_01/conv_2/kernel']
  assert (entry['dtype'], entry['shape']) == ('F32', [3, 3, 4, 4])
  begin, end = entry['data_offsets']
  kernel = np.frombuffer(data[begin:end], '<f4').reshape(3, 3, 4, 4)
  expected = model.params['block_01']['conv_2']['kernel']
  np.testing.assert_array_equal(kernel, expected)


def test_the_same_model_gives_the_same_bytes(path, tmp_path):
  _model().save(path)
  again = tmp_path / 'again.safetensors'
  Model.load(path).save(again)
  assert again.read_bytes() == path.read_bytes()


def test_float16_takes_half_the_space_and_rounds(path, tmp_path):
  half = tmp_path / 'half.safetensors'
  _model().save(path)
  _model().save(half, dtype='float16')
  size, half_size = (len(_parse(p)[1]) for p in (path, half))
  assert half_size * 2 == size
  loaded = Model.load(half).params
  for got, exact in zip(
    jax.tree.leaves(loaded), jax.tree.leaves(_params()), strict=True
  ):
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, exact.astype(np.float16))
    assert not np.array_equal(got, exact)


def test_a_model_without_curve_or_provenance(path):
  levels = LevelRange('dejpeg', 80, 10)
  bare = _model(curve=None, levels=levels, noise=None, provenance={})
  bare.save(path)
  loaded = Model.load(path)
  assert (loaded.curve, loaded.noise, loaded.provenance) == (None, None, {})
  assert loaded.strength(45) == pytest.approx(0.5)
  assert [loaded.strength(q) for q in (80, 10)] == [0, 1]


def test_strength_goes_through_the_curve():
  model = _model()
  assert [model.strength(s) for s in (15, 75)] == [0, 1]
  assert model.strength(35) == pytest.approx(0.35, abs=0.02)
  assert model.strength(35) != pytest.approx(20 / 60, abs=1e-3)


@pytest.mark.parametrize(
  ('level', 'words'),
  [
    (14.9, 'sigma 14.9 .* sigma 15 to sigma 75'),
    (75.1, 'sigma 75.1 .* sigma 15 to sigma 75'),
    (float('nan'), 'noise standard deviation'),
  ],
)
def test_levels_outside_the_range_are_user_errors(level, words):
  with pytest.raises(UserError, match=words):
    _model().strength(level)


def test_a_basic_model_serves_its_own_level_only(path):
  basic = _model(arch=ARCH.basic, params=_params(ARCH.basic), curve=None)
  basic.save(path)
  loaded = Model.load(path)
  assert loaded.strength(15) == 0
  with pytest.raises(UserError, match=r'no AdaFM layers.*sigma 15 only'):
    loaded.strength(30)


def test_contradictions_are_user_errors():
  other = curves.fit([], [], 15, 50, order=1)
  with pytest.raises(UserError, match='from 15 to 50, but the model from 15'):
    _model(curve=other)
  with pytest.raises(UserError, match=r"protocol is 'gauss'.*clipped, float"):
    _model(noise='gauss')
  levels = LevelRange('sr', 3, 4)
  with pytest.raises(UserError, match='for task sr it may be None'):
    _model(levels=levels, curve=None)


def test_bad_parameters_are_not_saved_and_the_old_file_stays(path):
  _model().save(path)
  before = path.read_bytes()
  params = _params()
  params['tail']['bias'][1] = np.nan
  with pytest.raises(UserError, match='tail/bias'):
    _model(params=params).save(path)
  del params['tail']
  with pytest.raises(UserError, match='Tensor tail/bias is missing'):
    _model(params=params).save(path)
  with pytest.raises(UserError, match='finite numbers of the type they are'):
    _model(params=_params(scale=1e5)).save(path, dtype='float16')
  with pytest.raises(UserError, match='float32 or float16, not as int8'):
    _model().save(path, dtype='int8')
  for bad in (float('inf'), {1, 2}):
    with pytest.raises(UserError, match='provenance must be JSON'):
      _model(provenance={'psnr': bad}).save(path)
  assert path.read_bytes() == before
  assert list(path.parent.iterdir()) == [path]


def _errors(path):
  with pytest.raises(UserError) as caught:
    Model.load(path)
  assert all(str(path) in line for line in caught.value.problems)
  return caught.value.problems


def test_every_wrong_tensor_is_reported_in_a_sentence(path):
  _model().save(path)
  _rewrite(
    path,
    lambda header: None,
    **{
      'head/bias': None,
      'trunk/scale': np.zeros(4, np.float32),
      'tail/kernel': np.zeros((3, 3, 4, 1), np.float32),
    },
  )
  missing, unexpected, shape = _errors(path)
  assert missing.endswith('Tensor head/bias is missing.')
  assert 'Tensor trunk/scale is not part of this Architecture' in unexpected
  assert 'tail/kernel has shape [3, 3, 4, 1]' in shape
  assert '[3, 3, 4, 3]' in shape
  # The header alone is still good.
  assert model_file.read_header(path).arch == ARCH


def test_many_wrong_tensors_are_counted(path):
  _model().save(path)
  _rewrite(path, lambda header: header['arch'].update(features=5))
  tensors = len(model_file.read_shapes(path))
  unchanged = 1  # the bias of the last conv, as wide as the image
  with pytest.raises(UserError) as caught:
    Model.load(path)
  *named, last = caught.value.problems
  assert len(named) == 8
  assert f'{tensors - unchanged - 8} more' in last


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(path, bad):
  _model().save(path)
  bias = np.array([0, bad, 0, 0], np.float32)
  _rewrite(path, lambda header: None, **{'block_01/adafm_1/bias': bias})
  (problem,) = _errors(path)
  count = len(model_file.read_shapes(path))
  assert f'block_01/adafm_1/bias (1 of {count} tensors)' in problem


def test_other_number_types_are_refused(path):
  _model().save(path)
  _rewrite(path, lambda header: None, **{'head/bias': np.zeros(4)})
  assert 'head/bias holds F64; it must hold F32 or F16.' in _errors(path)[0]


def test_a_later_version_asks_for_an_upgrade(path):
  _model().save(path)
  _rewrite(path, lambda header: header.update(version=4, strange=1))
  (problem,) = _errors(path)
  assert 'version 4' in problem
  assert 'upgrade adafm_jax' in problem


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda h: h.pop('curve'), 'lacks the field(s) curve'),
    (lambda h: h.update(version='1'), 'integer version'),
    (lambda h: h.update(arch=3), 'field arch must be a JSON object'),
    (lambda h: h['arch'].update(kernel=2), 'model.kernel is 2'),
    (lambda h: h['arch'].pop('kernel'), 'must have the fields'),
    (lambda h: h['levels'].pop('end'), 'must hold a task and the numbers'),
    (
      lambda h: h['levels'].update(end=None),
      'must hold a task and the numbers',
    ),
    (
      lambda h: h['levels'].update(end='far'),
      'must hold a task and the numbers',
    ),
    (lambda h: h['levels'].update(task='blur'), "Unknown task 'blur'"),
    (lambda h: h['levels'].update(end=15), 'two different levels'),
    (lambda h: h.update(curve=[1]), 'must have the fields'),
    (lambda h: h['curve'].update(order=9), 'Curve order must be'),
    (lambda h: h['curve'].update(end=50.0), 'curve'),
    (lambda h: h.update(noise='loud'), "protocol is 'loud'"),
  ],
)
def test_a_wrong_header_is_a_user_error(path, change, message):
  _model().save(path)
  _rewrite(path, change)
  assert message in _errors(path)[0]
  with pytest.raises(UserError):
    model_file.read_header(path)


def test_files_that_are_no_models(path, tmp_path):
  assert 'There is no model file' in _errors(tmp_path / 'none')[0]
  assert 'Cannot read the model file' in _errors(tmp_path)[0]
  loop = tmp_path / 'loop'
  loop.symlink_to(loop)  # no user may read it, root neither
  assert _errors(loop) == [
    f'Cannot read the model file {loop}: Too many levels of symbolic links.'
  ]
  save_file({'x': np.zeros(3, np.float32)}, path)
  assert "no 'adafm' header" in _errors(path)[0]
  save_file({'x': np.zeros(3, np.float32)}, path, {'adafm': '{"version": 1'})
  assert 'The header is not JSON' in _errors(path)[0]
  save_file({'x': np.zeros(3, np.float32)}, path, {'adafm': '[1]'})
  assert 'must be a JSON object' in _errors(path)[0]
  path.write_bytes(b'PK\x03\x04' + bytes(1000))
  assert 'is not a whole safetensors file' in _errors(path)[0]


def test_a_file_cut_short_anywhere_is_a_user_error(path):
  _model().save(path)
  data = path.read_bytes()
  lengths = [0, 1, 7, 8, 9, 500, len(data) // 2, len(data) - 4, len(data) - 1]
  for length in lengths:
    path.write_bytes(data[:length])
    assert 'is not a whole safetensors file' in _errors(path)[0]


def test_models_are_themselves_alone(path):
  model = _model()
  other = dataclasses.replace(model, params=_params(scale=0.1))
  assert model != other
  assert len({model, other, model}) == 2


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
  model = tiny_models.random_model()
  path = tmp_path / 'model'
  with pytest.raises(UserError, match=r'call it .*model\.safetensors'):
    model.save(path)
  arch = dataclasses.replace(model.arch, placement='foo')
  other = dataclasses.replace(model, arch=arch)
  with pytest.raises(UserError, match=r"model\.placement is 'foo'"):
    other.save(f'{path}.safetensors')
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  'level', [[15, 20], np.array([15, 20]), 'low', [[1], 2]]
)
def test_a_level_is_one_number(level):
  with pytest.raises(UserError, match='it must be one number'):
    tiny_models.random_model().strength(level)

"""ONNX graphs against JAX, in onnxruntime."""

import itertools
import json
import math

import jax
import numpy as np
import pytest

from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.export import onnx_file
from adafm_jax.export.onnx_file import IMAGE, MAP, Form
from adafm_jax.model import Model
from adafm_jax.model_file import curve as curves
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

onnx = pytest.importorskip('onnx', reason='the extra onnx is not installed')
ort = pytest.importorskip('onnxruntime', reason='it is not installed')

TOLERANCE = 1e-4
PATHS = [('line', 0), ('hats', 2), ('poly', 3)]
SIZES = [(1, 1), (2, 3), (7, 10), (16, 9), (24, 20)]


def _model(
  *,
  kernel=1,
  path=('line', 0),
  task='denoise',
  span=(15, 75),
  channels=3,
  placement='block',
):
  arch = Architecture(5, 2, channels, kernel, placement, *path)
  rng = np.random.default_rng(kernel)
  params = jax.tree.map(
    lambda leaf: rng.normal(0, 0.2, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )
  params['tail']['bias'] += np.float32(0.5)
  return Model(arch=arch, levels=LevelRange(task, *span), params=params)


def _run(model, form, image, **inputs):
  """The graph's output for images [B, H, W, C]."""
  graph = onnx_file.build(model, model.params, form)
  session = ort.InferenceSession(graph.SerializeToString())
  given = {'input': np.ascontiguousarray(image.transpose(0, 3, 1, 2))}
  (output,) = session.run(['output'], given | inputs)
  return output.transpose(0, 2, 3, 1)


def _image(size, channels=3, batch=2, seed=0):
  rng = np.random.default_rng(seed)
  return rng.random((batch, *size, channels), np.float32)


@pytest.mark.parametrize('strength', [IMAGE, MAP])
@pytest.mark.parametrize('path', PATHS)
@pytest.mark.parametrize('kernel', [1, 5])
def test_strength_is_an_input(kernel, path, strength):
  placement = 'block+trunk' if strength == IMAGE else 'activation'
  model = _model(kernel=kernel, path=path, placement=placement)
  apply = jax.jit(model.apply)
  rng = np.random.default_rng(3)
  sizes = rng.permutation(SIZES)[:2]
  for size in sizes.tolist():
    image = _image(size)
    shape = (2,) if strength == IMAGE else image.shape[:3]
    values = rng.random(shape, np.float32)
    given = values if strength == IMAGE else values[:, None]
    output = _run(model, Form(strength), image, strength=given)
    expected = apply(model.params, image, values)
    np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)
    other = apply(model.params, image, 1 - values)
    assert np.abs(output - other).max() > 100 * TOLERANCE


def test_strength_0_is_the_start_model_bit_for_bit():
  model = _model(kernel=5, path=('poly', 3))
  image = _image((7, 9))
  output = _run(model, Form(), image, strength=np.zeros(2, np.float32))
  basic = Model(
    arch=model.arch.basic,
    levels=model.levels,
    params=restorer.backbone(model.params),
  )
  start = onnx_file.build(basic, basic.params, Form())
  assert [x.name for x in start.graph.input] == ['input']
  expected = _run(basic, Form(), image)
  np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize(
  ('kernel', 'path', 'placement'),
  [
    (1, ('poly', 2), 'block+trunk'),
    (1, ('line', 0), 'activation'),
    (5, ('hats', 2), 'block+trunk'),
  ],
)
@pytest.mark.parametrize('size', [None, (9, 12)])
def test_a_level_is_fixed(kernel, path, placement, size):
  model = _model(kernel=kernel, path=path, placement=placement)
  form = Form(level=40.0, size=size)
  graph = onnx_file.build(model, model.params, form)
  assert [x.name for x in graph.graph.input] == ['input']
  image = _image((9, 12), batch=1)
  output = _run(model, form, image)
  expected = model.restore(image, level=40)
  np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)
  assert output.min() == 0 or output.max() == 1  # clipped


def test_at_one_level_1x1_filters_are_folded():
  model = _model(path=('poly', 2))
  graph = onnx_file.build(model, model.params, Form(level=40.0)).graph
  convolutions = [x for x in graph.node if x.op_type == 'Conv']
  assert len(convolutions) == 2 * model.arch.blocks + 5
  wide = _model(kernel=5, path=('poly', 2))
  graph = onnx_file.build(wide, wide.params, Form(level=40.0)).graph
  convolutions = [x for x in graph.node if x.op_type == 'Conv']
  assert len(convolutions) == 4 * model.arch.blocks + 5


def test_a_luma_network_keeps_the_chroma_of_rgb():
  model = _model(task='dejpeg', span=(80, 10), channels=1)
  image = _image((8, 11), batch=1)
  output = _run(model, Form(level=30.0), image)
  expected = model.restore(image, level=30)
  np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)
  # Without a level it is the network, on luma.
  luma = _image((8, 11), channels=1)
  given = np.array([0.2, 0.7], np.float32)
  output = _run(model, Form(), luma, strength=given)
  expected = model.apply(model.params, luma, given)
  np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize('size', [None, (6, 13)])
@pytest.mark.parametrize('scale', [2.0, 3.4, 3.75])
def test_images_are_enlarged_first(scale, size):
  """Also where the scale doesn't divide the size, up to the borders."""
  model = _model(task='sr', span=(2, 4))
  image = _image((6, 13), batch=1)
  output = _run(model, Form(level=scale, size=size), image)
  expected = model.restore(image, level=scale)
  assert output.shape == expected.shape
  np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize('known', [False, True])
@pytest.mark.parametrize(
  ('scale', 'width'), [(10 / 3, 900), (math.pi, 1600), (3.33333334, 300)]
)
def test_wide_images_are_enlarged_by_any_decimals(scale, width, known):
  model = _model(task='sr', span=(2, 4))
  size = (2, width) if known else None
  image = _image((2, width), batch=1)
  output = _run(model, Form(level=scale, size=size), image)
  expected = model.restore(image, level=scale)
  np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)


def test_the_smallest_image_is_enlarged_too():
  model = _model(task='sr', span=(2, 4))
  image = _image((1, 2), batch=1)
  output = _run(model, Form(level=4.0), image)
  expected = model.restore(image, level=4)
  np.testing.assert_allclose(output, expected, rtol=0, atol=TOLERANCE)


def test_float16_halves_the_file_and_hardly_moves_the_result():
  model = _model(kernel=5, path=('poly', 2))
  image, given = _image((9, 12)), np.array([0.2, 0.7], np.float32)
  sizes, outputs = [], []
  for dtype in onnx_file.DTYPES:
    form = Form(dtype=dtype)
    graph = onnx_file.build(model, model.params, form)
    weights = [x for x in graph.graph.initializer if x.name.startswith('head')]
    assert {x.data_type for x in weights} == {1 if dtype == 'float32' else 10}
    sizes.append(sum(len(x.raw_data) for x in graph.graph.initializer))
    outputs.append(_run(model, form, image, strength=given))
  assert sizes[1] < 0.52 * sizes[0]
  assert outputs[1].dtype == np.float32
  difference = np.abs(outputs[1] - outputs[0]).max()
  assert 0 < difference < 0.01 * np.abs(outputs[0]).max()


def test_weights_beyond_float16_are_refused():
  model = _model()
  model.params['tail']['kernel'] = model.params['tail']['kernel'] * 1e6
  with pytest.raises(UserError, match=r'tail/kernel .* too large for float16'):
    onnx_file.build(model, model.params, Form(dtype='float16'))


def test_hosts_get_the_names_types_and_sizes_they_ask_for():
  model = _model(task='sr', span=(2, 4))

  def axes(value):
    assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    return [
      x.dim_param or x.dim_value for x in value.type.tensor_type.shape.dim
    ]

  fixed = onnx_file.build(model, model.params, Form(level=3.0, size=(64, 48)))
  (given,), (output,) = fixed.graph.input, fixed.graph.output
  assert (given.name, axes(given)) == ('input', [1, 3, 64, 48])
  assert (output.name, axes(output)) == ('output', [1, 3, 192, 144])
  free = onnx_file.build(model, model.params, Form(MAP))
  shapes = {x.name: axes(x) for x in [*free.graph.input, *free.graph.output]}
  assert shapes == {
    'input': ['batch', 3, 'height', 'width'],
    'strength': ['batch', 1, 'height', 'width'],
    'output': ['batch', 3, 'height', 'width'],
  }
  assert [(x.domain, x.version) for x in free.opset_import] == [('', 11)]


@pytest.mark.parametrize('piecewise', [False, True])
def test_the_metadata_say_which_strength_serves_a_level(piecewise):
  span = (80.0, 10.0)
  curve = curves.fit([20, 50], [0.6, 0.2], *span, order=3)
  if piecewise:  # with knots between the table's points
    curve = curves.fit_piecewise([20.6, 50.3], [0.9, 0.1], *span)
  made = _model(task='dejpeg', span=span, channels=1)
  model = Model(
    arch=made.arch, levels=made.levels, params=made.params, curve=curve
  )
  graph = onnx_file.build(model, model.params, Form(MAP))
  about = json.loads({x.key: x.value for x in graph.metadata_props}['adafm'])
  assert about['unit'] == 'JPEG quality'
  assert about['levels'] == {'task': 'dejpeg', 'start': 80, 'end': 10}
  assert about['curve'] == curve.to_json()
  assert about['graph'] == {
    'version': 1,
    'strength': 'map',
    'level': None,
    'size': None,
    'dtype': 'float32',
  }
  levels, strengths = np.transpose(about['strengths'])
  for level in (*np.linspace(*span, 140), *curve.levels):
    found = np.interp(level, levels, strengths)
    assert found == pytest.approx(curve.strength(float(level)), abs=1e-3)


def test_a_basic_model_has_the_level_it_starts_from():
  model = _model(kernel=0, task='dejpeg', span=(80, 10))
  graph = onnx_file.build(model, model.params, Form())
  about = json.loads({x.key: x.value for x in graph.metadata_props}['adafm'])
  assert about['strengths'] == [[80, 0]]


def test_levels_out_of_range_are_refused():
  model = _model()
  with pytest.raises(UserError, match='sigma 80 lies outside the range'):
    onnx_file.build(model, model.params, Form(level=80.0))


def test_weights_keep_their_names():
  """Weights keep the names of model files, for those who look inside."""
  model = _model(kernel=5, path=('poly', 1), placement='block+trunk')
  names = {
    x.name
    for x in onnx_file.build(model, model.params, Form()).graph.initializer
  }
  layers = [
    f'block_{i:02d}/conv_{j}' for i, j in itertools.product((0, 1), (1, 2))
  ]
  for layer in ['head', 'tail', 'trunk_adafm', 'trunk_adafm/bend_1', *layers]:
    assert {f'{layer}/kernel', f'{layer}/bias'} <= names

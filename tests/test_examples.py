"""examples/wrap_your_network.py does what docs/wrap.md says."""

import importlib.util
import itertools
import pathlib
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope='module')
def wrap():
  path = ROOT / 'examples/wrap_your_network.py'
  spec = importlib.util.spec_from_file_location('wrap_your_network', path)
  module = importlib.util.module_from_spec(spec)
  sys.modules[spec.name] = module  # dataclasses look there
  spec.loader.exec_module(module)
  return module


def _image(seed=0, batch=2):
  return np.random.default_rng(seed).random((batch, 10, 12, 3), np.float32)


@pytest.fixture(scope='module')
def yours(wrap):
  network = wrap.DnCNN(features=6, depth=3)
  params = network.init(jax.random.key(0), _image())['params']
  return network, params


def _adafm(params):
  return {name: layer['adafm'] for name, layer in params.items()}


def test_inserted_layers_change_nothing(wrap, yours):
  network, params = yours
  apply, insert = wrap.with_adafm(network, kernel_size=3)
  grown = insert(params, _image())
  expected = network.apply({'params': params}, _image())
  for strength in (0.0, 0.7):
    np.testing.assert_array_equal(apply(grown, _image(), strength), expected)
  kernels = {name: x['kernel'].shape for name, x in _adafm(grown).items()}
  assert kernels == {
    'Conv_0': (3, 3, 1, 6),
    'Conv_1': (3, 3, 1, 6),
    'Conv_2': (3, 3, 1, 3),
  }


def test_the_layer_sits_behind_the_convolution(wrap, yours):
  """Against the wrapped network written out by hand."""
  network, params = yours
  apply, insert = wrap.with_adafm(network)
  rng = np.random.default_rng(1)
  grown = jax.tree.map(
    lambda x: x + rng.normal(0, 0.3, x.shape).astype(np.float32),
    insert(params, _image()),
  )
  strengths = np.array([0.25, 1.0], np.float32)
  x = image = _image()
  for i in range(3):
    layer = grown[f'Conv_{i}']
    own = {'params': {'kernel': layer['kernel'], 'bias': layer['bias']}}
    x = nn.Conv(layer['bias'].size, (3, 3)).apply(own, x)
    gain, shift = layer['adafm']['kernel'][0, 0, 0], layer['adafm']['bias']
    change = x * gain.reshape(1, 1, 1, -1) + shift.reshape(1, 1, 1, -1)
    x = x + strengths.reshape(-1, 1, 1, 1) * change
    x = nn.relu(x) if i < 2 else image - x
  result = apply(grown, image, strengths)
  np.testing.assert_allclose(result, x, atol=1e-5)


def test_only_some_layers_if_asked(wrap, yours):
  network, params = yours
  _, insert = wrap.with_adafm(network, where=lambda conv: conv.name != 'Conv_2')
  grown = insert(params, _image())
  assert [name for name, layer in grown.items() if 'adafm' in layer] == [
    'Conv_0',
    'Conv_1',
  ]


def test_adaptation_moves_adafm_alone_and_learns(wrap, yours, capsys):
  network, params = yours
  apply, insert = wrap.with_adafm(network)
  before = insert(params, _image())
  clean = _image(3, batch=4)
  # A second level that AdaFM can undo: the picture at 0.4 of its brightness.
  batches = itertools.repeat((clean, 0.4 * clean))
  after = wrap.train(
    apply,
    before,
    batches,
    rules=wrap.ADAFM_ALONE,
    strength=1.0,
    steps=60,
    learning_rate=3e-2,
  )
  assert '663 frozen' in capsys.readouterr().out

  def loss(params, strength):
    return float(jnp.abs(apply(params, 0.4 * clean, strength) - clean).mean())

  assert loss(after, 1.0) < 0.7 * loss(before, 1.0)
  np.testing.assert_array_equal(
    apply(after, clean, 0.0), network.apply({'params': params}, clean)
  )
  for name, layer in params.items():
    for kind, value in layer.items():
      np.testing.assert_array_equal(after[name][kind], value)


@pytest.mark.slow
def test_the_example_runs(wrap, capsys):
  wrap.main(steps=300)
  table = capsys.readouterr().out.splitlines()[-3:]
  psnr = {
    float(line.split()[1]): [float(x) for x in line.split()[2:]]
    for line in table
  }
  assert psnr[15][0] > psnr[15][2] + 1
  assert psnr[75][2] > psnr[75][0] + 1

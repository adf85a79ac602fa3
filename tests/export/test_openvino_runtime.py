"""OpenVINO through the engine, against JAX."""

import subprocess
import sys

import extras
import numpy as np
import pytest
import released
import tiny_models
from PIL import Image

from adafm_jax import cli
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.export import openvino_runtime

STEP = 1 / 255


def _network(model, precision='f32', **options):
  pytest.importorskip('onnx', reason='the extra onnx is missing')
  runtime = openvino_runtime.make_runtime(
    model, model.params, precision=precision
  )
  return Network(model.arch, model.params, runtime=runtime, **options)


def _image(size=(31, 46), batch=2):
  return np.random.default_rng(0).random((batch, *size, 3), np.float32)


@pytest.fixture(scope='module')
def model():
  return released.with_bends()


@extras.openvino
@pytest.mark.parametrize('side', [None, 16])
def test_it_gives_what_jax_gives(model, side):
  strengths = np.array([0.2, 0.9], np.float32)
  network = _network(model, side=side)
  found = network.restore(_image(), strengths)
  expected = Network(model.arch, model.params).restore(_image(), strengths)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
  assert np.abs(found[0] - network.restore(_image(), 0.5)[0]).max() > 0.01


@extras.openvino
def test_masks_sweeps_and_ensembles_go_through_it(model):
  image = _image(batch=1)
  mask = np.zeros((1, 31, 46), np.float32)
  mask[:, :, 20:] = 0.8
  plain = Network(model.arch, model.params)
  network = _network(model)
  np.testing.assert_allclose(
    network.restore(image, mask), plain.restore(image, mask), rtol=0, atol=1e-4
  )
  swept = np.concatenate(list(network.sweep(image, [0, 0.5, 1])))
  expected = np.concatenate(list(plain.sweep(image, [0, 0.5, 1])))
  np.testing.assert_allclose(swept, expected, rtol=0, atol=1e-4)
  turned = _network(model, self_ensemble=True).restore(image, 0.5)
  assert 1e-6 < np.abs(turned - expected[1]).max() < 0.5


@extras.openvino
def test_bfloat16_is_near(model):
  found = _network(model, 'bf16').restore(_image(), 0.5)
  expected = Network(model.arch, model.params).restore(_image(), 0.5)
  assert np.sqrt(np.mean((found - expected) ** 2)) < STEP


@extras.openvino
def test_the_command_restores_and_sweeps_with_it(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  model = tiny_models.random_model()
  model.save('m.safetensors')
  pixels = np.random.default_rng(1).integers(60, 200, (20, 31, 3), np.uint8)
  Image.fromarray(pixels).save('in.png')
  both = ['-i', 'in.png', '-m', 'm.safetensors', '--runtime', 'openvino']
  assert cli.main(['restore', *both, '-o', 'out.png', '--level', '40']) == 0
  assert cli.main(['sweep', *both, '-o', 'swept', '--levels', '40']) == 0
  expected = model.restore(pixels, level=40).astype(int)
  swept = list((tmp_path / 'swept').glob('in_*.png'))
  assert len(swept) == 1
  for path in ('out.png', swept[0]):
    with Image.open(path) as image:
      assert np.abs(np.asarray(image) - expected).max() <= 2


def test_without_openvino_one_sentence_says_what_to_install(monkeypatch):
  monkeypatch.setitem(sys.modules, 'openvino', None)
  model = tiny_models.random_model()
  with pytest.raises(UserError, match=r"pip install 'adafm_jax\[openvino\]'"):
    openvino_runtime.make_runtime(model, model.params)


def test_it_runs_on_the_cpu(capsys):
  argv = ['restore', '-i', 'a', '-o', 'b', '-m', 'denoise-small']
  argv += ['--runtime', 'openvino', '--device', 'gpu']
  assert cli.main(argv) == 2
  assert capsys.readouterr().err


@extras.openvino
def test_nothing_is_sent_about_its_use():
  """OpenVINO's telemetry, which forks a process, is not loaded."""
  code = (
    'import os, sys\n'
    'from adafm_jax.export import openvino_runtime\n'
    'os.register_at_fork(before=lambda: os._exit(9))\n'
    'openvino = openvino_runtime._openvino()\n'
    'openvino.Core()\n'
    "assert 'openvino_telemetry' not in sys.modules\n"
    "assert 'openvino' in sys.modules\n"
  )
  subprocess.run([sys.executable, '-c', code], check=True, timeout=60)

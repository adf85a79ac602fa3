"""examples/onnx restores pictures as the package does."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny_models
from PIL import Image

from adafm_jax import cli

pytest.importorskip('onnx', reason='the extra onnx is not installed')
pytest.importorskip('onnxruntime', reason='it is not installed')

FOLDER = pathlib.Path(__file__).parents[1] / 'examples/onnx'
PIXELS = np.random.default_rng(0).integers(0, 256, (21, 34, 3), np.uint8)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  """A model, and the folder of its file.onnx."""
  model = tiny_models.random_model()
  folder = tmp_path_factory.mktemp('exported')
  model.save(folder / 'file.safetensors')
  argv = ['export', 'file.onnx', '-m', 'file.safetensors']
  paths = [str(folder / x) if x.startswith('file') else x for x in argv]
  assert cli.main(paths) == 0
  return model, folder


def _check(found, expected):
  """Rounding to 8 bits may differ by one step in a few places."""
  steps = np.abs(found.astype(int) - expected.astype(int))
  assert steps.max() <= 1
  assert (steps > 0).mean() < 0.01


def _python(folder, *arguments):
  Image.fromarray(PIXELS).save(folder / 'in.png')
  command = [sys.executable, FOLDER / 'restore.py', *arguments]
  return subprocess.run(
    command, cwd=folder, capture_output=True, text=True, timeout=60
  )


def test_in_python(exported):
  model, folder = exported
  done = _python(folder, 'file.onnx', 'in.png', '40', 'o.png')
  assert done.returncode == 0, done.stderr
  with Image.open(folder / 'o.png') as image:
    _check(np.asarray(image), model.restore(PIXELS, level=40))


def test_what_the_example_in_python_does_not_take(exported):
  _, folder = exported
  high = _python(folder, 'file.onnx', 'in.png', '200', 'x.png')
  assert high.stderr.splitlines() == ['file.onnx has levels 15 to 75.']
  argv = ['export', folder / 'file40.onnx', '-m', folder / 'file.safetensors']
  assert cli.main([*map(str, argv), '--level', '40']) == 0
  fixed = _python(folder, 'file40.onnx', 'in.png', '40', 'x.png')
  assert fixed.stderr == 'file40.onnx takes no strength, or no RGB.\n'
  assert not (folder / 'x.png').exists()


def test_in_javascript(exported):
  node = shutil.which('node')
  if not node or not (FOLDER / 'node_modules/onnxruntime-web').is_dir():
    pytest.skip('needs node, and `npm install` in examples/onnx')
  model, folder = exported
  done = subprocess.run(
    [node, FOLDER / 'restore.mjs', 'file.onnx', '21', '34', '0.35'],
    cwd=folder,
    input=PIXELS.tobytes(),
    capture_output=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr.decode()
  found = np.frombuffer(done.stdout, np.uint8).reshape(PIXELS.shape)
  _check(found, model.restore(PIXELS, strength=0.35))

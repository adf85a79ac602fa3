"""Runs `adafm restore` in a folder of its own, for tests."""

import argparse
import json
import os
import pathlib
import sys

import numpy as np
import tiny_models
from PIL import Image

from adafm_jax import cli
from adafm_jax.commands import restore

MODELS = {
  'denoise': tiny_models.random_model(),
  'dejpeg': tiny_models.random_model('dejpeg', channels=1),
  'sr': tiny_models.random_model('sr'),
}


def pixels(seed=0, size=(16, 24), channels=3):
  rng = np.random.default_rng(seed)
  shape = size if channels == 1 else (*size, channels)
  return rng.integers(60, 200, shape, np.uint8)


def make(name, **options):
  path = pathlib.Path(name)
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(pixels(**options)).save(path)


def run(inputs, output, *options, model='denoise'):
  inputs = [inputs] if isinstance(inputs, str) else inputs
  argv = ['restore', '-i', *inputs, '-o', output]
  argv += ['-m', f'{model}.safetensors', *options]
  return cli.main([str(x) for x in argv])


def options(*given):
  parser = argparse.ArgumentParser()
  restore.arguments(parser)
  given = ['-i', 'in', '-o', 'out', '-m', 'denoise.safetensors', *given]
  return parser.parse_args(given)


def read(path):
  with Image.open(path) as image:
    return np.asarray(image)


def report(path):
  """The pictures of a report, and its last line."""
  lines = pathlib.Path(path).read_text().splitlines()
  *pictures, call = [json.loads(line) for line in lines]
  return pictures, call


def files(folder):
  found = pathlib.Path(folder).rglob('*')
  return sorted(str(x.relative_to(folder)) for x in found if x.is_file())


def command(*options):
  """A call in a process of its own, as arguments of `subprocess`."""
  root = pathlib.Path(__file__).parents[1]
  command = [sys.executable, '-m', 'adafm_jax.cli', 'restore']
  command += ['-m', 'denoise.safetensors', '--strength', '0.5', *options]
  environment = {'PYTHONPATH': str(root), 'PYTHONIOENCODING': 'ascii'}
  return {'args': command, 'env': os.environ | environment}

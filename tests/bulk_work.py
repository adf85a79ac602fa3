"""Bulk work on the pictures of the fixture `bulk_pictures`, for its tests."""

import pathlib

import numpy as np
from PIL import Image
from pyarrow import parquet

from adafm_jax import cli

COUNT = 9
COMMAND = ['restore', '-i', 'in', '-o', 'out', '-m', 'model.safetensors']
COMMAND += ['--level', '40', '--recursive', '--manifest', 'notes']


def write_pictures(count=COUNT, shape=(16, 24, 3)):
  """Three albums of pictures, in the current folder."""
  for i in range(count):
    path = pathlib.Path('in', f'album{i % 3}', f'{i}.png')
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(i).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)


def merge(capsys):
  """The exit code of `adafm merge`, and what it said."""
  capsys.readouterr()
  code = cli.main(['merge', 'notes'])
  return code, capsys.readouterr()


def table():
  """The rows of the merged table."""
  return parquet.read_table('notes/manifest.parquet').to_pylist()


def results(folder='out'):
  """The bytes of each result, by its path in the output."""
  return {
    p.relative_to(folder).as_posix(): p.read_bytes()
    for p in pathlib.Path(folder).rglob('*.png')
  }

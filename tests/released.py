"""Released models for tests: the small ones, and a zoo of one of its own."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest
import tiny_models

from adafm_jax import zoo
from adafm_jax.model_file import file as model_file
from adafm_jax.models import parameters
from release import register


def with_bends(task='denoise', **options):
  """A small random model on a bent path."""
  line = tiny_models.random_model(task, **options)
  arch = dataclasses.replace(line.arch, path='poly', bends=2)
  rng = np.random.default_rng(5)

  def fill(path, leaf):
    if not path[-1].key.startswith('bend_'):
      return leaf
    return rng.normal(0, 0.1, leaf.shape).astype(np.float32)

  params = parameters.insert_adafm(line.params, arch)
  return dataclasses.replace(
    line,
    arch=arch,
    params=jax.tree_util.tree_map_with_path(fill, jax.device_get(params)),
    noise='clipped' if task == 'denoise' else None,
  )


def small(task):
  """The name of the smallest released model of a task, which tests run."""
  names = [name for name in zoo.entries() if name.partition('-')[0] == task]
  return min(names, key=lambda name: _features(zoo.entries()[name].path))


def _features(path):
  return model_file.read_header(path).arch.features


def each():
  """Every released model's name; tests of the larger ones are slow."""
  smallest = {small(name.partition('-')[0]) for name in zoo.entries()}
  return [
    name if name in smallest else pytest.param(name, marks=pytest.mark.slow)
    for name in zoo.entries()
  ]


def make_zoo(tmp_path, monkeypatch, model, name='small', dtype='float32'):
  """Registers a model in an empty zoo; returns the file it was made of."""
  folder = tmp_path / 'zoo'
  folder.mkdir()
  monkeypatch.setattr(zoo, 'FOLDER', folder)
  (folder / 'registry.json').write_text('[]')
  path = tmp_path / 'run.safetensors'
  model.save(path)
  register.register(
    str(path),
    name=name,
    description='for tests',
    licence='CC0-1.0',
    quality='set: sigma 15 30.00 dB',
    dtype=dtype,
  )
  return path


def results(
  name='small', *, levels=(15.0, 35.0, 75.0), methods=None, **changes
):
  """What `release.evaluate` might write: CBSD68, made-up PSNR."""
  methods = methods or {
    'input': 10,
    'classical': 20,
    'line': 30,
    'bent': 31,
  }
  scores = [
    {
      'set': 'cbsd68',
      'noise': noise,
      'protocol': f'RGB, {noise}',
      'level': level,
      'method': method,
      'strength': 0.5 if psnr >= 30 else None,
      'psnr': psnr - level / 100 - (noise == 'float'),
      'ssim': psnr / 100,
      'least_gain': psnr - 11.0,
      'images': 2,
    }
    for noise in ('clipped', 'float')
    for level in levels
    for method, psnr in methods.items()
  ]
  return {
    'model': name,
    'sha256': zoo.entries()[name].sha256,
    'date': '2026-01-31',
    'levels': list(levels),
    'sets': {'cbsd68': 2},
    'classical': [],
    'dedicated': [],
    'float32': None,
    'speed': {
      'pixels': [512, 512],
      'seconds': 0.25,
      'megapixels_per_second': 1.049,
      'gflops': {'matrix product': 450.0, 'convolution': 429.6},
    },
    'scores': scores,
    'provenance': {
      'adafm_jax': '1.2.3',
      'python': '3.12.0',
      'packages': {'jax': '0.9'},
      'device': '1 x cpu',
      'git_revision': 'a' * 40 + '+changes',
      'processor': 'a processor',
    },
    'pictures': {},
  } | changes


def write(folder, found):
  """Writes results where a card is made of them."""
  folder.mkdir(exist_ok=True)
  (folder / f'{found["model"]}.json').write_text(json.dumps(found))

import dataclasses
import hashlib
import json

import jax
import numpy as np
import pytest

from adafm_jax.commands import info
from adafm_jax.degrade.level import LevelRange
from adafm_jax.model import Model
from adafm_jax.model_file import curve as curves
from adafm_jax.model_file import file as model_file
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.report import tables


def _save(path, arch, levels, **fields):
  params = jax.tree.map(
    lambda x: np.zeros(x.shape, np.float32), restorer.parameter_shapes(arch)
  )
  model = Model(arch=arch, levels=levels, params=params, **fields)
  model.save(path)
  return path


@pytest.fixture(scope='module')
def full(tmp_path_factory):
  """A model of the paper's size, DeJPEG 80 -> 10, with its Figure 7 curve."""
  quality = (70, 60, 50, 40, 30, 20)
  best = (0.07, 0.14, 0.20, 0.28, 0.40, 0.59)
  return _save(
    tmp_path_factory.mktemp('models') / 'full.safetensors',
    Architecture(kernel=3),
    LevelRange('dejpeg', 80, 10),
    curve=curves.fit(quality, best, 80, 10),
    provenance={
      'steps': 500_000,
      'metrics': [
        {'set': 'LIVE1', 'level': 80.0, 'psnr': 38.8123, 'ssim': 0.98761},
        {'set': 'LIVE1', 'level': 10.0, 'psnr': 29.35, 'best': None},
      ],
    },
  )


def test_a_bent_path_is_named_and_its_weights_are_counted(tmp_path):
  line = Architecture(8, 1, 3, 1)
  bent = dataclasses.replace(line, path='poly', bends=3)
  span = LevelRange('denoise', 15, 75)
  files = [
    _save(tmp_path / f'{arch.path}.safetensors', arch, span)
    for arch in (line, bent)
  ]
  counts = [info.summarize(file)['parameters'] for file in files]
  assert counts[1]['adafm_weights'] == 4 * counts[0]['adafm_weights'] == 64
  assert counts[1]['weights'] == counts[0]['weights']
  assert 'path poly of 3 bends' in info.describe(files[1])
  assert 'path line:' in info.describe(files[0])


def test_text_tells_what_the_paper_tells_of_its_model(full):
  text = info.describe(full)
  for line in (
    'task      dejpeg, q 80 to q 10 (JPEG quality)',
    'network   16 residual blocks, 64 features, 3 image channel(s)',
    'backbone  1,404,288 weights, 2,499 biases',
    'AdaFM     32 layers 3x3, placement block, path line: 18,432 weights'
    ' (1.31% of the backbone), 2,048 biases',
  ):
    assert line in text.splitlines()
  assert 'noise ' not in text
  assert f'{full.stat().st_size / 1e6:.2f} MB' in text


def test_text_has_the_curve_and_strengths_of_whole_levels(full):
  header = model_file.read_header(full)
  lines = info.describe(full).splitlines()
  assert f'strength  {header.curve.formula("q")}' in lines
  table = lines[lines.index('level  strength') + 1 :][:5]
  assert [line.split()[1] for line in table] == ['80', '62', '45', '28', '10']
  for line in table:
    _, level, strength = line.split()
    expected = header.curve.strength(float(level))
    assert float(strength) == pytest.approx(expected, abs=5e-4)


def test_text_has_metrics_as_a_table_and_the_rest_as_provenance(full):
  text = info.describe(full)
  rows = text[text.index('metrics\n') :].splitlines()[1:4]
  assert [row.split() for row in rows] == [
    ['set', 'level', 'psnr', 'ssim', 'best'],
    ['LIVE1', '80', '38.81', '0.9876', tables.MISSING],
    ['LIVE1', '10', '29.35', tables.MISSING, tables.MISSING],
  ]
  assert json.loads(text[text.index('provenance\n') + 11 :]) == {
    'steps': 500000
  }


def test_summary_is_json_and_agrees_with_the_file(full):
  facts = json.loads(json.dumps(info.summarize(full)))
  assert facts['sha256'] == hashlib.sha256(full.read_bytes()).hexdigest()
  assert facts['bytes'] == full.stat().st_size
  assert facts['parameters'] == {
    'weights': 1_404_288,
    'biases': 2_499,
    'adafm_weights': 18_432,
    'adafm_biases': 2_048,
  }
  assert facts['levels'] == {'task': 'dejpeg', 'start': 80, 'end': 10}
  assert facts['strengths'][0] == [80, 0]
  assert facts['strengths'][-1] == [10, 1]
  assert facts['provenance']['steps'] == 500_000


def test_models_without_curve_noise_or_adafm(tmp_path):
  levels = LevelRange('denoise', 15, 75)
  arch = Architecture(4, 1, 1, 5, 'block+trunk')
  path = _save(tmp_path / 'a.safetensors', arch, levels, noise='float')
  text = info.describe(path)
  assert 'noise     float' in text
  assert 'strength  linear between the ends' in text
  assert '3 layers 5x5, placement block+trunk, path line: 300 weights' in text
  assert 'provenance' not in text
  path = _save(tmp_path / 'b.safetensors', arch.basic, levels)
  text = info.describe(path)
  assert 'AdaFM     none: the basic model' in text
  assert 'strength  none: restores sigma 15 only' in text
  assert 'sigma 75  ' not in text

import json

import numpy as np
import pytest
import skimage
from PIL import Image

from benchmarks import estimators


def test_tables_hold_what_was_measured(tmp_path):
  folder = tmp_path / 'photos'
  folder.mkdir()
  for name in ('astronaut', 'coffee'):
    image = getattr(skimage.data, name)()
    small = Image.fromarray(image).resize((160, 120))
    small.save(folder / f'{name}.png')
  cases = [
    case
    for path in sorted(folder.iterdir())
    for case in estimators.measure(path, [10.0, 50.0], [40.0])
  ]
  rows = estimators.summary(cases)
  assert json.loads(json.dumps(rows)) == rows
  sigma = [case for case in cases if (case.task, case.truth) == ('sigma', 50)]
  errors = [case.estimated - 50 for case in sigma]
  assert max(map(abs, errors)) < 3
  (row,) = [
    row
    for row in rows
    if (row['task'], row['level'], row['half']) == ('sigma', '50', 'all')
  ]
  assert row['images'] == 2
  assert row['bias'] == pytest.approx(sum(errors) / 2)
  assert row['rms'] ** 2 == pytest.approx(sum(e * e for e in errors) / 2)
  assert row['largest'] == max(map(abs, errors))
  table = estimators.table(rows, 'photos', 'quality')
  assert '| 40 | +0.00 | 0.00 | 0.00 | 0.00 | 0.0 | 100% |' in table
  halves = [row['images'] for row in rows if row['half'] in ('flat', 'tex')]
  assert set(halves) == {1}


def test_the_baseline():
  noise = np.random.default_rng(0).normal(0.5, 10 / 255, (200, 200, 3))
  assert estimators.haar_mad(noise) == pytest.approx(10, rel=0.02)

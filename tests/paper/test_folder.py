"""What may change in a workdir of lists, and what may not."""

import pathlib

import numpy as np
import pytest

from adafm_jax.errors import UserError
from adafm_jax.paper import folder as folders
from adafm_jax.paper import lists
from adafm_jax.paper.variation import Variation

ROOT = pathlib.Path(__file__).parents[2]

LIST = """
from adafm_jax.paper.variation import Variation

def get_variations():
  return [Variation(task='denoise', start=15, end=75)]
"""
SCHEDULE = {'train.schedule': 'trapezoid'}


@pytest.fixture
def base(tmp_path):
  def read(**fields):
    file = tmp_path / 'list.py'
    file.write_text(LIST)
    return lists.read(str(file), {'preset': 'tiny', **SCHEDULE, **fields}).base

  return read


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('train.steps', '30'),  # of a single run it may change
    ('calibrate.grid', '0,0.4,1'),
    ('calibrate.images', '1'),
    ('evaluate.images', '2'),
  ],
)
def test_what_would_give_a_cell_two_numbers_is_refused(
  tmp_path, base, field, value
):
  folders.open_workdir(tmp_path / 'w', 'tiny', base())
  with pytest.raises(UserError, match=f'{field}: '):
    folders.open_workdir(tmp_path / 'w', 'tiny', base(**{field: value}))


@pytest.mark.parametrize(
  ('fields', 'name'),
  [
    ({'system': 'basic', 'start': 15}, 'denoise-basic-15-seed0-ebf0b48f'),
    ({'start': 15, 'end': 75}, 'denoise-adafm-15-75-k1-seed0-eff6fb5c'),
  ],
)
def test_names_stay(fields, name):
  """Others would train again what is done; add no field without need."""
  overrides = {'preset': 'small', 'tasks': 'denoise', 'data.train': 'images'}
  base = lists.read(str(ROOT / 'configs/paper/table5.py'), overrides).base
  variation = Variation(task='denoise', **fields)
  assert folders.name(base, variation) == name
  for more in ({'train.loss': 'l2'}, {'data.vivid': 0.5}):
    changed = overrides | more
    base = lists.read(str(ROOT / 'configs/paper/table5.py'), changed).base
    assert folders.name(base, variation) != name


def test_one_more_set_or_protocol_is_taken(tmp_path, base):
  folders.open_workdir(tmp_path / 'w', 'tiny', base())
  more = {'evaluate.sets': 'a=/a', 'evaluate.protocols': 'clipped,float'}
  folders.open_workdir(tmp_path / 'w', 'tiny', base(**more))
  folders.open_workdir(
    tmp_path / 'w', 'tiny', base(**{'evaluate.sets': 'b=/b'})
  )
  # But not other images under a name that results have.
  for name in 'ab':
    other = base(**{'evaluate.sets': f'{name}=/c'})
    with pytest.raises(UserError, match=f"sets={name}: '/{name}' -> '/c'"):
      folders.open_workdir(tmp_path / 'w', 'tiny', other)


def test_the_same_config_again_writes_nothing(tmp_path, base):
  asked = base(**{'evaluate.sets': 'a=/a'})
  folders.open_workdir(tmp_path, 'tiny', asked)
  path = tmp_path / 'config.json'
  before = path.stat().st_ino
  folders.open_workdir(tmp_path, 'tiny', asked)
  assert path.stat().st_ino == before


def test_weights_in_another_order_of_memory_are_kept_as_they_are(
  base, tmp_path
):
  kernel = np.arange(24, dtype=np.float32).reshape(4, 3, 2).T
  assert not kernel.flags['C_CONTIGUOUS']
  folder = folders.Folder(
    tmp_path, base(), Variation(task='denoise', start=15, end=75)
  )
  folder.write({'adafm_1': {'kernel': kernel}}, {})
  np.testing.assert_array_equal(folder.params()['adafm_1']['kernel'], kernel)

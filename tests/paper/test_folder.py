"""What may change in a workdir of lists, and what may not."""

import pytest

from adafm_jax.errors import UserError
from adafm_jax.paper import folder as folders
from adafm_jax.paper import lists

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


def test_one_more_set_or_protocol_is_taken(tmp_path, base):
  folders.open_workdir(tmp_path / 'w', 'tiny', base())
  more = {'evaluate.sets': 'a=/a', 'evaluate.protocols': 'clipped,float'}
  folders.open_workdir(tmp_path / 'w', 'tiny', base(**more))

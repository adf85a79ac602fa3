"""The paper's numbers agree with each other where its tables share cells."""

import pytest

from adafm_jax.paper import numbers


@pytest.mark.parametrize(
  ('name', 'start', 'end', 'chosen'),
  [
    ('set5', 3, 4, 2),
    ('div2k', 3, 4, 2),
    ('live1', 80, 10, 0),
    ('cbsd68', 15, 75, 0),
  ],
)
def test_table_2_and_the_tables_of_ranges(name, start, end, chosen):
  filters = numbers.FILTERS[name]
  assert numbers.ADAPTED[name, start, end] == (filters[4], filters[chosen])
  if name != 'div2k':
    assert numbers.NORMALISATION[name, end][2] == filters[chosen]


@pytest.mark.parametrize('name', ['set5', 'div2k', 'live1', 'cbsd68'])
def test_a_level_has_one_baseline(name):
  found = {}
  for (where, _, end), (baseline, adapted) in numbers.ADAPTED.items():
    if where == name:
      assert found.setdefault(end, baseline) == baseline
      assert adapted < baseline


def test_the_other_tables():
  for (task, level, system), value in numbers.PEERS.items():
    if system == 'basic':
      name = numbers.SETS[task][0]
      known = {
        end: psnr[0]
        for (where, _, end), psnr in numbers.ADAPTED.items()
        if where == name
      }
      assert known[level] == value
  assert numbers.SCRATCH[1] == numbers.ADAPTED['div2k', 3, 4][0]
  assert numbers.POSITIONS['block'] == numbers.FILTERS['set5'][2]
  far = numbers.MODULATED[80, 10]
  for table in numbers.MODULATED.values():
    strengths = [strength for strength, _ in table.values()]
    assert strengths == sorted(strengths)
    assert (strengths[0], strengths[-1]) == (0, 1)
  assert far[10][1] == pytest.approx(29.55 - 29.35)
  assert list(far) == sorted(far, reverse=True)

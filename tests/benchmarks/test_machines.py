"""The model of many machines, against values worked out by hand."""

import pytest

from benchmarks import machines
from benchmarks import trainer as trainers
from benchmarks.machines import Kind, Link


def test_a_sum_over_devices():
  link = Link('x', 1e-3, 1e6)
  assert link.sum(1e6, 1) == 0
  assert link.sum(1e6, 2) == pytest.approx(2e-3 + 1.0)
  assert link.sum(1e6, 8) == pytest.approx(6e-3 + 1.75)


@pytest.mark.parametrize('devices', [2, 4])
def test_a_link_is_found_again_from_its_sums(devices):
  link = Link('x', 3e-4, 2e8)
  sums = {str(n): link.sum(n, devices) for n in (2**10, 2**18, 2**24)}
  found = machines.fit_link('x', sums, devices)
  assert found.delay == pytest.approx(3e-4)
  assert found.rate == pytest.approx(2e8)


def test_sums_that_cost_the_same_have_no_rate():
  found = machines.fit_link('x', {'1': 0.2, '1000': 0.2}, 2)
  assert found.rate > 1e4
  assert found.delay == pytest.approx(0.1, rel=0.01)


def test_efficiency_is_a_half_where_the_sum_takes_as_long_as_the_step():
  link = Link('x', 0.0, 1.0)
  assert machines.efficiency(1.0, 1.0, 2, link) == pytest.approx(0.5)


def test_each_assumption_is_checked_on_what_it_has_not_seen():
  link = Link('x', 1e-3, 1e6)
  sums = {
    str(n): {'two processes': {'seconds': link.sum(n, 2)}}
    for n in (2**10, 2**18, 2**22)
  }
  sums[str(2**22)]['two processes']['seconds'] *= 2  # as no link would have it
  measured = {
    'sums': sums,
    'steps': {
      'basic': {'one core': {'busy': 4.0}, 'two processes': {'busy': 5.0}}
    },
  }
  half = {'steps': {'basic': {'one core': {'busy': 1.6}}}}
  batch, processes_, *_, largest = machines.checks(measured, half)
  assert batch.error == pytest.approx(2 / 1.6 - 1)
  assert processes_.error == pytest.approx(4 / 5 - 1)
  assert largest.error == pytest.approx(-0.5)


def test_the_cost_of_photographs():
  parts = {'read': (1.0, 0.1), 'network': (0.0, 0.4)}
  each = machines.core_seconds({'a_picture_and_a_megapixel': parts}, 10)
  assert each == {'read': 2.0, 'network': 4.0}
  _, *rows = machines.restoring(each, 3600)
  assert rows[:3] == [
    ['read', '2.00', '2'],
    ['network', '4.00', '4'],
    ['all', '6.00', '6'],
  ]
  assert rows[3][1] == '0.50'
  kinds = [Kind('core', 0.5, 1), Kind('fast', 4.0, 3), Kind('new', 10.0, 0)]
  _, core, fast, new = machines.costs(each, 3600, kinds)
  assert core[3:] == ['6', '3']
  assert fast[3:] == ['2', '8']
  assert new[4] == 'cheaper than core from 20'


def test_bytes_that_a_program_sums():
  program = """
  %a = f32[64,3]{1,0} all-reduce(%x), channel_id=1, to_apply=%add
  %b = (f32[2]{0}, s32[]) all-reduce-start(%y, %z), channel_id=2
  %c = f32[1000]{0} add(%p, %q)
  """
  assert trainers.summed_bytes(program) == 4 * (64 * 3 + 2 + 1)


def test_the_gradients_of_a_network_are_what_is_summed():
  trainer = trainers.Trainer({'features': 4, 'blocks': 1, 'kernel': 1})
  found = {stage: trainer.exchanged(stage) for stage in trainers.STAGES}
  extra = 8  # loss and mean squared error
  assert found['basic']['summed'] == found['basic']['weights'] + extra
  # Two layers of a 1x1 filter and a bias a channel.
  adafm = 4 * 2 * 2 * 4
  assert found['adapt']['summed'] == adafm + extra
  assert found['adapt']['weights'] - found['basic']['weights'] == adafm
  # XLA sums what comes before the three bends of each: hats at four places.
  assert found['path']['summed'] == 4 * adafm + extra

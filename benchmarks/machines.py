"""What many machines would do, from what was measured on one: docs/scaling.md.

  python -m benchmarks.machines

reads benchmarks/results/processes-cpu.json, processes-half-cpu.json (both of
`benchmarks.processes`) and photograph-cpu.json (`benchmarks.photograph`), and
prints the tables. What was not measured is an option, with an assumption as its
default.

A step takes as long as a device's share of the batch, and then the sum of the
gradients over all devices: twice (N - 1) / N of the bytes through the slowest
link, and two messages for each doubling of N.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from adafm_jax.report import tables

RESULTS = pathlib.Path(__file__).parent / 'results'
DEVICES = (8, 64, 512)


class Link(NamedTuple):
  """A connection between devices.

  Attributes:
    name: for tables.
    delay: seconds of a message.
    rate: bytes a second, one way.
  """

  name: str
  delay: float
  rate: float

  def sum(self, size: float, devices: int) -> float:
    """Seconds of a sum of `size` bytes over devices."""
    if devices == 1:
      return 0.0
    sent = 2 * (devices - 1) / devices * size
    return 2 * math.log2(devices) * self.delay + sent / self.rate


def fit_link(name: str, sums: Mapping[str, float], devices: int) -> Link:
  """The link that explains measured sums best, in relative error.

  Args:
    name: for tables.
    sums: seconds by bytes.
    devices: that took part.
  """
  sizes = np.array([float(size) for size in sums])
  seconds = np.array(list(sums.values()))
  # 2 log2(N) delay + 2 (N - 1) / N bytes / rate; each equation by its seconds.
  table = np.stack(
    [
      np.full_like(sizes, 2 * math.log2(devices)),
      2 * (devices - 1) / devices * sizes,
    ],
    axis=1,
  )
  delay, each = optimize.nnls(table / seconds[:, None], np.ones_like(seconds))[
    0
  ]
  return Link(name, float(delay), float(1 / each) if each else math.inf)


class Kind(NamedTuple):
  """A kind of machine to rent.

  Attributes:
    name: for tables.
    price: dollars an hour.
    speed: in cores of the measured machine; 0: not measured.
  """

  name: str
  price: float
  speed: float


def efficiency(step: float, size: float, devices: int, link: Link) -> float:
  """What a device does, beside what it does alone, with the same share."""
  return step / (step + link.sum(size, devices))


class Check(NamedTuple):
  """An assumption of the model beside a run that it did not see."""

  what: str
  predicted: float
  measured: float

  @property
  def error(self) -> float:
    """Of the prediction, relative."""
    return self.predicted / self.measured - 1


def checks(
  measured: Mapping[str, Any], half: Mapping[str, Any]
) -> Iterator[Check]:
  """What the model assumes of steps and of links.

  Args:
    measured: steps of one core and of two processes, and sums.
    half: steps of one core with half of the batch.
  """
  for stage, rows in measured['steps'].items():
    alone = rows['one core']['busy']
    found = half['steps'][stage]['one core']['busy']
    yield Check(f'{stage}: half of the batch, core-seconds', alone / 2, found)
    found = rows['two processes']['busy']
    yield Check(f'{stage}: two processes, core-seconds', alone, found)
  sums = {n: x['two processes']['seconds'] for n, x in measured['sums'].items()}
  for size, found in sums.items():
    others = {n: x for n, x in sums.items() if n != size}
    predicted = fit_link('loopback', others, 2).sum(int(size), 2)
    yield Check(f'sum of {int(size):,} bytes, seconds', predicted, found)


def training(
  measured: Mapping[str, Any],
  links: list[Link],
  speeds: list[float],
  share: float,
) -> Iterator[list[str]]:
  """Efficiency by stage, speed of a device (in our cores), link and devices."""
  yield ['stage', 'bytes a step', 'device, cores', 'link', *map(str, DEVICES)]
  for stage, rows in measured['steps'].items():
    size = measured['exchanged'][stage]['summed']
    for speed in speeds:
      for link in links:
        step = rows['one core']['busy'] * share / speed
        yield [
          stage,
          f'{size:,}',
          f'{speed:g}',
          link.name,
          *(f'{efficiency(step, size, n, link):.1%}' for n in DEVICES),
        ]


def core_seconds(
  photograph: Mapping[str, Any], megapixels: float
) -> dict[str, float]:
  """What each part of the work on a photograph takes."""
  parts = photograph['a_picture_and_a_megapixel'].items()
  return {part: once + rate * megapixels for part, (once, rate) in parts}


def restoring(each: Mapping[str, float], count: float) -> Iterator[list[str]]:
  """Core-hours of all photographs, by part, and what the data path is of it."""
  yield ['part', 'core-seconds each', 'core-hours of all']
  for name, seconds in {**each, 'all': sum(each.values())}.items():
    yield [name, f'{seconds:.2f}', f'{seconds * count / 3600:,.0f}']
  beside = (sum(each.values()) - each['network']) / each['network']
  yield ['cores beside a device as fast as one core', f'{beside:.2f}', '']


def costs(
  each: Mapping[str, float], count: float, kinds: list[Kind]
) -> Iterator[list[str]]:
  """Hours and dollars of all photographs on each kind of machine.

  Of a kind whose speed isn't known, the speed that makes it as cheap as the
  first kind.
  """
  yield ['kind', 'dollars an hour', 'speed, cores', 'hours', 'dollars']
  work = sum(each.values()) * count / 3600  # core-hours
  for kind in kinds:
    row = [kind.name, f'{kind.price:g}']
    if kind.speed:
      hours = work / kind.speed
      yield [
        *row,
        f'{kind.speed:g}',
        f'{hours:,.0f}',
        f'{hours * kind.price:,.0f}',
      ]
    else:
      even = kind.price * kinds[0].speed / kinds[0].price
      yield [
        *row,
        'not measured',
        '',
        f'cheaper than {kinds[0].name} from {even:g}',
      ]


def table(rows: Iterator[list[str]]) -> str:
  """Rows as Markdown, the first as the head."""
  head, *body = rows
  return tables.markdown_table(head, body)


def _named(given: list[str]) -> Iterator[tuple[str, float, float]]:
  """What options of a name and two numbers hold."""
  for text in given:
    name, first, second = text.split(',')
    yield name, float(first), float(second)


def _options() -> argparse.Namespace:
  """What was measured, and what is assumed."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--steps', type=pathlib.Path, default=RESULTS / 'processes-cpu.json')
  add('--half', type=pathlib.Path, default=RESULTS / 'processes-half-cpu.json')
  add(
    '--photograph', type=pathlib.Path, default=RESULTS / 'photograph-cpu.json'
  )
  add(
    '--links',
    nargs='*',
    metavar='NAME,SECONDS,BYTES_PER_SECOND',
    default=['10 Gb/s,5e-5,1.25e9', '100 Gb/s,1e-5,1.25e10'],
    help='assumed: line rates, and delays usual for TCP and RDMA',
  )
  add(
    '--speeds',
    nargs='*',
    type=float,
    default=[1, 100, 1000],
    help='of a device, in cores of the measured machine',
  )
  add(
    '--share',
    type=float,
    default=1,
    help="a device's pixels of a batch, in measured batches",
  )
  add('--photographs', type=float, default=1e9)
  add('--megapixels', type=float, default=12, help='of a photograph')
  add(
    '--kinds',
    nargs='*',
    metavar='NAME,DOLLARS_AN_HOUR,CORES',
    default=[
      'a core on demand,0.05,1',
      'a core on the spot market,0.02,1',
      'a GPU at 1 dollar,1,0',
      'a GPU at 4 dollars,4,0',
    ],
    help='machines to rent; prices are assumed, see docs/scaling.md',
  )
  return parser.parse_args()


def main() -> None:
  """Prints the tables."""
  options = _options()
  measured = json.loads(options.steps.read_text('utf-8'))
  photograph = json.loads(options.photograph.read_text('utf-8'))
  print('\nWhat the model has not seen\n')
  half = json.loads(options.half.read_text('utf-8'))
  print(table(_shown(checks(measured, half))))
  print('\nEfficiency of training\n')
  links = [Link(*x) for x in _named(options.links)]
  print(table(training(measured, links, options.speeds, options.share)))
  print(f'\n{options.photographs:.0e} of {options.megapixels:g} megapixels\n')
  each = core_seconds(photograph, options.megapixels)
  kinds = [Kind(*x) for x in _named(options.kinds)]
  print(table(restoring(each, options.photographs)))
  print()
  print(table(costs(each, options.photographs, kinds)))
  print('\nError on the largest picture, which the fit has not seen:')
  for part, error in photograph['error_on_the_largest'].items():
    print(f'  {part} {error:+.0%}')


def _shown(found: Iterator[Check]) -> Iterator[list[str]]:
  yield ['what', 'predicted', 'measured', 'error']
  for check in found:
    yield [
      check.what,
      f'{check.predicted:.4f}',
      f'{check.measured:.4f}',
      f'{check.error:+.0%}',
    ]


if __name__ == '__main__':
  main()

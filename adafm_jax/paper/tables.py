"""The paper's tables: ours, the paper's, and the difference in each cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adafm_jax.degrade import level as levels
from adafm_jax.paper import numbers
from adafm_jax.paper.blocks import Block, Heading, Table, Text
from adafm_jax.paper.results import FinishedRun, FinishedRuns, Value
from adafm_jax.report.tables import MISSING

TITLES = {
  'cbsd68': 'CBSD68',
  'live1': 'LIVE1',
  'set5': 'Set5',
  'div2k': 'DIV2K100',
  'heldout': 'held-out images',
}
TASKS = {'sr': 'super-resolution', 'dejpeg': 'DeJPEG', 'denoise': 'denoising'}
KERNELS = (1, 3, 5, 7)
# Table 1: the level of each task, and the network of its time.
PEERS = (
  ('sr', 4, 'srresnet'),
  ('dejpeg', 10, 'arcnn'),
  ('denoise', 15, 'dncnn'),
)
PEER_TITLES = {'srresnet': 'SRResNet', 'arcnn': 'ARCNN', 'dncnn': 'DnCNN'}
RANGES = (('sr', 3, 4), ('dejpeg', 80, 10), ('denoise', 15, 75))


def cell(ours: Value, paper: float | None) -> str:
  """'ours / paper / difference'; a dash for what is missing."""
  theirs = MISSING if paper is None else f'{paper:.2f}'
  apart = MISSING
  if ours.mean is not None and paper is not None:
    apart = f'{ours.mean - paper:+.2f}'
  return f'{ours.text()} / {theirs} / {apart}'


def sets(results: FinishedRuns, task: str) -> list[str]:
  """The paper's sets, and those that were measured beside."""
  paper = numbers.SETS[task]
  return [*paper, *(x for x in results.sets(task) if x not in paper)]


def set_title(name: str) -> str:
  """A set's name in the tables."""
  return TITLES.get(name, name)


def label(task: str, level: float) -> str:
  """A level in the tables."""
  return levels.TASKS[task].label(level)


def arrow(task: str, start: float, end: float) -> str:
  """A range in the tables: 'q 80 → 10'."""
  return f'{label(task, start)} → {end:g}'


def protocols(results: FinishedRuns, tasks: Iterable[str]) -> Iterator[Text]:
  """How the numbers of tasks were measured."""
  found = {TASKS[task]: results.protocol(task) for task in tasks}
  parts = [f'{task} ({text})' for task, text in found.items() if text]
  if parts:
    yield Text(f'Measured: {", ".join(parts)}.')


def table1(results: FinishedRuns) -> Iterator[Block]:
  """The basic model beside the networks of its time."""
  yield Heading(2, 'Table 1: the basic model and its peers')
  yield Text(
    'Every cell: ours / paper / difference, PSNR in dB. The widths of all'
    ' networks follow that of the basic model here, as their numbers of weights'
    " show; the paper's peers have their authors' sizes. SRResNet scales up"
    ' inside; ours gets the low-resolution pixels from the bicubic image that'
    ' all networks here take (the protocol of SRCNN: bicubic first, PSNR on Y).'
    " The paper's DnCNN is its authors' network for unknown levels of noise;"
    ' ours learns sigma 15 alone. Means and variances of batch norm are no'
    ' weights.'
  )
  yield from protocols(results, TASKS)
  rows = []
  for task, level, peer in PEERS:
    fields = {'task': task, 'start': level}
    sizes = [
      parameters(results.find(system=system, **fields))
      for system in (peer, 'basic')
    ]
    for name in sets(results, task):
      paper = name == numbers.SETS[task][0]
      found = [
        cell(
          results.psnr(name, level, system=system, **fields),
          numbers.PEERS[task, level, system] if paper else None,
        )
        for system in (peer, 'basic')
      ]
      where = f'{TASKS[task]} {label(task, level)}, {set_title(name)}'
      rows.append([where, PEER_TITLES[peer], found[0], sizes[0], found[1]])
      rows[-1].append(sizes[1])
  yield Table(
    ['task, set', 'peer', 'its PSNR', 'weights', 'basic model', 'weights'], rows
  )


def parameters(runs: Sequence[FinishedRun]) -> str:
  """How many a network has; a dash if it is missing."""
  return f'{runs[0].about["parameters"]:,}' if runs else MISSING


def table2(results: FinishedRuns) -> Iterator[Block]:
  """Adaptation by filter size."""
  yield Heading(2, 'Table 2: adaptation by filter size')
  yield Text(
    'PSNR at the end of the range, dB; every cell: ours / paper / difference.'
    ' The baseline is the basic model, trained for the end alone.'
  )
  yield from protocols(results, TASKS)
  rows = []
  for task, start, end in RANGES:
    for name in sets(results, task):
      theirs = numbers.FILTERS.get(name, (None,) * 5)
      ours = [
        results.psnr(name, end, task=task, start=start, end=end, kernel=kernel)
        for kernel in KERNELS
      ]
      ours.append(results.psnr(name, end, task=task, system='basic', start=end))
      cells = [cell(a, b) for a, b in zip(ours, theirs, strict=True)]
      rows.append([f'{arrow(task, start, end)}, {set_title(name)}', *cells])
  yield Table(['range, set', *(f'{k}x{k}' for k in KERNELS), 'baseline'], rows)


def position(results: FinishedRuns) -> Iterator[Block]:
  """The position of AdaFM layers (section 4.1)."""
  yield Heading(2, 'Section 4.1: the position of AdaFM layers')
  yield Text(
    'PSNR at the end of the range, dB; every cell: ours / paper / difference.'
    " The paper's layers after activations also follow the two outside of the"
    ' blocks; ours are one a block, half as many as before it.'
  )
  yield from protocols(results, TASKS)
  places = ('everywhere', 'block', 'activation')
  rows = []
  for task, start, end in RANGES:
    for name in sets(results, task):
      paper = numbers.POSITIONS if name == 'set5' else {}
      cells = [
        cell(
          results.psnr(
            name, end, task=task, start=start, end=end, placement=place
          ),
          paper.get(place),
        )
        for place in places
      ]
      rows.append([f'{arrow(task, start, end)}, {set_title(name)}', *cells])
  yield Table(
    [
      'range, set',
      'after all convs',
      'in blocks, before the activation',
      'in blocks, after the activation',
    ],
    rows,
  )


def scratch(results: FinishedRuns) -> Iterator[Block]:
  """AdaFM-Net trained from scratch (section 4.1)."""
  yield Heading(2, 'Section 4.1: AdaFM-Net trained from scratch')
  yield Text(
    'All weights of AdaFM-Net with 5x5 filters learn one level. Every cell:'
    ' ours / paper / difference, PSNR in dB.'
  )
  yield from protocols(results, TASKS)
  rows = []
  for task, _, end in RANGES:
    for name in sets(results, task):
      fields = {'task': task, 'start': end}
      found = (
        results.psnr(name, end, system='scratch', kernel=5, **fields),
        results.psnr(name, end, system='basic', **fields),
      )
      paper = numbers.SCRATCH if name == 'div2k' else (None, None)
      cells = [cell(a, b) for a, b in zip(found, paper, strict=True)]
      rows.append(
        [
          f'{label(task, end)}, {set_title(name)}',
          *cells,
          found[0].minus(found[1]).text(),
        ]
      )
  yield Table(
    ['level, set', 'AdaFM-Net from scratch', 'basic model', 'difference'], rows
  )


def table3(results: FinishedRuns) -> Iterator[Block]:
  """AdaFM beside adaptive normalisation."""
  yield Heading(2, 'Table 3: AdaBN, conditional instance norm and AdaFM')
  yield Text(
    'Every cell: ours / paper / difference, PSNR in dB. At the first level of'
    ' each range the three are the networks that adaptation starts from.'
  )
  yield from protocols(results, TASKS)
  rows = []
  for task, start, end in RANGES:
    for name in sets(results, task):
      for level in (start, end):
        theirs = numbers.NORMALISATION.get((name, level), (None,) * 3)
        cells = [
          cell(
            results.psnr(
              name, level, task=task, system=system, start=start, end=end
            ),
            paper,
          )
          for system, paper in zip(
            ('adabn', 'condin', 'adafm'), theirs, strict=True
          )
        ]
        rows.append([f'{label(task, level)}, {set_title(name)}', *cells])
  yield Table(['level, set', 'AdaBN', 'CondIN', 'AdaFM'], rows)


def layers(results: FinishedRuns) -> Iterator[Block]:
  """Other layers in the place of AdaFM's (section 3.3)."""
  yield Heading(2, 'Section 3.3: batch norm and SFT in the place of AdaFM')
  yield Text(
    'PSNR at both ends of the range, dB. 1x1 AdaFM filters are compared with'
    ' the gains and offsets of batch norm, fine-tuned for the end, and with SFT'
    ' layers, whose gains and offsets differ from pixel to pixel. At the start'
    ' a network has no such layers, or batch norm. The paper says that batch'
    ' norm is almost the same, and gives no numbers.'
  )
  yield from protocols(results, TASKS)
  rows = []
  for task, start, end in RANGES:
    fields = {'task': task, 'start': start, 'end': end}
    systems: list[dict[str, Any]] = [
      {'system': 'adafm', 'kernel': 1},
      {'system': 'batch_tuned', 'kernel': 1},
      {'system': 'sft'},
    ]
    for name in sets(results, task):
      for level in (start, end):
        found = [results.psnr(name, level, **fields, **x) for x in systems]
        rows.append([f'{label(task, level)}, {set_title(name)}'])
        rows[-1] += [x.text() for x in found]
        rows[-1] += [x.minus(found[0]).text(sign='+') for x in found[1:]]
  yield Table(
    [
      *('level, set', '1x1 AdaFM', 'batch norm, fine-tuned', 'SFT'),
      *('batch norm - AdaFM', 'SFT - AdaFM'),
    ],
    rows,
  )


def adapted(
  results: FinishedRuns, title: str, tasks: Sequence[str]
) -> Iterator[Block]:
  """Range and direction of adaptation: Tables 4 and 5."""
  yield Heading(2, title)
  yield Text(
    'Every cell: ours / paper / difference, in dB. The distance is the PSNR of'
    ' the baseline, trained for the end alone, minus that of AdaFM-Net.'
  )
  yield from protocols(results, tasks)
  rows = []
  for task in tasks:
    first = numbers.SETS[task][0]
    pairs = [(a, b) for name, a, b in numbers.ADAPTED if name == first]
    for name in sets(results, task):
      for start, end in pairs:
        paper = numbers.ADAPTED.get((name, start, end), (None, None))
        ours = adapted_values(results, task, name, (start, end), end)
        theirs = [*paper, None]
        if paper[0] is not None:
          theirs[2] = paper[0] - paper[1]
        cells = [cell(a, b) for a, b in zip(ours, theirs, strict=True)]
        rows.append([f'{arrow(task, start, end)}, {set_title(name)}', *cells])
  yield Table(['range, set', 'baseline', 'AdaFM', 'distance'], rows)


def adapted_values(
  results: FinishedRuns,
  task: str,
  name: str,
  ends: tuple[float, float],
  level: float,
) -> tuple[Value, Value, Value]:
  """PSNR at a level of a range: of the baseline, of AdaFM, and the distance."""
  alone = results.psnr(name, level, task=task, system='basic', start=level)
  ours = results.psnr(name, level, task=task, start=ends[0], end=ends[1])
  return alone, ours, alone.minus(ours)

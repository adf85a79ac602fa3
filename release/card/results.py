"""The tables of a card, from the JSON that `release.evaluate` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adafm_jax.degrade import level as levels
from adafm_jax.model_file.header import Header
from adafm_jax.report import tables
from release import measure, register
from release.card import published
from release.card import words as card_words

ORDER = ('input', 'classical', 'peer', 'line', 'bent', 'dedicated')
_BIG = 0.01  # dB; smaller differences are not shown


class Results(NamedTuple):
  """The measurements of a model.

  Attributes:
    header: of its file.
    found: the JSON of `release.evaluate`.
  """

  header: Header
  found: Mapping[str, Any]

  @property
  def task(self) -> str:
    """A key of `levels.TASKS`."""
    return self.header.levels.task

  @property
  def default(self) -> str:
    """The method that `adafm restore` uses."""
    return 'bent' if self.header.arch.bends else 'line'

  @property
  def both(self) -> bool:
    """Whether the model has a bent path beside the straight one."""
    measured = {row['method'] for row in self.found['scores']}
    return {'line', 'bent'} <= measured

  @property
  def titles(self) -> dict[str, str]:
    """See `card_words.method_titles`."""
    return card_words.method_titles(self.task, self.default, self.both)

  def label(self, level: float) -> str:
    """A level for people."""
    return levels.TASKS[self.task].label(level)

  def parts(self) -> Iterator[tuple[str, str, dict[float, dict[str, Any]]]]:
    """(set, noise, level -> method -> row), in the order measured."""
    grouped: dict[tuple[str, str], dict[float, dict[str, Any]]] = {}
    for row in self.found['scores']:
      part = grouped.setdefault((row['set'], row['noise']), {})
      part.setdefault(row['level'], {})[row['method']] = row
    for (name, noise), by_level in grouped.items():
      yield name, noise, by_level

  def main(self) -> tuple[str, str, dict[float, dict[str, Any]]]:
    """The part that figures show: the first set, with the training noise."""
    parts = list(self.parts())
    wanted = main_noise(self.header)
    return next((p for p in parts if p[1] == wanted), parts[0])

  def faded(self) -> list[float]:
    """Measured levels that are cleaner than the model's range."""
    _, _, by_level = self.main()
    return [x for x in by_level if self.header.levels.cleaner(x)]

  def quality(self) -> str:
    """The main part in one line, of the levels that the model has learnt."""
    name, _, by_level = self.main()
    faded = self.faded()
    rows = [
      methods[self.default]
      for level, methods in by_level.items()
      if level not in faded
    ]
    scores = [(self.label(x['level']), x['psnr']) for x in rows]
    return register.line(name, rows[0]['protocol'], scores)


def main_noise(header: Header) -> str:
  """The noise protocol that a card shows first, 8-bit noise if possible."""
  if header.levels.task != 'denoise':
    return ''
  return 'float' if header.noise == 'float' else 'clipped'


def part_title(results: Results, name: str, by_level: Mapping) -> str:
  """Set, number of images and protocol of a table."""
  row = next(iter(by_level.values()))['input']
  count = f'{row["images"]} image' + 's' * (row['images'] != 1)
  return f'{card_words.set_title(name)} ({count}; {row["protocol"]})'


def result_table(results: Results, by_level: Mapping[float, Mapping]) -> str:
  """PSNR of every method, and SSIM of the main ones, one row per level."""
  here = [m for m in ORDER if any(m in row for row in by_level.values())]
  ssim = [m for m in here if m in ('input', 'classical', results.default)]
  titles = results.titles
  header = ['level', *(titles[m] for m in here), 'lambda']
  header += [f'SSIM: {titles[m]}' for m in ssim]
  rows = []
  for level, methods in by_level.items():
    rows.append(
      [
        results.label(level),
        *(methods[m]['psnr'] if m in methods else None for m in here),
        methods[results.default]['strength'],
        *(methods[m]['ssim'] for m in ssim),
      ]
    )
  decimals = [0, *[2] * len(here), 3, *[4] * len(ssim)]
  return tables.markdown_table(header, rows, decimals=decimals)


def remarks(
  results: Results, name: str, by_level: Mapping[float, Mapping]
) -> str:
  """Remarks on a table that a reader should not miss."""
  default = {x: row[results.default] for x, row in by_level.items()}
  worst = min(default, key=lambda x: default[x]['least_gain'])
  least = default[worst]['least_gain']
  where = results.label(worst)
  text = (
    f'The image that gains least over its input gains {least:+.2f} dB, at'
    f' {where}.'
    if least >= 0
    else f'The worst image is {-least:.2f} dB below its input, at {where}.'
  )
  behind = [
    results.label(x)
    for x, row in by_level.items()
    if 'classical' in row and row['classical']['psnr'] > default[x]['psnr']
  ]
  if behind:
    text += (
      f' At {", ".join(behind)} {results.titles["classical"]} does better than'
      ' the model.'
    )
  if note := card_words.NOTES.get((results.task, name)):
    text += f' {note}'
  return text


def float16_table(results: Results) -> str:
  """The cost of rounding the weights in dB, by level; '' if not measured."""
  parts = [
    (name, noise, by_level)
    for name, noise, by_level in results.parts()
    if all('float32' in row for row in by_level.values())
  ]
  if not parts:
    return ''
  wanted = list(parts[0][2])
  header = ['level', *(short_title(name, noise) for name, noise, _ in parts)]
  rows: list[list[Any]] = [
    [
      results.label(x),
      *(_difference(p[2][x], results.default, 'float32') for p in parts),
    ]
    for x in wanted
  ]
  return tables.markdown_table(header, rows, decimals=4)


def short_title(name: str, noise: str) -> str:
  """A set and its noise protocol, for a column."""
  kind = {'': '', 'clipped': ', clipped', 'float': ', unclipped'}[noise]
  return card_words.set_title(name) + kind


def dedicated_table(results: Results) -> str:
  """The model beside networks for one level; '' if there are none."""
  rows = []
  for name, noise, by_level in results.parts():
    for level, row in by_level.items():
      if 'dedicated' in row:
        rows.append(
          [
            short_title(name, noise),
            results.label(level),
            *(
              row[m]['psnr'] if m in row else None
              for m in ('line', 'bent', 'dedicated')
            ),
            _difference(row, results.default, 'dedicated'),
          ]
        )
  if not rows:
    return ''
  titles = results.titles
  header = ['set', 'level', *(titles[m] for m in ORDER[3:]), 'difference']
  if not results.both:
    del header[3]
    rows = [row[:3] + row[4:] for row in rows]
  return tables.markdown_table(header, rows)


def paths_table(results: Results) -> str:
  """Both paths on held-out images, from the model file; or ''."""
  made = results.header.provenance
  # Models of format 2 compared curves: one lambda, or one per layer.
  measured = made.get('paths') or [
    {'level': row['level'], 'line': row['single'], 'bent': row['layers']}
    for row in made.get('curves') or []
  ]
  if not measured:
    return ''
  header = ['level', 'straight path', 'bent path', 'difference']
  if measure.jointly_trained(made):
    again = measure.jointly_trained(made.get('init') or {})
    before = 'before the last steps' if again else 'before joint training'
    header[1:3] = before, 'after'
  rows: list[list[Any]] = [
    [
      results.label(row['level']),
      row['line'],
      row['bent'],
      row['bent'] - row['line'],
    ]
    for row in measured
  ]
  return tables.markdown_table(header, rows, decimals=3)


def published_table(
  results: Results, name: str, noise: str, by_level: Mapping, millions: float
) -> str:
  """The model beside published results; '' if there are none.

  Args:
    results: of the model.
    name: of the set.
    noise: protocol of the noise, or ''.
    by_level: level -> method -> row.
    millions: parameters of the model, in millions.
  """
  others = published.find(results.task, name, noise)
  columns = [x for x in by_level if any(x in one.psnr for one in others)]
  if not columns:
    return ''
  labels = [results.label(x) for x in columns]
  header = ['', 'parameters (M)', *labels, 'this model against it', 'source']
  ours = {x: by_level[x][results.default]['psnr'] for x in columns}
  inputs = {x: by_level[x]['input']['psnr'] for x in columns}
  rows: list[list[Any]] = [
    ['our input', None, *inputs.values(), None, None],
    ['this model', millions, *ours.values(), None, None],
  ]
  for one in others:
    gaps = [ours[x] - one.psnr[x] for x in columns if x in one.psnr]
    if gaps:
      found = [one.psnr.get(x) for x in columns]
      size = one.parameters
      rows.append([one.method, size, *found, _range(gaps), one.paper])
  decimals = [0, 2, *[2] * len(columns), 0, 0]
  return tables.markdown_table(header, rows, decimals=decimals)


def _range(gaps: Sequence[float]) -> str:
  """'-1.58 to -0.52 dB'."""
  low, high = min(gaps), max(gaps)
  if high - low < _BIG:
    return f'{low:+.2f} dB'
  return f'{low:+.2f} to {high:+.2f} dB'


def _difference(row: Mapping, first: str, second: str) -> float:
  return row[first]['psnr'] - row[second]['psnr']

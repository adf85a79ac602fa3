"""The index of all cards: docs/models/README.md."""

from __future__ import annotations

import pathlib

from adafm_jax import zoo
from adafm_jax.commands import models as listing
from adafm_jax.model_file import file as model_file
from adafm_jax.report import tables

# What follows this line in README.md is written by hand, and kept.
MARK = '<!-- Below: written by hand. Above: python -m release.card.card -->'

_INTRODUCTION = """\
# Released models

Networks that come with the package: `adafm models` lists them, `adafm restore
-m NAME` uses them. Those of 64 features x 16 blocks have the paper's size and
are the best; those of 32 x 8 are several times as fast. Each has a card: what
it is for, how it was made, how it compares with simple and published methods,
and where it fails. GFLOP/MP is the arithmetic of a megapixel.
"""


def measured(folder: pathlib.Path) -> list[str]:
  """Released models that have results, in the registry's order."""
  return [n for n in zoo.entries() if (folder / f'{n}.json').is_file()]


def render(folder: pathlib.Path) -> str:
  """The index as Markdown; its hand-written part is kept.

  Args:
    folder: of the cards.
  """
  rows = []
  for name in measured(folder):
    entry = zoo.entries()[name]
    header = model_file.read_header(entry.path)
    size = entry.path.stat().st_size / 1e6
    cost = round(listing.cost(header.arch))
    link = f'[{name}]({name}.md)'
    network = f'{header.arch.features} x {header.arch.blocks}'
    rows.append((link, str(header.levels), network, size, cost, entry.quality))
  columns = ('model', 'levels', 'network', 'MB', 'GFLOP/MP', 'measured')
  table = tables.markdown_table(columns, rows)
  return '\n'.join([_INTRODUCTION, table, MARK + '\n']) + _by_hand(folder)


def _by_hand(folder: pathlib.Path) -> str:
  path = folder / 'README.md'
  text = path.read_text('utf-8') if path.is_file() else ''
  _, mark, rest = text.partition(MARK + '\n')
  return rest if mark else ''

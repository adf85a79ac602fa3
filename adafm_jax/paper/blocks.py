"""A report as blocks, written as Markdown and as one self-contained page."""

from __future__ import annotations

import base64
import html
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from adafm_jax.report import tables


class Heading(NamedTuple):
  """A heading of level 1 to 3."""

  level: int
  text: str


class Text(NamedTuple):
  """A paragraph."""

  text: str


class Table(NamedTuple):
  """A table of text; the first column names the rows."""

  header: Sequence[str]
  rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
  """A PNG file and what it shows."""

  path: pathlib.Path
  caption: str


Block = Heading | Text | Table | Picture

# How numbers begin, and what stands for a missing one.
_NUMBER = re.compile(rf'[-{tables.MISSING}+\d]')
_STYLE = """
:root{color-scheme:light dark;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;
padding:0 1rem}
table{border-collapse:collapse;display:block;overflow-x:auto;margin:1rem 0}
th,td{border-bottom:1px solid var(--line);padding:.3rem .8rem;text-align:left;
font-variant-numeric:tabular-nums;white-space:nowrap}
.number{text-align:right}
figure{margin:1.5rem 0}img{max-width:100%;background:#fff}
figcaption{font-size:.9rem;opacity:.8}
"""


def to_markdown(blocks: Sequence[Block], folder: pathlib.Path) -> str:
  """Markdown; pictures are named relative to `folder`."""
  parts = []
  for block in blocks:
    match block:
      case Heading(level, text):
        parts.append(f'{"#" * level} {text}\n')
      case Text(text):
        parts.append(f'{text}\n')
      case Table(header, rows):
        parts.append(tables.markdown_table(header, rows))
      case Picture(path, caption):
        name = path.relative_to(folder).as_posix()
        parts.append(f'![{caption}]({name})\n\n{caption}\n')
  return '\n'.join(parts)


def to_html(blocks: Sequence[Block], title: str) -> str:
  """One page with its pictures inside; it loads nothing."""
  body = []
  for block in blocks:
    match block:
      case Heading(level, text):
        body.append(f'<h{level}>{html.escape(text)}</h{level}>')
      case Text(text):
        body.append(f'<p>{html.escape(text)}</p>')
      case Table(header, rows):
        columns = list(zip(*rows, strict=True))
        right = [all(map(_NUMBER.match, column)) for column in columns]
        right = right or [False] * len(header)
        lines = [_line('th', header, right)]
        lines += [_line('td', row, right) for row in rows]
        body.append(f'<table>{"".join(lines)}</table>')
      case Picture(path, caption):
        data = base64.b64encode(path.read_bytes()).decode()
        shown = html.escape(caption)
        body.append(
          f'<figure><img alt="{shown}" src="data:image/png;base64,{data}">'
          f'<figcaption>{shown}</figcaption></figure>'
        )
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    f'<title>{html.escape(title)}</title><style>{_STYLE}</style>'
    f'<body>{"".join(body)}</body></html>\n'
  )


def _line(tag: str, cells: Sequence[str], right: Sequence[bool]) -> str:
  made = [
    f'<{tag}{" class=number" * number}>{html.escape(cell)}</{tag}>'
    for cell, number in zip(cells, right, strict=True)
  ]
  return f'<tr>{"".join(made)}</tr>'

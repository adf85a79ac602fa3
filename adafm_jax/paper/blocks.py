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
  """A PNG file and what it shows; a wide one has the width of the page."""

  path: pathlib.Path
  caption: str
  wide: bool = False


Block = Heading | Text | Table | Picture

# How numbers begin, and what stands for a missing one.
_NUMBER = re.compile(rf'[-{tables.MISSING}+\d]')
_STYLE = """
:root{color-scheme:light dark;--line:#8883;--shade:#8881}
body{font:16px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;
padding:0 1rem}
h1{line-height:1.2}h2{margin-top:3rem;border-bottom:1px solid var(--line)}
nav{columns:20rem;font-size:.9rem}nav a{display:block;color:inherit}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.9rem}
th,td{border-bottom:1px solid var(--line);padding:.25rem .7rem;text-align:left;
font-variant-numeric:tabular-nums;vertical-align:top}
th{border-bottom-width:2px}tr:nth-child(even) td{background:var(--shade)}
td:first-child{min-width:11rem}
.number{text-align:right;white-space:nowrap}td b{font-weight:600}
td i{font-style:normal}.missing,td i{color:#6b7280}
.yes{color:#0a7d3c}.no{color:#c2410c}
figure{margin:1.5rem 0}img{max-width:min(100%,46rem);background:#fff}
figure.wide img{max-width:100%}
figcaption{font-size:.9rem;opacity:.8}
@media(prefers-color-scheme:dark){.missing,td i{color:#9ca3af}
.yes{color:#4ade80}.no{color:#fb923c}}
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
      case Picture(path, caption, _):
        name = path.relative_to(folder).as_posix()
        parts.append(f'![{caption}]({name})\n\n{caption}\n')
  return '\n'.join(parts)


def to_html(blocks: Sequence[Block], title: str) -> str:
  """One page with its pictures inside; it loads nothing."""
  body: list[str] = []
  contents: list[str] = []
  for block in blocks:
    match block:
      case Heading(level, text):
        name = ''
        if level == 2:
          name = f' id="part{len(contents) + 1}"'
          link = f'<a href="#part{len(contents) + 1}">{html.escape(text)}</a>'
          contents.append(link)
        body.append(f'<h{level}{name}>{html.escape(text)}</h{level}>')
      case Text(text):
        body.append(f'<p>{html.escape(text)}</p>')
      case Table(header, rows):
        body.append(_table(header, rows))
      case Picture(path, caption, wide):
        data = base64.b64encode(path.read_bytes()).decode()
        shown = html.escape(caption)
        body.append(
          f'<figure{" class=wide" * wide}>'
          f'<img alt="{shown}" src="data:image/png;base64,{data}">'
          f'<figcaption>{shown}</figcaption></figure>'
        )
  body.insert(1, f'<nav>{"".join(contents)}</nav>')  # below the title
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    f'<title>{html.escape(title)}</title><style>{_STYLE}</style>'
    f'<body>{"".join(body)}</body></html>\n'
  )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  columns = list(zip(*rows, strict=True))
  right = [all(map(_NUMBER.match, column)) for column in columns]
  right = right or [False] * len(header)
  lines = [_line('td', row, right) for row in rows]
  if any(header):
    lines.insert(0, _line('th', header, right))
  return f'<div class=wide><table>{"".join(lines)}</table></div>'


def _line(tag: str, cells: Sequence[str], right: Sequence[bool]) -> str:
  made = []
  for cell, number in zip(cells, right, strict=True):
    kinds = ['number'] * number
    if tag == 'td':
      kinds += [cell] * (cell in ('yes', 'no'))
      kinds += ['missing'] * cell.startswith(tables.MISSING)
    name = f' class="{" ".join(kinds)}"' if kinds else ''
    made.append(f'<{tag}{name}>{_shown(cell, tag)}</{tag}>')
  return f'<tr>{"".join(made)}</tr>'


def _shown(cell: str, tag: str) -> str:
  """'ours / paper / difference' with ours in front of the others."""
  ours, slash, others = html.escape(cell).partition(' / ')
  if tag == 'th' or not slash:
    return html.escape(cell)
  return f'<b>{ours}</b><i> / {others}</i>'

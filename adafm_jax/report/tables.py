"""Tables as text, for a Markdown report and for the screen."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

Value = str | float | None
MISSING = '\N{EN DASH}'


def markdown_table(
  header: Sequence[str],
  rows: Sequence[Sequence[Value]],
  *,
  decimals: int | Sequence[int] = 2,
) -> str:
  """Writes a Markdown table with aligned source text.

  Args:
    header: the columns' names.
    rows: text, numbers, or None for a missing value ('–'); each as long as the
      header. Integers get no decimals.
    decimals: of the other numbers, for all columns or for each.

  Returns:
    The lines, ending in a newline. Columns of numbers are right-aligned.

  Raises:
    ValueError: a row or `decimals` is not as long as the header.
  """
  cells, right = _cells(header, rows, decimals)
  cells = [[cell.replace('|', r'\|') for cell in row] for row in cells]
  widths = [max(3, width) for width in _widths(cells)]
  rule = [
    '-' * (width - 1) + (':' if is_right else '-')
    for width, is_right in zip(widths, right, strict=True)
  ]
  lines = _aligned(cells, widths, right)
  lines.insert(1, rule)
  return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def text_table(
  header: Sequence[str],
  rows: Sequence[Sequence[Value]],
  *,
  decimals: int | Sequence[int] = 2,
) -> str:
  """Writes the same table as plain aligned columns; see `markdown_table`."""
  cells, right = _cells(header, rows, decimals)
  lines = _aligned(cells, _widths(cells), right)
  return ''.join('  '.join(line).rstrip() + '\n' for line in lines)


def _cells(header, rows, decimals) -> tuple[list[list[str]], list[bool]]:
  """The cells as text, and which columns hold numbers."""
  for row in rows:
    if len(row) != len(header):
      raise ValueError(f'A row has {len(row)} cells, not {len(header)}: {row}.')
  if isinstance(decimals, int):
    decimals = [decimals] * len(header)
  cells = [list(header)] + [
    [_format(x, d) for x, d in zip(row, decimals, strict=True)] for row in rows
  ]
  right = [
    any(row[i] is not None for row in rows)
    and not any(isinstance(row[i], str) for row in rows)
    for i in range(len(header))
  ]
  return cells, right


def _format(value: Value, decimals: int) -> str:
  if value is None:
    return MISSING
  if isinstance(value, str):
    return value
  if isinstance(value, numbers.Integral):
    return str(int(value))
  # Adding zero turns the -0.0 that rounding may leave into 0.0.
  return f'{round(float(value), decimals) + 0.0:.{decimals}f}'


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
  return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _aligned(cells, widths, right) -> list[list[str]]:
  return [
    [
      cell.rjust(width) if is_right else cell.ljust(width)
      for cell, width, is_right in zip(row, widths, right, strict=True)
    ]
    for row in cells
  ]

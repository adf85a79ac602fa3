import numpy as np
import pytest

from adafm_jax.report import tables

HEADER = ['level', 'input', 'n', 'distance']
ROWS = [
  ['q 80', 38.8149, 29, -0.001],
  ['q|10', None, np.int64(5), np.float32(0.205)],
]


def test_markdown_table():
  assert tables.markdown_table(HEADER, ROWS) == (
    '| level | input |   n | distance |\n'
    '| ----- | ----: | --: | -------: |\n'
    '| q 80  | 38.81 |  29 |     0.00 |\n'
    '| q\\|10 |     – |   5 |     0.20 |\n'  # noqa: RUF001
  )


def test_text_table():
  assert tables.text_table(HEADER, ROWS, decimals=1) == (
    'level  input   n  distance\n'
    'q 80    38.8  29       0.0\n'
    'q|10       –   5       0.2\n'  # noqa: RUF001
  )


def test_a_column_with_text_or_nothing_is_left_aligned():
  rows = [[1.0, None], ['none', None]]
  assert tables.text_table(['value', 'gap'], rows) == (
    'value  gap\n1.00   –\nnone   –\n'  # noqa: RUF001
  )


def test_a_row_of_another_length_is_refused():
  with pytest.raises(ValueError, match='has 1 cells, not 2'):
    tables.text_table(['a', 'b'], [[1]])


def test_each_column_may_have_its_decimals():
  rows = [['a', 33.876, 0.91236, 3], ['b', None, 0.5, 4]]
  header = ['set', 'psnr', 'ssim', 'n']
  assert tables.text_table(header, rows, decimals=(0, 1, 4, 2)) == (
    'set  psnr    ssim  n\na    33.9  0.9124  3\nb       –  0.5000  4\n'  # noqa: RUF001
  )
  with pytest.raises(ValueError, match='shorter'):
    tables.text_table(header, rows, decimals=(2, 2))

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib import colors
from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.model_file import curve as curves
from adafm_jax.report import figures

QUALITY = (80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0)
WIDE = (0.0, 0.07, 0.14, 0.20, 0.28, 0.40, 0.59, 1.00)
NARROW = (0.0, 0.25, 0.50, 0.71, 1.00)


def _legend(figure):
  return [text.get_text() for text in figure.legends[0].get_texts()]


def _pixels_of(path, color):
  """How many pixels of a PNG have just this colour."""
  with Image.open(path) as image:
    pixels = np.asarray(image.convert('RGB'))
  wanted = np.round(np.multiply(colors.to_rgb(color), 255)).astype(np.uint8)
  return int((pixels == wanted).all(axis=2).sum())


def _legend_is_outside(figure):
  figure.canvas.draw()
  legend = figure.legends[0].get_window_extent()
  return not legend.overlaps(figure.axes[0].get_window_extent())


def test_plot_curve_holds_points_curve_and_ends(tmp_path):
  wide = curves.fit(QUALITY, WIDE, 80, 10)
  narrow = curves.fit(QUALITY[:5], NARROW, 80, 40, order=1)
  path = tmp_path / 'curve.png'
  figure = figures.plot_curve(
    path, [wide, narrow], unit_label='JPEG quality q', title='DeJPEG'
  )
  axes = figure.axes[0]
  fitted, points, ends, line, *_ = axes.lines
  np.testing.assert_array_equal(points.get_xdata(), QUALITY)
  np.testing.assert_array_equal(points.get_ydata(), WIDE)
  np.testing.assert_array_equal(ends.get_xydata(), [[80, 0], [10, 1]])
  for drawn, curve in ((fitted, wide), (line, narrow)):
    levels, strengths = drawn.get_data()
    assert {levels.min(), levels.max()} == {curve.start, curve.end}
    np.testing.assert_allclose(strengths, curve.strength(levels))
  assert (axes.get_title(), axes.get_xlabel()) == ('DeJPEG', 'JPEG quality q')
  # 80 is at the left, every measured level has its tick, every point its value.
  assert axes.get_xlim()[0] > 80 > 10 > axes.get_xlim()[1]
  assert sorted(axes.get_xticks(), reverse=True) == list(QUALITY)
  written = [text.get_text() for text in axes.texts]
  assert written == [f'{s:.2f}' for s in (*WIDE, *NARROW[1:])]
  names = ['80 → 10, cubic', '80 → 40, straight line']
  assert [name for name in _legend(figure) if '→' in name] == names
  assert _legend_is_outside(figure)
  for color in figures.COLORS[:2]:
    assert _pixels_of(path, color) > 500
  assert _pixels_of(path, figures.COLORS[2]) == 0


def test_plot_curve_of_rising_levels_and_of_measured_points_off_the_ends(
  tmp_path,
):
  curve = curves.fit_piecewise([15, 45, 60], [0.1, 0.6, 0.5], 15, 75)
  figure = figures.plot_curve(
    tmp_path / 'curve.png', [curve], unit_label='sigma', title=''
  )
  fitted, points, _ = figure.axes[0].lines
  np.testing.assert_array_equal(points.get_ydata(), [0.1, 0.6, 0.5])
  np.testing.assert_allclose(np.interp(45, *fitted.get_data()), 0.55)
  assert figure.axes[0].get_xlim()[0] < 15
  assert list(figure.axes[0].get_xticks()) == [15, 45, 60, 75]
  assert _legend(figure)[0] == '15 → 75, piecewise linear'


def test_plot_curve_through_the_same_points_shows_them_once(tmp_path):
  points = (QUALITY, WIDE, 80, 10)
  found = [
    curves.fit(*points),
    curves.fit(*points, order=1),
    curves.fit_piecewise(*points),
  ]
  path = tmp_path / 'curve.png'
  figure = figures.plot_curve(path, found, unit_label='q', title='')
  *lines, measured, ends = figure.axes[0].lines
  assert [line.get_color() for line in lines] == list(figures.COLORS[:3])
  for line, curve in zip(lines, found, strict=True):
    np.testing.assert_allclose(
      line.get_ydata(), curve.strength(line.get_xdata())
    )
  np.testing.assert_array_equal(measured.get_xdata(), QUALITY)
  np.testing.assert_array_equal(measured.get_ydata(), WIDE)
  np.testing.assert_array_equal(ends.get_xydata(), [[80, 0], [10, 1]])
  # Belonging to no line, they have none's colour.
  assert measured.get_color() == ends.get_color() == '0.2'
  assert len(figure.axes[0].texts) == len(WIDE)
  assert _legend(figure) == [
    '80 → 10, cubic',
    '80 → 10, straight line',
    '80 → 10, piecewise linear',
    'measured',
    'fixed ends',
  ]
  assert _legend_is_outside(figure)


def test_plot_psnr_takes_names_as_they_are(tmp_path):
  series = {'_a': [1, 2], 'b$c$\\frac': [2, 1]}
  figure = figures.plot_psnr(tmp_path / 'p.png', [0, 1], series, title='')
  assert [name.strip() for name in _legend(figure)] == [
    '_a',
    r'b\$c\$\frac',
  ]


@pytest.mark.parametrize('count', [1, 12])
def test_plot_psnr_names_each_line_and_rings_its_best(tmp_path, count):
  strengths = np.linspace(0, 1, 11)
  series = {
    f'q {i}': 35 - i - 3 * (strengths - i / 11.3) ** 2 for i in range(count)
  }
  path = tmp_path / 'psnr.png'
  figure = figures.plot_psnr(path, strengths, series, title='T')
  axes = figure.axes[0]
  assert len(axes.lines) == 2 * count
  lines, rings = axes.lines[::2], axes.lines[1::2]
  for line, ring, values in zip(lines, rings, series.values(), strict=True):
    np.testing.assert_array_equal(line.get_xdata(), strengths)
    np.testing.assert_array_equal(line.get_ydata(), values)
    top = sorted(zip(values, strengths, strict=True))[-1]
    np.testing.assert_array_equal(ring.get_xydata(), [top[::-1]])
    assert _pixels_of(path, line.get_color()) > 100
  assert _legend(figure) == list(series)
  assert (axes.get_title(), axes.get_ylabel()) == ('T', 'PSNR (dB)')
  assert _legend_is_outside(figure)


def test_plot_psnr_of_many_lines_names_only_the_mean(tmp_path):
  strengths = [0.0, 0.5, 1.0]
  series = {f'{i}': [20.0 + i, 21.0 + 2 * i, 19.0] for i in range(13)}
  figure = figures.plot_psnr(
    tmp_path / 'psnr.png', strengths, series, title='T'
  )
  lines = figure.axes[0].lines
  assert len(lines) == 2 * 14
  assert {line.get_color() for line in lines[:-2]} == {'0.7'}
  np.testing.assert_allclose(lines[-2].get_ydata(), [26, 33, 19])
  np.testing.assert_allclose(lines[-1].get_xydata(), [[0.5, 33]])
  assert lines[-2].get_color() != '0.7'
  assert _legend(figure) == ['mean of 13']


def test_plot_levels_holds_every_method(tmp_path):
  levels = [80, 40, 10]
  series = {'input': [36, 32, 27.5], 'curve': [38.5, float('nan'), 29.25]}
  path = tmp_path / 'levels.png'
  figure = figures.plot_levels(
    path, levels, series, xlabel='JPEG quality q', title='LIVE1'
  )
  axes = figure.axes[0]
  for line, (name, values) in zip(axes.lines, series.items(), strict=True):
    np.testing.assert_array_equal(line.get_xdata(), levels)
    np.testing.assert_array_equal(line.get_ydata(), values)
    assert line.get_label() == name
    assert _pixels_of(path, line.get_color()) > 100
  assert _legend(figure) == ['input', 'curve']
  assert axes.get_xlim()[0] > axes.get_xlim()[1]
  assert [t.get_text() for t in axes.get_xticklabels()] == ['10', '40', '80']
  assert _legend_is_outside(figure)


def test_a_png_has_150_dots_an_inch_and_an_svg_is_the_same_each_time(tmp_path):
  arguments = [15, 75], {'input': [24.6, 10.6]}
  words = {'xlabel': 'sigma', 'title': 'CBSD68'}
  figures.plot_levels(tmp_path / 'a.png', *arguments, **words)
  with Image.open(tmp_path / 'a.png') as image:
    assert image.size == (1080, 675)
    assert image.info['dpi'] == pytest.approx((150, 150), abs=0.1)
  for name in ('a.svg', 'b.svg'):
    figures.plot_levels(tmp_path / name, *arguments, **words)
  text = (tmp_path / 'a.svg').read_text()
  assert text == (tmp_path / 'b.svg').read_text()
  root = ET.fromstring(text)
  assert root.tag.endswith('svg')
  assert figures.COLORS[0].lower() in text


def test_another_suffix_is_refused_and_leaves_nothing(tmp_path):
  with pytest.raises(UserError, match=r'\.png or \.svg'):
    figures.plot_levels(
      tmp_path / 'a.jpg', [1, 2], {'a': [1, 2]}, xlabel='', title=''
    )
  assert not list(tmp_path.iterdir())

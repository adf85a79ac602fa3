import json

import numpy as np
import pytest
from PIL import Image

from adafm_jax.calibrate import measure
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case, Protocol
from adafm_jax.evaluate.scores import Score
from adafm_jax.model_file import curve as curves
from adafm_jax.report import experiment


def _score(method, psnr, *, level=15.0, protocol='RGB', ssim=0.91236, name='s'):
  strength = {'input': None, 'start': 0.0, 'end': 1.0, 'curve': 0.1234}[method]
  image = ('a', psnr, ssim)
  return Score(name, level, protocol, method, strength, psnr, ssim, (image,))


def _scores(**more):
  values = {'input': 24.605, 'start': 33.8, 'end': 20.0, 'curve': 33.9}
  return [_score(method, psnr, **more) for method, psnr in values.items()]


SCORES = [
  *_scores(),
  *_scores(level=45.0, ssim=None),
  *_scores(protocol='RGB, other'),
]
MEASUREMENTS = [
  measure.Measurement(
    15.0, np.array([0, 0.5, 1]), np.array([33.0, 32, 31]), 0.02
  )
]


def test_markdown():
  text = experiment.text(SCORES, 'denoise', markdown=True)
  first, second = text.split('PSNR (dB) and SSIM; ')[1:]
  assert first.startswith('RGB; mean over the images.\n\n| set | level ')
  assert second.startswith('RGB, other; mean over the images.')
  head, _, row, other = first.strip().splitlines()[2:]
  cells = [[c.strip() for c in line.split('|')[1:-1]] for line in (head, row)]
  assert list(zip(*cells, strict=True)) == [
    ('set', 's'),
    ('level', 'sigma 15'),
    ('input', '24.61'),
    ('strength 0', '33.80'),
    ('strength 1', '20.00'),
    ('curve', '33.90'),
    ('its strength', '0.123'),
    ('SSIM input', '0.9124'),
    ('SSIM curve', '0.9124'),
  ]
  assert 'sigma 45' in other
  assert other.count('\N{EN DASH}') == 2  # no SSIM


def test_text_holds_the_same_numbers():
  plain = experiment.text(SCORES, 'denoise', markdown=False)
  marked = experiment.text(SCORES, 'denoise', markdown=True)
  assert '|' not in plain
  words = marked.replace('|', ' ').split()
  assert plain.split() == [w for w in words if w.strip('-:')]


def test_files_hold_every_image(tmp_path):
  experiment.write_tables(tmp_path, SCORES, MEASUREMENTS, 'denoise')
  found = json.loads((tmp_path / 'metrics.json').read_text())
  assert len(found['scores']) == 12
  assert found['scores'][1]['method'] == 'start'
  assert found['scores'][1]['images'] == [['a', 33.8, 0.91236]]
  assert found['scores'][0]['strength'] is None
  assert found['calibration'] == [
    {
      'level': 15.0,
      'best_strength': 0.02,
      'strengths': [0.0, 0.5, 1.0],
      'psnr': [33.0, 32.0, 31.0],
    }
  ]
  text = (tmp_path / 'metrics.md').read_text()
  assert text == experiment.text(SCORES, 'denoise', markdown=True)


def _calibration(order):
  points = ([30, 45, 60], [0.2, 0.6, 0.7], 15, 75)
  polynomial = curves.fit(*points, order=order)
  return measure.Calibration(
    MEASUREMENTS,
    polynomial,
    curves.fit(*points, order=1),
    curves.fit_piecewise(*points),
    polynomial,
  )


@pytest.mark.parametrize(('order', 'lines'), [(3, 3), (1, 2)])
def test_curve_figure_draws_each_curve_once(
  tmp_path, monkeypatch, order, lines
):
  drawn = []
  plot = experiment.figures.plot_curve
  monkeypatch.setattr(
    experiment.figures,
    'plot_curve',
    lambda path, found, **more: drawn.append(plot(path, found, **more)),
  )
  experiment.write_curve(tmp_path / 'c.png', _calibration(order), 'denoise')
  (figure,) = drawn
  names = [text.get_text() for text in figure.legends[0].get_texts()]
  assert len(names) == len(set(names)) == lines + 2
  assert names[-2:] == ['measured', 'fixed ends']
  assert (tmp_path / 'c.png').stat().st_size > 5000


def test_levels_figure_takes_one_set_and_protocol(tmp_path, monkeypatch):
  seen = {}

  def plot(path, levels, series, **more):
    seen.update(levels=levels, series=series, **more)

  monkeypatch.setattr(experiment.figures, 'plot_levels', plot)
  scores = [*SCORES, *_scores(name='t', level=30.0)]
  experiment.write_levels(tmp_path / 'l.png', scores, 'denoise', 's')
  assert seen['levels'] == [15.0, 45.0]
  assert seen['series']['strength 0'] == [33.8, 33.8]
  assert seen['series']['strength by the curve'] == [33.9, 33.9]
  assert seen['title'] == 's: RGB'


def test_sweep_sheet_shows_true_pixels_with_their_psnr(tmp_path, monkeypatch):
  rng = np.random.default_rng(0)
  clean = rng.integers(0, 256, (40, 50, 3), np.uint8)
  degraded = (clean / 255).astype(np.float32) + np.float32(0.3)
  outputs = np.stack([clean // 2, clean // 3 * 2])
  cells = []
  make = experiment.sheet.contact_sheet

  def contact_sheet(rows, **more):
    cells.extend(rows[0])
    return make(rows, **more)

  monkeypatch.setattr(experiment.sheet, 'contact_sheet', contact_sheet)
  protocol = Protocol.of('sr')
  experiment.write_sweep(
    tmp_path / 's.png',
    [Case('name', clean, degraded)],
    [outputs],
    [0, 0.5],
    title='t',
    protocol=protocol,
    level=3.4,
    detail=24,
  )
  assert len(cells) == 4
  for cell, picture in zip(cells[1:3], outputs, strict=True):
    psnr = metrics.psnr(clean, picture, border=4, channels='y')
    assert cell.caption == f'{psnr:.2f} dB'
    assert cell.image.shape == (24, 24, 3)
    assert _is_part(cell.image, picture)
  assert cells[3].caption == 'name'
  assert _is_part(cells[3].image, clean)
  assert cells[0].image.max() == 255  # clipped, not wrapped
  assert cells[0].image.min() > 70
  with Image.open(tmp_path / 's.png') as sheet:
    assert _is_part(cells[2].image, np.asarray(sheet))


def _is_part(part, whole):
  height, width, _ = part.shape
  windows = np.lib.stride_tricks.sliding_window_view(
    whole, (height, width), axis=(0, 1)
  )
  places = windows[:, :, :, 0, 0] == part[0, 0]
  return any(
    (windows[y, x].transpose(1, 2, 0) == part).all()
    for y, x in np.argwhere(places.all(axis=-1))
  )

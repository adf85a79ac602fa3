"""The report: cells, claims and pages from results that are known."""

import json
import re

import numpy as np
import pytest

from adafm_jax import cli
from adafm_jax.images import eight_bit as images
from adafm_jax.paper import blocks, claims, filters, results, tables
from adafm_jax.paper.variation import Variation
from adafm_jax.report.tables import MISSING

ABOUT = {
  'device': 'a processor',
  'packages': {'jax': '0.0'},
  'training_images': 7,
  'stage': None,
  'parameters': 10,
  'seconds': 3.0,
}
STAGE = {'steps': 5, 'batch': 2, 'patch': 16}
CONFIG = {
  'preset': 'tiny',
  'model': {'features': 4, 'blocks': 1},
  'data': {'train': '/home/me/BSD431'},
  'noise': 'clipped',
  **{
    stage: {**STAGE, 'optimizer': 'adam', 'learning_rate': 0.1}
    for stage in ('train', 'adapt', 'path')
  },
}


def write_run(workdir, psnr, **fields):
  """A finished run; psnr is {level: value} on CBSD68."""
  v = Variation(**{'task': 'denoise', **fields})
  folder = workdir / 'runs' / str(len(list((workdir / 'runs').glob('*'))))
  folder.mkdir(parents=True)
  values = {**v.identity, 'levels': v.levels, 'picture': v.picture}
  (folder / 'run.json').write_text(json.dumps({'variation': values, **ABOUT}))
  rows = [
    {
      'set': 'cbsd68',
      'noise': 'clipped',
      'protocol': 'RGB, clipped',
      'level': level,
      'strength': 0.5,
      'psnr': value,
      'images': {'a': value},
    }
    for level, value in psnr.items()
  ]
  (folder / 'measured.json').write_text(json.dumps(rows))


@pytest.fixture
def workdir(tmp_path):
  (tmp_path / 'config.json').write_text(json.dumps(CONFIG))
  for seed, shift in ((0, 0.0), (1, 0.2)):
    write_run(tmp_path, {75: 26.0 + shift}, start=15, end=75, seed=seed)
    write_run(tmp_path, {75: 26.1 + shift}, system='basic', start=75, seed=seed)
  write_run(tmp_path, {15: 33.0}, start=75, end=15)
  write_run(tmp_path, {15: 34.0}, system='basic', start=15)
  return tmp_path


def row_of(text, name):
  (line,) = re.findall(rf'^\| {re.escape(name)} .*$', text, re.M)
  return [cell.strip() for cell in line.strip('|').split('|')]


def section(text, title):
  found = text[text.index(f'## {title}') :]
  return found[: found.index('\n## ')]


def test_cells_show_ours_the_papers_and_the_difference(workdir):
  assert cli.main(['report', str(workdir)]) == 0
  text = (workdir / 'report.md').read_text()
  table5, table2 = section(text, 'Table 5'), section(text, 'Table 2')
  row = row_of(table5, 'sigma 15 → 75, CBSD68')
  assert row[1] == '26.20 ± 0.14 / 26.49 / -0.29'
  assert row[2] == '26.10 ± 0.14 / 26.35 / -0.25'
  # The distance has a spread of its own: the seeds' shifts cancel.
  assert row[3] == '0.10 ± 0.00 / 0.14 / -0.04'
  assert (
    row_of(table5, 'sigma 15 → 25, CBSD68')[1]
    == f'{MISSING} / 31.44 / {MISSING}'
  )
  row = row_of(table2, 'sigma 15 → 75, CBSD68')
  assert row[1] == '26.10 ± 0.14 / 26.35 / -0.25'
  assert row[4] == f'{MISSING} / 26.40 / {MISSING}'
  assert row_of(text, 'preset')[1] == 'tiny'
  assert row_of(text, 'training images')[1] == 'BSD431 (7)'


def test_the_page_loads_nothing_and_shows_the_same(workdir):
  assert cli.main(['report', str(workdir), '-o', str(workdir / 'out')]) == 0
  page = (workdir / 'out' / 'report.html').read_text()
  assert not re.search(r'(src|href)="(?!data:|#part)', page)
  assert '><b>26.10 ± 0.14</b><i> / 26.35 / -0.25</i></td>' in page
  for title in ('Table 1', 'Table 4', 'Figure 3', 'Figure 5', 'Figure 7'):
    assert f'>{title}' in page or f'and {title}' in page


def test_a_workdir_without_experiments_is_refused(tmp_path, capsys):
  assert cli.main(['report', str(tmp_path)]) == 2
  assert 'holds no experiments of the paper' in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


def test_claims_hold_only_beyond_their_spread(workdir):
  found = results.load(workdir)
  rows = {
    row[0]: row
    for block in claims.table(found)
    if isinstance(block, blocks.Table)
    for row in block.rows
  }
  text = 'sigma 75 → 15 has a larger distance than sigma 15 → 75'
  assert rows[text][2:] == ['+0.54', '+0.900', 'yes']  # 1.0 - 0.1
  text = 'sigma 15 → 75 has a distance of less than 0.3 dB'
  assert rows[text][2:] == ['+0.14', '+0.100 ± 0.000', 'yes']
  text = '7x7 filters are within 0.1 dB of 1x1'
  assert rows[text][2:] == ['+0.05', MISSING, MISSING]
  value = results.Value
  assert claims.beyond(value({0: 0.1})) is True
  assert claims.beyond(value({0: 0.1, 1: 0.12})) is True
  assert claims.beyond(value({0: 0.3, 1: -0.1})) is False
  assert claims.beyond(value({})) is None
  assert claims.beyond(value({0: 0.2}), 0.3) is False
  assert claims.beyond(value({0: 0.2}), 0.3, claims.BELOW) is True
  assert claims.beyond(value({0: 0.2, 1: 0.38}), 0.3, claims.BELOW) is False
  for side in (0.05, -0.05):
    assert claims.beyond(value({0: side}), 0.1, claims.WITHIN) is True
  assert claims.beyond(value({0: -0.5}), 0.1, claims.WITHIN) is False


def claim(found, part, start):
  (made,) = [
    x for x in part(found, 'denoise', 'cbsd68') if x.text.startswith(start)
  ]
  return made


def test_filters_hardly_matter_in_denoising(workdir):
  """The paper's claim is a small gap, not a positive one."""
  write_run(workdir, {75: 26.05}, start=15, end=75, kernel=7)
  made = claim(results.load(workdir), claims._filters, '7x7')
  assert made.holds is True
  write_run(workdir, {75: 26.45}, start=15, end=75, kernel=7, seed=1)
  write_run(workdir, {75: 26.35}, start=15, end=75, kernel=7, seed=2)
  made = claim(results.load(workdir), claims._filters, '7x7')
  assert made.ours.mean == pytest.approx((0.05 + 0.25) / 2)
  assert made.holds is False


def test_other_layers_fail_only_if_they_are_well_below(workdir):
  write_run(workdir, {75: 25.8}, start=15, end=75, system='adabn')
  write_run(workdir, {75: 20.0}, start=15, end=75, system='condin')
  found = results.load(workdir)
  assert claim(found, claims._normalised, 'AdaFM is above AdaBN').holds is False
  assert claim(found, claims._normalised, 'AdaFM is above cond').holds is True


def test_between_the_ends_the_largest_distance_counts(workdir):
  adafm = {'start': 15, 'end': 75, 'seed': 7, 'levels': (25, 50)}
  write_run(workdir, {25: 31.0, 50: 28.0, 75: 26.0}, **adafm)
  for level, psnr in ((25, 31.1), (50, 28.4)):
    write_run(workdir, {level: psnr}, system='basic', start=level, seed=7)
  blend = {25: 30.5, 50: 27.8, 75: 26.5}
  write_run(workdir, blend, **adafm, system='blend')
  found = results.load(workdir)
  made = claim(found, claims._middle, 'between the ends no distance')
  assert made.ours.by_seed == {7: pytest.approx(0.4)}
  assert made.holds is False
  made = claim(found, claims._middle, 'between the ends AdaFM is above blend')
  assert made.ours.by_seed == {7: pytest.approx((0.5 + 0.2) / 2)}


def test_all_tables_show_one_noise(workdir):
  """Even where the other was measured first, and alone."""
  file = workdir / 'runs' / '0' / 'measured.json'
  rows = json.loads(file.read_text())
  unclipped = {'noise': 'float', 'protocol': 'RGB, unclipped', 'psnr': 27.0}
  file.write_text(json.dumps([{**rows[0], **unclipped}, *rows]))
  write_run(workdir, {50: 28.0}, system='basic', start=50)
  other = sorted((workdir / 'runs').glob('*'))[-1] / 'measured.json'
  row = json.loads(other.read_text())[0]
  other.write_text(json.dumps([{**row, **unclipped}]))
  found = results.load(workdir)
  fields = {'task': 'denoise', 'start': 15, 'end': 75}
  assert found.psnr('cbsd68', 75, **fields).by_seed[0] == 26.0
  basic = {'task': 'denoise', 'system': 'basic', 'start': 50}
  assert found.psnr('cbsd68', 50, **basic).mean is None
  assert found.protocol('denoise') == 'RGB, clipped'


def test_differences_between_systems_carry_their_spread(workdir):
  for seed, psnr in ((0, 25.5), (1, 25.8)):
    write_run(
      workdir,
      {15: 33.0, 25: 30.0, 75: psnr},
      start=15,
      end=75,
      seed=seed,
      system='blend',
    )
  assert cli.main(['report', str(workdir)]) == 0
  text = (workdir / 'report.md').read_text()
  row = row_of(text, 'outputs of both ends blended')
  # 25.5 - 26.0 and 25.8 - 26.2
  assert len(row) == 4  # and its name
  write_run(workdir, {15: 33.0, 35: 29.0, 75: 26.4}, start=15, end=75, seed=3)
  assert cli.main(['report', str(workdir)]) == 0
  again = (workdir / 'report.md').read_text()
  assert row_of(again, 'outputs of both ends blended')[:3] == row[:3]
  assert len(row_of(again, 'outputs of both ends blended')) == 4
  assert row[3] == '25.65 ± 0.21 (-0.45 ± 0.07)'


def test_sets_beside_the_papers_are_shown(workdir):
  file = workdir / 'runs' / '0' / 'measured.json'
  rows = json.loads(file.read_text())
  file.write_text(json.dumps([*rows, {**rows[0], 'set': 'mine'}]))
  found = results.load(workdir)
  assert tables.sets(found, 'denoise') == ['cbsd68', 'mine']
  assert tables.sets(found, 'sr') == ['set5', 'div2k']


def test_a_sweep_is_named_by_its_own_level(workdir):
  """A run may be trained before a list asks for its picture."""
  run = workdir / 'runs' / '0'
  pixels = np.zeros((2, 2, 3), np.uint8)
  images.write_png(run / 'sweep_45.png', pixels)
  made = list(filters.figure6(results.load(workdir), workdir / 'report'))
  (caption,) = [x.caption for x in made if isinstance(x, blocks.Picture)]
  assert caption == 'denoise 15 -> 75, adafm 1x1, an image of sigma 45.'


def test_pages_escape_text(tmp_path):
  made = [blocks.Heading(1, 'a < b'), blocks.Table(['x'], [['<i>']])]
  page = blocks.to_html(made, 't & u')
  assert 'a &lt; b' in page
  assert '<td>&lt;i&gt;</td>' in page
  assert '<title>t &amp; u</title>' in page


def test_columns_of_numbers_stand_right():
  rows = [['4 features', '\u2013'], ['a word', '7.4 / \u2013']]
  page = blocks.to_html([blocks.Table(['what', 'dB'], rows)], 't')
  assert '<th>what</th><th class="number">dB</th>' in page
  assert '<td>4 features</td><td class="number missing">\u2013</td>' in page


def test_the_page_lists_its_parts():
  made = [blocks.Heading(1, 'a'), blocks.Heading(2, 'b & c')]
  page = blocks.to_html(made, 't')
  assert '</h1><nav><a href="#part1">b &amp; c</a></nav>' in page
  assert '<h2 id="part1">b &amp; c</h2>' in page

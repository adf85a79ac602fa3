import dataclasses
import json
import math
import pathlib
import re

import numpy as np
import pytest
import released

from adafm_jax import zoo
from adafm_jax.errors import UserError
from adafm_jax.model_file import file as model_file
from release import measure
from release.card import card
from release.card import figures as card_figures
from release.card import index as card_index

CARDS = pathlib.Path(__file__).parents[3] / 'docs/models'
MEASURED = sorted(path.stem for path in CARDS.glob('*.json'))


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Results of a small model, in a zoo of its own."""
  model = dataclasses.replace(
    released.with_bends(),
    provenance={
      'config': {
        'data': {'train': 'BSD431', 'holdout': 31},
        'train': {'steps': 1234, 'batch': 8, 'patch': 48},
        'adapt': {'steps': 567},
      },
      'training_images': 400,
      'paths': [{'level': 35.0, 'line': 28.5, 'bent': 28.625}],
      'device': '1 x cpu',
    },
  )
  released.make_zoo(tmp_path, monkeypatch, model)
  released.write(tmp_path / 'docs', released.results())
  return tmp_path / 'docs'


def test_weights_that_learnt_together_are_not_said_to_be_the_papers(
  tmp_path, monkeypatch
):
  before = {
    'config': {'train': {'steps': 1234}, 'adapt': {'steps': 567}},
  }
  joint = {'steps': 89, 'learning_rate': 5e-4, 'optimizer': 'muon', 'b2': 0.99}
  model = dataclasses.replace(
    released.with_bends(),
    provenance={
      'config': {
        'train': {'steps': 0},
        'adapt': {'steps': 0},
        'path': {'steps': 0, 'kind': 'poly'},
        'joint': {**joint, 'schedule': 'trapezoid', 'batch': 8, 'patch': 48},
      },
      'init': before,
      'paths': [{'level': 35.0, 'line': 28.5, 'bent': 28.625}],
    },
  )
  released.make_zoo(tmp_path, monkeypatch, model)
  subjects = measure.make_subjects(model)
  assert list(subjects.paths) == ['bent']
  methods = {'input': 10, 'classical': 20, 'peer': 30, 'bent': 31}
  released.write(tmp_path / 'docs', released.results(methods=methods))
  text = card.render('small', tmp_path / 'docs')
  assert (
    '1,234 steps for the backbone, then 567 steps for the AdaFM layers, then 89'
    ' steps for all weights together' in text
  )
  assert 'Muon, b2 0.99' in text
  assert 'straight' not in text
  assert 'Gain over FFDNet' in text
  assert 'All weights learnt all levels together' in text
  assert _cells(text, 'level')[-1][1:3] == ['before joint training', 'after']


def test_levels_that_fade_are_named_and_not_promised(folder):
  assert 'faded into the image' not in card.render('small', folder)
  released.write(folder, released.results(levels=(10.0, 15.0, 75.0)))
  text = card.render('small', folder)
  assert 'not learnt levels cleaner than sigma 15' in text
  assert _cells(text, 'sigma 10')
  quality = card.read('small', folder).quality()
  assert 'sigma 10' not in quality
  assert 'sigma 15 30.85, sigma 75 30.25 dB' in quality


def _change(folder, **changes):
  path = folder / 'small.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _cells(text, first):
  """The cells of the table rows that begin so."""
  lines = [x for x in text.splitlines() if x.startswith('| ')]
  rows = [[cell.strip() for cell in x.strip('|').split('|')] for x in lines]
  return [row for row in rows if row[0] == first]


@pytest.mark.parametrize('name', MEASURED)
def test_a_committed_card_is_what_its_results_say(name):
  text = (CARDS / f'{name}.md').read_text('utf-8')
  assert text == card.render(name, CARDS), (
    f'stale: run python -m release.card.card {name}'
  )
  for picture in re.findall(r'!\[.*?\]\((.*?)\)', text):
    assert (CARDS / picture).is_file()
  assert zoo.entries()[name].quality == card.read(name, CARDS).quality()


def test_every_released_model_has_a_card_and_the_index_lists_it():
  assert set(MEASURED) == set(zoo.entries())
  index = (CARDS / 'README.md').read_text('utf-8')
  assert index == card_index.render(CARDS)
  for name in zoo.entries():
    assert f'({name}.md)' in index


def test_the_sections_stand_in_order(folder):
  text = card.render('small', folder)
  assert re.findall('^## (.*)$', text, re.MULTILINE) == [
    'Use',
    'Facts',
    'Results',
    'Over the levels',
    'Between the levels',
    'Beside published results',
    'How this card was made',
  ]
  assert text == card.render('small', folder)


def test_facts_are_those_of_the_model_file(folder):
  text = card.render('small', folder)
  entry = zoo.entries()['small']
  shapes = model_file.read_shapes(entry.path)
  count = sum(map(math.prod, shapes.values()))
  ((_, parameters),) = _cells(text, 'parameters')
  assert parameters.startswith(f'{count:,}, of which ')
  assert entry.sha256 in text
  assert f'{entry.path.stat().st_size:,} bytes, float32' in text
  for words in (
    'sigma 15 to sigma 75',
    'trained on noisy images in 8 bits',
    '400 images of the Berkeley segmentation data set',
    'non-commercial research and education',
    'last 31 training images by name',
    '1,234 steps for the backbone, then 567 steps for the AdaFM layers',
    '8 patches of 48 x 48',
    '1.049 megapixels per second',
    'a 3x3 convolution of 64 features makes 430 GFLOP/s',
    f'at revision {"a" * 12}+changes, JAX 0.9',
  ):
    assert words in text


def test_results_name_methods_protocols_and_the_default(folder):
  text = card.render('small', folder)
  head, *_ = _cells(text, 'level')
  assert head[1:6] == [
    'input',
    'non-local means',
    'straight path',
    'bent path (default)',
    'lambda',
  ]
  assert '**CBSD68 (2 images; RGB, float)**' in text
  clipped, floating = _cells(text, 'sigma 35')[:2]
  assert clipped[1:6] == ['9.65', '19.65', '29.65', '30.65', '0.500']
  assert floating[1:5] == ['8.65', '18.65', '28.65', '29.65']
  assert clipped[-1] == '0.3100'
  assert 'The image that gains least over its input gains +20.00 dB' in text
  assert 'does better than the model' not in text


def test_a_loss_is_told_as_one(tmp_path, monkeypatch):
  released.make_zoo(tmp_path, monkeypatch, released.with_bends())
  found = released.results()
  for row in found['scores']:
    row['least_gain'] = -0.5 if row['level'] == 35 else 1.0
  released.write(tmp_path / 'docs', found)
  text = card.render('small', tmp_path / 'docs')
  assert 'The worst image is 0.50 dB below its input, at sigma 35.' in text


def test_the_commands_that_made_it_name_all_that_was_measured(
  tmp_path, monkeypatch
):
  released.make_zoo(tmp_path, monkeypatch, released.with_bends())
  methods = {'input': 10, 'peer': 30, 'bent': 31}
  released.write(tmp_path / 'docs', released.results(methods=methods))
  text = card.render('small', tmp_path / 'docs')
  assert '--levels 15,35,75' in text
  assert '--peers PEERS' in text
  released.write(tmp_path / 'docs', released.results())
  assert '--peers' not in card.render('small', tmp_path / 'docs')


def test_a_model_on_a_straight_path_is_called_the_model(tmp_path, monkeypatch):
  line = released.with_bends().with_path('line')
  model = dataclasses.replace(line, provenance={})
  released.make_zoo(tmp_path, monkeypatch, model)
  methods = {'input': 10, 'classical': 32, 'line': 31}
  found = released.results(methods=methods)
  released.write(tmp_path / 'docs', found)
  text = card.render('small', tmp_path / 'docs')
  head, *_ = _cells(text, 'level')
  assert head[1:5] == ['input', 'non-local means', 'the model', 'lambda']
  assert 'At sigma 15, sigma 35, sigma 75 non-local means does better' in text
  results = card.read('small', tmp_path / 'docs')
  (figure,) = card_figures.write('small', results, tmp_path / 'docs')
  labels = [line.get_label() for line in figure.axes[0].lines]
  assert labels == ['input', 'non-local means', 'the model']
  for line, psnr in zip(figure.axes[0].lines, methods.values(), strict=True):
    np.testing.assert_allclose(line.get_xdata(), [15, 35, 75])
    np.testing.assert_allclose(
      line.get_ydata(), [psnr - 0.15, psnr - 0.35, psnr - 0.75]
    )


def test_both_paths_are_compared_on_held_out_images(folder):
  text = card.render('small', folder)
  assert 'along a path `poly` with 2 bends' in text
  ((*_, row),) = [[r for r in _cells(text, 'sigma 35') if r[1] == '28.500']]
  assert row == ['sigma 35', '28.500', '28.625', '0.125']


def test_published_results_are_compared_level_by_level(folder):
  text = card.render('small', folder)
  (paper,) = _cells(text, 'AdaFM-Net')
  # 31 - level / 100 against 34.10, 29.78 and 26.35.
  assert paper[1:6] == ['1.40', '34.10', '29.78', '26.35', '-3.25 to +3.90 dB']
  (ffdnet,) = _cells(text, 'FFDNet, colour')
  # Unclipped: 1 dB less; no result at sigma 35.
  assert ffdnet[2:5] == ['33.87', '26.24', '-4.02 to +3.01 dB']
  assert 'DRUNet' in text
  assert 'ARCNN' not in text


def test_dedicated_networks_and_float16_have_their_tables(folder):
  found = released.results(
    methods={'input': 10, 'line': 30, 'bent': 31, 'float32': 31.0002},
    dedicated=[
      {'level': 35.0, 'features': 6, 'blocks': 1, 'further_steps': 99}
    ],
  )
  row = next(r for r in found['scores'] if r['level'] == 35)
  found['scores'].append(row | {'method': 'dedicated', 'psnr': 31.5})
  released.write(folder, found)
  text = card.render('small', folder)
  assert 'sigma 35: 6 features x 1 blocks, 99 further steps' in text
  (row,) = _cells(text, 'CBSD68, clipped')
  assert row[1:] == ['sigma 35', '29.65', '30.65', '31.50', '-0.85']
  rounded = [r for r in _cells(text, 'sigma 15') if len(r) == 3]
  assert ['sigma 15', '-0.0002', '-0.0002'] in rounded
  figures = card_figures.write('small', card.read('small', folder), folder)
  gains = {x.get_label(): x for x in figures[1].axes[0].lines}
  np.testing.assert_allclose(gains['bent path (default)'].get_ydata(), 1)
  dedicated = gains['dedicated network']
  np.testing.assert_allclose(
    dedicated.get_ydata(), [np.nan, 31.5 - 29.65, np.nan]
  )
  assert dedicated.get_linestyle() == 'None'
  for name in ('small_levels.png', 'small_gains.png'):
    assert (folder / name).stat().st_size > 1000
    assert f'({name})' in text


def test_pictures_stand_with_their_numbered_rows(folder):
  rows = [{'title': 'Small text', 'text': 'It fades.'}]
  rows.append({'title': 'Flat tones', 'text': 'Blotches.'})
  shown = {'file': 'small_failures.png', 'rows': rows}
  _change(folder, pictures={'failures': shown, 'camera': shown})
  text = card.render('small', folder)
  assert '![small text, flat tones](small_failures.png)' in text
  assert '1. **Small text.** It fades.\n2. **Flat tones.** Blotches.' in text
  assert '## Gaussian noise is not camera noise' in text
  assert 'grace_hopper.jpg (US Navy, public domain)' in text


def test_results_of_another_file_make_no_card(folder):
  _change(folder, sha256='0' * 64)
  with pytest.raises(UserError, match='another model file'):
    card.render('small', folder)


def test_a_model_that_was_not_measured_has_no_card(folder, capsys):
  (folder / 'small.json').unlink()
  assert card.main(['small', '-o', str(folder)]) == 2
  assert 'run python -m release.evaluate small' in capsys.readouterr().err
  assert card.main(['-o', str(folder)]) == 2
  assert 'holds no results' in capsys.readouterr().err


def test_the_command_writes_cards_and_keeps_what_was_written_by_hand(folder):
  assert card.main(['-o', str(folder)]) == 0
  assert (folder / 'small.md').read_text() == card.render('small', folder)
  index = folder / 'README.md'
  assert '[small](small.md)' in index.read_text()
  scores = 'sigma 15 30.85, sigma 35 30.65, sigma 75 30.25 dB'
  assert scores in index.read_text()
  index.write_text(index.read_text() + '\n## Settings\n\nBy hand.\n')
  assert card.main(['small', '-o', str(folder)]) == 0
  assert index.read_text().endswith('\n## Settings\n\nBy hand.\n')
  assert index.read_text().count('[small](small.md)') == 1

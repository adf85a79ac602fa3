import copy
import dataclasses
import json

import jax
import numpy as np
import pytest
import released
import tiny_models

from adafm_jax import files, zoo
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.images import eight_bit as images
from adafm_jax.model import Model
from release import classical, evaluate, image_sets, measure
from release.card import card


def _pixels(seed, channels=3, shape=(26, 34)):
  rng = np.random.default_rng(seed)
  y, x = np.mgrid[: shape[0], : shape[1]]
  waves = [
    128 + 90 * np.sin(x / 5 + c) * np.cos(y / 7) for c in range(channels)
  ]
  picture = np.stack(waves, axis=-1) + rng.normal(0, 9, (*shape, channels))
  return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture
def sets():
  return {'cbsd68': [NamedImage(n, _pixels(i)) for i, n in enumerate('ab')]}


@pytest.fixture
def small(tmp_path, monkeypatch):
  """A denoiser on a bent path, released as float16."""
  model = released.with_bends()
  return released.make_zoo(tmp_path, monkeypatch, model, dtype='float16')


def _dedicated(tmp_path, level=40.0):
  """A network without AdaFM layers, for one level."""
  base = tiny_models.random_model(kernel=0, seed=3)
  span = dataclasses.replace(base.levels, start=level)
  path = tmp_path / 'dedicated.safetensors'
  model = dataclasses.replace(base, levels=span, curve=None)
  model.save(path)
  return str(path)


def test_what_is_not_the_models_is_not_measured_again(small, sets, tmp_path):
  first = evaluate.evaluate('small', sets, wanted=[15, 40])['scores']
  before = copy.deepcopy(first)
  for row in before:
    if row['method'] == 'classical':
      row['ssim'] = 0.5  # so that it isn't what would be measured
    if row['method'] == 'bent':
      row['psnr'] = 0.0
  again = evaluate.evaluate('small', sets, wanted=[40], before=before)['scores']
  theirs = 'classical'
  assert again == [
    old if old['method'] == theirs else new
    for old, new in zip(before, first, strict=True)
    if old['level'] == 40
  ]
  # What is not there is measured: other levels, or fewer images.
  more = evaluate.evaluate('small', sets, wanted=[40, 50], before=before)
  assert [
    r['ssim'] == 0.5 for r in more['scores'] if r['method'] == theirs
  ] == [
    True,
    False,
  ] * 2
  lost = [row for row in before if row['method'] != 'input']
  found = evaluate.evaluate('small', sets, wanted=[40], before=lost)['scores']
  assert all(r['ssim'] != 0.5 for r in found)
  few = {'cbsd68': sets['cbsd68'][:1]}
  found = evaluate.evaluate('small', few, wanted=[40], before=before)['scores']
  assert {r['images'] for r in found} == {1}
  assert all(r['ssim'] != 0.5 for r in found)
  found = evaluate.evaluate(
    'small', sets, wanted=[40], before=before, compare_classical=False
  )
  assert theirs not in {row['method'] for row in found['scores']}
  other = {'cbsd68': sets['cbsd68'][::-1][:1] * 2}
  with pytest.raises(UserError, match='cbsd68 at level 40'):
    evaluate.evaluate('small', other, wanted=[40], before=before)


def test_every_method_is_what_its_network_gives(small, sets, tmp_path):
  path = _dedicated(tmp_path)
  found = evaluate.evaluate(
    'small',
    sets,
    wanted=[15, 40],
    dedicated={40.0: path},
    float32=str(small),
  )
  rows = {(r['noise'], r['level'], r['method']): r for r in found['scores']}
  usual = {'input', 'classical', 'line', 'bent', 'float32'}
  for noise in ('clipped', 'float'):
    assert {m for n, x, m in rows if (n, x) == (noise, 15)} == usual
    assert {m for n, x, m in rows if (n, x) == (noise, 40)} == {
      *usual,
      'dedicated',
    }
  model, protocol = zoo.load('small'), Protocol.of('denoise', 'float')
  cases = make_cases(sets['cbsd68'], 40, protocol)
  peers = {'line': model.with_path('line'), 'bent': model}
  peers['float32'] = Model.load(small)
  peers['dedicated'] = Model.load(path)
  for name, one in peers.items():
    expected = [
      metrics.psnr(c.clean, images.to_uint8(np.asarray(output)[0]))
      for c in cases
      for output in [
        jax.jit(one.apply)(
          one.params, c.degraded[None], np.float32(one.strength(40))
        )
      ]
    ]
    row = rows['float', 40, name]
    assert row['psnr'] == pytest.approx(np.mean(expected), abs=2e-3)
    assert row['strength'] == pytest.approx(one.strength(40), abs=1e-4)
  plain = [
    metrics.psnr(
      c.clean, classical.restore(c.degraded, classical.settings('denoise', 40))
    )
    for c in cases
  ]
  row = rows['float', 40, 'classical']
  assert row['psnr'] == pytest.approx(np.mean(plain), abs=1e-3)
  assert row['strength'] is None
  values = [rows['float', 40, m]['psnr'] for m in peers]
  assert len({round(x, 4) for x in values}) == 4
  assert abs(values[1] - values[2]) < 0.1  # float16 and float32, both 'bent'
  line, bent = (rows['clipped', 15, name]['psnr'] for name in ('line', 'bent'))
  assert line == bent  # the start level is the same on either path


def test_what_was_measured_is_recorded(small, sets, tmp_path):
  path = _dedicated(tmp_path)
  found = evaluate.evaluate(
    'small', sets, wanted=[40], dedicated={40.0: path}, float32=str(small)
  )
  assert found['sha256'] == zoo.entries()['small'].sha256
  assert found['float32'] == files.sha256(small)
  assert found['sets'] == {'cbsd68': 2}
  (about,) = found['dedicated']
  assert about['sha256'] == files.sha256(path)
  assert (about['level'], about['features'], about['blocks']) == (40, 6, 1)
  speed = found['speed']
  assert speed['megapixels_per_second'] == pytest.approx(
    512 * 512 / 1e6 / speed['seconds'], rel=0.01
  )
  assert {'git_revision', 'device', 'processor'} <= set(found['provenance'])
  json.dumps(found, allow_nan=False)


def test_least_gain_is_that_of_the_image_that_gains_least(small, sets):
  subjects = measure.make_subjects(zoo.load('small'))
  protocol = Protocol.of('denoise', 'clipped')

  def rows(images):
    found = measure.score(
      subjects, images, name='x', level=40.0, protocol=protocol
    )
    return measure.rows(found, 'clipped')

  both = rows(sets['cbsd68'])
  alone = [rows([one]) for one in sets['cbsd68']]
  for i, row in enumerate(both):
    gains = [one[i]['psnr'] - one[0]['psnr'] for one in alone]
    assert row['least_gain'] == pytest.approx(min(gains), abs=2e-3)
    assert row['psnr'] == pytest.approx(
      np.mean([one[i]['psnr'] for one in alone]), abs=2e-4
    )
  assert both[0]['least_gain'] == 0


def test_super_resolution_has_no_classical_method_but_its_input(
  tmp_path, monkeypatch
):
  model = released.with_bends('sr').with_path('line')
  released.make_zoo(tmp_path, monkeypatch, model)
  images_ = [NamedImage('a', _pixels(0, shape=(37, 41)))]
  found = evaluate.evaluate('small', {'set5': images_}, wanted=[3, 3.4])
  assert found['levels'] == [3, 3.4]
  assert found['classical'] == []
  assert {r['method'] for r in found['scores']} == {'input', 'line'}
  assert {r['noise'] for r in found['scores']} == {''}
  released.write(tmp_path / 'docs', found)
  text = card.render('small', tmp_path / 'docs')
  assert 'bicubic (the input)' in text
  assert '| VDSR' in text


def test_usual_levels_are_those_within_the_range(small):
  assert measure.default_levels(zoo.load('small')) == [15, 25, 35, 50, 75]
  model = tiny_models.random_model('sr')
  narrow = dataclasses.replace(
    model, levels=dataclasses.replace(model.levels, end=3.5), curve=None
  )
  assert measure.default_levels(narrow) == [3, 3.25, 3.4, 3.5]
  weak = dataclasses.replace(
    model, levels=LevelRange('denoise', 2, 20), curve=None
  )
  assert measure.default_levels(weak) == [2, 6.5, 11, 15.5, 20]
  jpeg = tiny_models.random_model('dejpeg', channels=1)
  assert measure.default_levels(jpeg)[:4] == [95, 90, 85, 80]


@pytest.mark.parametrize('quality', [95, 90, 80, 45])
def test_what_is_cleaner_than_the_start_fades_as_for_users(quality):
  model = tiny_models.random_model('dejpeg', channels=1)
  clean = [NamedImage('a', _pixels(0, channels=1))]
  (case,) = make_cases(clean, quality, Protocol.of('dejpeg'))
  found = measure.restore(model, case, quality).astype(float)
  users = np.rint(model.restore(case.degraded, level=quality) * 255)
  np.testing.assert_allclose(found, users, atol=1)
  moved = np.abs(found - case.degraded * 255).max()
  full = measure.restore(model, case, 80).astype(float) - case.degraded * 255
  assert (moved < 0.5 * np.abs(full).max()) == (quality > 80)


@pytest.mark.parametrize(
  ('options', 'words'),
  [
    ({'wanted': [80]}, 'outside the range'),
    ({'wanted': [15], 'dedicated': {40.0: None}}, 'add it to --levels'),
    ({'dedicated': {50.0: None}}, 'has no AdaFM layers: it restores sigma 40'),
    ({'float32': None}, 'not the released network'),
  ],
)
def test_what_does_not_fit_is_refused(small, sets, tmp_path, options, words):
  path = _dedicated(tmp_path)
  options = dict(options)
  if 'dedicated' in options:
    options['dedicated'] = dict.fromkeys(options['dedicated'], path)
  if 'float32' in options:
    other = tiny_models.random_model(kernel=1)
    options['float32'] = str(tmp_path / 'other.safetensors')
    other.save(options['float32'])
  with pytest.raises(UserError, match=words):
    evaluate.evaluate('small', sets, **options)


def test_a_network_of_another_task_is_refused(small, sets, tmp_path):
  path = tmp_path / 'sr.safetensors'
  tiny_models.random_model('sr').save(path)
  with pytest.raises(UserError, match='for task denoise with 3'):
    evaluate.evaluate('small', sets, float32=str(path))


def _folder(path, count, first=0):
  path.mkdir()
  for i in range(first, first + count):
    images.write_png(path / f'{i:03d}.png', _pixels(i))
  return path


def test_held_out_images_are_measured_and_seen_ones_refused(small, tmp_path):
  header = dataclasses.replace(
    zoo.load('small'), provenance={'config': {'data': {'holdout': 2}}}
  )
  train = str(_folder(tmp_path / 'train', 5))
  ours = str(_folder(tmp_path / 'test', 2, first=10))
  sets = image_sets.load(header, f'mine={ours}', train)
  assert [i.name for i in sets['heldout']] == ['003', '004']
  assert [i.name for i in sets['mine']] == ['010', '011']
  assert [
    len(x)
    for x in image_sets.load(header, f'mine={ours}', train, most=1).values()
  ] == [1, 1]
  images.write_png(tmp_path / 'test/012.png', _pixels(1))
  with pytest.raises(UserError, match='012'):
    image_sets.load(header, f'mine={ours}', train)
  images.write_png(tmp_path / 'train/005.png', _pixels(1))
  with pytest.raises(UserError, match=r'set heldout .*\(005\)'):
    image_sets.load(header, '', train)
  with pytest.raises(UserError, match='the whole training set'):
    image_sets.load(header, '', str(_folder(tmp_path / 'few', 2)))
  with pytest.raises(UserError, match='--sets NAME=FOLDER'):
    image_sets.load(header, '')


@pytest.mark.parametrize(
  ('options', 'words'),
  [
    (['--sets', 'set5=/no'], "--sets set5 is '/no', which is not a folder; give"
     ' a folder of images, as in --sets set5=/path/to/images,'),
    (['--sets', 'set5=tfds:no/test'], '--sets set5 is tfds:no/test, which is'
     ' not prepared in ~/tensorflow_datasets: get its images; or point to a'
     ' folder of images with --sets set5=/path.'),
    (['--data-train', '/no'], "--data-train is '/no', which is not a folder;"
     ' give a folder of images, as in --data-train /path/to/images,'),
  ],
)  # fmt: skip
def test_images_that_are_missing_are_asked_for_by_option(
  small, capsys, options, words
):
  assert evaluate.main(['small', *options]) == 2
  said = capsys.readouterr().err
  assert said.startswith(f'error: {words}')
  assert said.count('\n') == 1


@pytest.mark.parametrize('text', [None, 'x', '[]', '{"scores": 1}', '{}'])
def test_earlier_results_that_are_none_are_a_sentence(
  small, tmp_path, capsys, text
):
  ours, before = _folder(tmp_path / 'test', 1), tmp_path / 'before.json'
  if text is not None:
    before.write_text(text)
  words = ['--sets', f'mine={ours}', '-o', str(tmp_path)]
  assert evaluate.main(['small', *words, '--before', str(before)]) == 2
  said = capsys.readouterr().err
  assert said.startswith(f'error: --before is {before}, which ')
  assert said.endswith('give a NAME.json that release.evaluate has written.\n')


def test_dedicated_networks_are_given_by_level():
  found = evaluate.parse_dedicated('35=a/b.safetensors,50=c=d')
  assert found == {35: 'a/b.safetensors', 50: 'c=d'}
  assert evaluate.parse_dedicated('') == {}
  for text in ('35', '35=', 'a/b', 'x=y'):
    with pytest.raises(UserError):
      evaluate.parse_dedicated(text)


def test_the_command_keeps_pictures_of_the_same_file(small, tmp_path):
  ours, docs = _folder(tmp_path / 'test', 1), tmp_path / 'docs'
  shown = {'sheet': {'file': 'small_sheet.png'}}
  released.write(docs, released.results(pictures=shown))
  command = ['small', '--sets', f'cbsd68={ours}', '--levels', '15']
  command += ['--no-pictures', '-o', str(docs)]
  assert evaluate.main(command) == 0
  found = json.loads((docs / 'small.json').read_text())
  assert found['pictures'] == shown
  assert found['sets'] == {'cbsd68': 1}
  assert card.main(['small', '-o', str(docs)]) == 0
  assert '(small_sheet.png)' in (docs / 'small.md').read_text()
  released.write(docs, released.results(pictures=shown, sha256='0' * 64))
  assert evaluate.main(command) == 0
  assert json.loads((docs / 'small.json').read_text())['pictures'] == {}

"""`adafm restore` on real files, through the command's own main function."""

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import released
import tiny_models
from PIL import Image

from adafm_jax import cli, files, zoo
from adafm_jax.commands import restore, restore_job
from adafm_jax.degrade.level import LevelRange
from adafm_jax.images import photo as photos
from adafm_jax.restore import pairs as pairing
from adafm_jax.restore import recipe, workers

MODELS = {
  'denoise': tiny_models.random_model(),
  'dejpeg': tiny_models.random_model('dejpeg', channels=1),
  'sr': tiny_models.random_model('sr'),
}


@pytest.fixture(autouse=True)
def folder(here):
  """The working folder, with models in it."""
  for name, model in MODELS.items():
    model.save(f'{name}.safetensors')
  return here


def _pixels(seed=0, size=(16, 24), channels=3):
  rng = np.random.default_rng(seed)
  shape = size if channels == 1 else (*size, channels)
  return rng.integers(60, 200, shape, np.uint8)


def _make(name, **options):
  path = pathlib.Path(name)
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(_pixels(**options)).save(path)


def _restore(inputs, output, *options, model='denoise'):
  inputs = [inputs] if isinstance(inputs, str) else inputs
  argv = ['restore', '-i', *inputs, '-o', output]
  argv += ['-m', f'{model}.safetensors', *options]
  return cli.main([str(x) for x in argv])


def _options(*options):
  parser = argparse.ArgumentParser()
  restore.arguments(parser)
  given = ['-i', 'in', '-o', 'out', '-m', 'denoise.safetensors', *options]
  return parser.parse_args(given)


def _read(path):
  with Image.open(path) as image:
    return np.asarray(image)


def _report(path):
  """The pictures of a report, and its last line."""
  lines = pathlib.Path(path).read_text().splitlines()
  *pictures, call = [json.loads(line) for line in lines]
  return pictures, call


def _files(folder):
  found = pathlib.Path(folder).rglob('*')
  return sorted(str(x.relative_to(folder)) for x in found if x.is_file())


def test_a_picture_is_what_the_library_gives(capsys):
  _make('a.png')
  assert _restore('a.png', 'b.png', '--level', 40) == 0
  expected = MODELS['denoise'].restore(_read('a.png'), level=40)
  np.testing.assert_array_equal(_read('b.png'), expected)
  out = capsys.readouterr().out
  strength = MODELS['denoise'].strength(40)
  assert f'a.png -> b.png: sigma 40. Strength {strength:.3g}.' in out
  assert '1 picture(s): 1 restored' in out
  assert _restore('a.png', 'c.png', '--strength', 0) == 0
  start = MODELS['denoise'].restore(_read('a.png'), strength=0)
  np.testing.assert_array_equal(_read('c.png'), start)
  assert (start != expected).any()


def test_the_level_is_estimated_by_default(capsys):
  rng = np.random.default_rng(0)
  noise = rng.normal(128, 30, (96, 96, 3))
  Image.fromarray(np.uint8(np.clip(noise, 0, 255))).save('noisy.png')
  for options in ([], ['--auto']):
    report = ['--json', 'report.json', '--overwrite']
    assert _restore('noisy.png', 'out', *options, *report) == 0
    (row,), _ = _report('report.json')
    assert row['estimated'] is True
    assert abs(row['level'] - 30) < 6
    assert row['strength'] == MODELS['denoise'].strength(row['level'])
    assert row['how'] in capsys.readouterr().out
    expected = MODELS['denoise'].restore(_read('noisy.png'), level=row['level'])
    np.testing.assert_array_equal(_read('out/noisy.png'), expected)


def test_a_folder_with_a_bad_file_in_it(capsys):
  _make('in/a.png')
  _make('in/c.png', seed=1)
  _make('in/x/d.jpg', seed=2)
  whole = pathlib.Path('in/a.png').read_bytes()
  pathlib.Path('in/b.png').write_bytes(whole[: len(whole) // 2])
  options = ['--strength', 1, '--recursive', '--json', 'report.json']
  assert _restore('in', 'out', *options) == 1
  assert _files('out') == ['a.png', 'c.png', 'x/d.jpg']
  captured = capsys.readouterr()
  assert '4 picture(s): 3 restored, 1 failed' in captured.out
  errors = [x for x in captured.err.splitlines() if x.startswith('error: ')]
  assert len(errors) == 1
  assert 'in/b.png' in errors[0]
  assert 'restoring' in captured.err  # the progress bar
  pictures, call = _report('report.json')
  status = {x['input']: x['status'] for x in pictures}
  assert status == {
    'in/a.png': 'restored',
    'in/b.png': 'failed',
    'in/c.png': 'restored',
    'in/x/d.jpg': 'restored',
  }
  assert call['model']['sha256'] == files.sha256('denoise.safetensors')
  assert call['pictures'] == 4
  counts = {kind: n for kind, n in call['counts'].items() if n}
  assert counts == {'restored': 3, 'failed': 1}


def test_what_exists_is_skipped_and_the_rest_is_finished():
  for i in range(4):
    _make(f'in/{i}.png', seed=i)
  assert _restore(['in/0.png', 'in/2.png'], 'out', '--strength', 0.5) == 0
  done = {name: os.stat(f'out/{name}').st_mtime_ns for name in _files('out')}
  options = ['--strength', 0.5, '--skip-existing', '--json', 'report.json']
  assert _restore('in', 'out', *options) == 0
  assert _files('out') == [f'{i}.png' for i in range(4)]
  for name, changed in done.items():
    assert os.stat(f'out/{name}').st_mtime_ns == changed
  pictures, call = _report('report.json')
  assert [x['status'] for x in pictures] == [
    *('skipped', 'restored', 'skipped', 'restored')
  ]
  assert call['counts']['skipped'] == 2


@pytest.mark.parametrize('how', ['SIGINT', 'SIGKILL'])
def test_stopped_at_any_moment_it_is_finished_later(how):
  count = 200
  for i in range(count):
    _make(f'in/{i:03}.png', seed=i, size=(40, 60))
  command = [sys.executable, '-m', 'adafm_jax.cli', 'restore', '-i', 'in']
  command += ['-o', 'out', '-m', 'denoise.safetensors', '--strength', '0.5']
  command += ['--jobs', '2']
  root = pathlib.Path(__file__).parents[2]
  environment = os.environ | {'PYTHONPATH': str(root)}
  process = subprocess.Popen(
    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
  )
  deadline = time.monotonic() + 60
  while not list(pathlib.Path().glob('out/[0-9]*.png')):
    assert time.monotonic() < deadline
    time.sleep(0.01)
  process.send_signal(getattr(signal, how))
  out, _ = process.communicate(timeout=60)
  done = sorted(pathlib.Path().glob('out/[0-9]*.png'))
  assert 0 < len(done) < count
  for path in done:
    assert _read(path).shape == (40, 60, 3)  # whole
  if how == 'SIGINT':
    assert process.returncode == 130
    assert b'--skip-existing' in out
    assert len(_files('out')) == len(done)  # no temporary file is left
  assert _restore('in', 'out', '--strength', 0.5, '--skip-existing') == 0
  assert len(list(pathlib.Path().glob('out/[0-9]*.png'))) == count


def test_a_dry_run_writes_nothing(capsys):
  _make('in/a.png')
  pathlib.Path('in/b.png').write_bytes(b'no image')
  before = _files('.')
  assert _restore('in', 'out', '--strength', 0.25, '--dry-run') == 1
  assert _files('.') == before
  out = capsys.readouterr().out
  assert 'in/a.png would become out/a.png: Strength 0.25.' in out
  assert '1 planned, 1 failed' in out


def test_a_mask_is_the_strength_of_each_pixel(capsys):
  _make('a.png')
  mask = np.zeros((16, 24), np.uint8)
  mask[:, 12:] = 255
  Image.fromarray(mask).save('mask.png')
  assert _restore('a.png', 'b.png', '--strength', 1, '--mask', 'mask.png') == 0
  expected = MODELS['denoise'].restore(_read('a.png'), strength=1, mask=mask)
  np.testing.assert_array_equal(_read('b.png'), expected)
  # Half the size is fitted, other proportions and colour are not.
  Image.fromarray(mask[::2, ::2]).save('half.png')
  assert _restore('a.png', 'c.png', '--strength', 1, '--mask', 'half.png') == 0
  differing = np.abs(_read('c.png').astype(int) - expected)
  assert differing.max() <= 12
  Image.fromarray(mask[:, :16]).save('wrong.png')
  capsys.readouterr()
  assert _restore('a.png', 'd.png', '--strength', 1, '--mask', 'wrong.png') == 1
  assert 'same proportions' in capsys.readouterr().err
  _make('colour.png')
  options = ['--strength', 1, '--mask', 'colour.png']
  assert _restore('a.png', 'd.png', *options) == 2
  assert 'is in colour' in capsys.readouterr().err


def test_a_scale_between_the_ends_gives_its_size(capsys):
  rgba = np.dstack([_pixels(), np.full((16, 24), 255, np.uint8)])
  rgba[:8, :, 3] = 0
  Image.fromarray(rgba).save('a.png')
  assert _restore('a.png', 'b.png', '--level', 3.4, model='sr') == 0
  restored = _read('b.png')
  assert restored.shape == (55, 82, 4)
  assert (restored[:20, :, 3] == 0).all()
  assert (restored[35:, :, 3] == 255).all()
  for options, words in (
    ([], 'give one level, the scale'),
    (['--strength', 0.5], 'give one level, the scale'),
    (['--level', 4.5], 'outside the range'),
  ):
    assert _restore('a.png', 'c.png', *options, model='sr') == 2
    assert words in capsys.readouterr().err
  assert not os.path.exists('c.png')


def test_colour_through_a_luma_model_and_grey_through_rgb():
  _make('a.png')
  _make('grey.png', channels=1)
  assert _restore('a.png', 'b.png', '--level', 20, model='dejpeg') == 0
  expected = MODELS['dejpeg'].restore(_read('a.png'), level=20)
  np.testing.assert_array_equal(_read('b.png'), expected)
  assert _restore('grey.png', 'g.png', '--level', 20) == 0
  assert _read('g.png').ndim == 2


def test_formats_and_depth():
  deep = np.random.default_rng(0).integers(2**16, size=(40, 52), dtype='uint16')
  Image.fromarray(deep).save('deep.png')
  assert _restore('deep.png', 'out', '--strength', 0.5) == 0
  restored = photos.read_photo('out/deep.png')
  assert restored.depth == 16
  assert len(np.unique(restored.pixels)) > 256
  _make('a.png')
  options = ['--strength', 0.5, '--suffix', '_r']
  for ext, kind in (('jpg', 'JPEG'), ('webp', 'WEBP'), ('tiff', 'TIFF')):
    assert _restore('a.png', 'made', '--ext', ext, *options) == 0
    with Image.open(f'made/a_r.{ext}') as image:
      assert image.format == kind


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.webp', 'a.tif', 'a.bmp'])
def test_a_recipe_makes_a_result_again(name, capsys):
  _make(name)
  options = ['--level', 33, '--recipe', '--self-ensemble']
  assert _restore(name, 'out', *options) == 0
  kept = recipe.read(f'out/{name}')
  assert (kept.level, kept.self_ensemble, kept.source) == (33, True, name)
  assert kept.estimated is False
  assert kept.strength == MODELS['denoise'].strength(33)
  assert kept.model_sha256 == files.sha256('denoise.safetensors')
  assert kept.source_sha256 == files.sha256(name)
  again = ['--from-recipe', f'out/{name}', '--recipe']
  assert _restore(name, 'again', *again) == 0
  for file in _files('out'):
    first, second = (pathlib.Path(x, file) for x in ('out', 'again'))
    assert first.read_bytes() == second.read_bytes()
  tiny_models.random_model(seed=1).save('other.safetensors')
  assert _restore(name, 'third', *again, model='other') == 2
  assert 'is of the model denoise.safetensors' in capsys.readouterr().err
  assert _restore(name, 'third', '--from-recipe', name) == 2
  assert 'holds no recipe' in capsys.readouterr().err


def test_a_recipe_of_a_scale_and_a_mask(capsys):
  _make('a.png')
  Image.fromarray(_pixels(seed=3, channels=1)).save('mask.png')
  options = ['--level', 2.5, '--strength', 0.9, '--mask', 'mask.png']
  assert _restore('a.png', 'b.png', *options, '--recipe', model='sr') == 0
  again = ['--from-recipe', 'b.png']
  mask = ['--mask', 'mask.png']
  assert _restore('a.png', 'c.png', *again, *mask, model='sr') == 0
  np.testing.assert_array_equal(_read('b.png'), _read('c.png'))
  assert _restore('a.png', 'd.png', *again, model='sr') == 2
  assert 'with another mask' in capsys.readouterr().err


def test_a_released_model_goes_by_its_name(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(zoo, 'FOLDER', tmp_path)
  checksum = files.sha256('denoise.safetensors')
  entry = {
    'name': 'denoise',
    'file': 'denoise.safetensors',
    'sha256': checksum,
    'description': 'd',
    'licence': 'l',
    'quality': 'q',
  }
  pathlib.Path('registry.json').write_text(json.dumps([entry]))
  _make('a.png')
  argv = ['restore', '-i', 'a.png', '-o', 'b.png', '--level', '15', '-m']
  assert cli.main([*argv, 'denoise']) == 0
  pathlib.Path('b.png').unlink()
  assert cli.main([*argv, 'denois']) == 2
  assert 'did you mean denoise?' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('options', 'words'),
  [
    (['--level', '80'], 'outside the range'),
    (['--strength', '1.5'], 'must be from 0'),
    (['--level', '20', '--strength', '1'], 'not both'),
    (['--auto', '--strength', '1'], 'not both'),
    (['--from-recipe', 'a.png', '--level', '20'], 'A recipe says'),
    (['--strength', '1', '--jobs', '0'], '--jobs is 0'),
    (['--strength', '1', '--quality', '101'], '--quality is 101'),
    (['--strength', '1', '--tile', '33'], 'even number'),
    (['--strength', '1', '--device', 'abacus'], "no device 'abacus'"),
    (['--strength', '1', '--device', 'cpu:99'], "no device 'cpu:99'"),
    (['--strength', '1', '--mask', 'none.png'], 'none.png'),
    (['--strength', '1', '--json', 'a.png'], 'would overwrite'),
    (['--strength', '1', '--json', './in/../a.png'], 'would overwrite'),
    (['--strength', '1', '--json', 'denoise.safetensors'], 'not a report'),
    (['--strength', '1', '--json', 'a.png/b.json'], 'is not a folder'),
    (['--strength', '1', '--json', ''], 'file name'),
    (['--strength', '1', '--json', 'in'], 'file name'),
  ],
)
def test_mistakes_are_reported_before_anything_is_written(
  options, words, capsys
):
  _make('a.png')
  pathlib.Path('in').mkdir()
  before = {x: pathlib.Path(x).read_bytes() for x in _files('.')}
  assert _restore('a.png', 'out/', *options) == 2
  err = capsys.readouterr().err
  assert words in err
  assert err.count('\n') == 1
  assert {x: pathlib.Path(x).read_bytes() for x in _files('.')} == before
  assert not pathlib.Path('out').exists()


def test_in_tiles_it_is_the_same():
  _make('a.png', size=(26, 40))
  assert _restore('a.png', 'b.png', '--strength', 1, '--tile', 16) == 0
  assert _restore('a.png', 'c.png', '--strength', 1) == 0
  differing = np.abs(_read('b.png').astype(int) - _read('c.png'))
  assert differing.max() <= 1  # 0.5 may round either way
  assert np.mean(differing) < 0.001


def test_on_a_named_device():
  _make('a.png')
  assert _restore('a.png', 'b.png', '--strength', 1, '--device', 'cpu:1') == 0
  assert _restore('a.png', 'c.png', '--strength', 1) == 0
  np.testing.assert_array_equal(_read('b.png'), _read('c.png'))


def test_a_picture_of_the_users_own_is_not_taken_for_a_result(capsys):
  _make('in/a.png')
  _make('in/a-edited.png', seed=1)
  own = pathlib.Path('in/a-edited.png').read_bytes()
  options = ['--strength', 1, '--suffix=-edited']
  for inputs in ('in', ['in/a.png', 'in/a-edited.png']):
    assert _restore(inputs, 'in', *options) == 2
    assert 'a-edited.png' in capsys.readouterr().err
    assert _restore(inputs, 'in', *options, '--skip-existing') == 0
    assert 'skipped' in capsys.readouterr().out
  assert pathlib.Path('in/a-edited.png').read_bytes() == own
  assert _files('in') == ['a-edited.png', 'a.png']


def test_a_call_given_again_replaces_its_results_and_nothing_else(capsys):
  for name in ('album/a.jpg', 'album/b.jpg'):
    _make(name, size=(40, 60))
  options = ['--ext', 'png', '--recipe']
  assert _restore('album', 'album', *options, '--strength', 1) == 0
  first = _read('album/a.png')
  assert _restore('album', 'album', *options, '--strength', 0) == 0
  assert (_read('album/a.png') != first).any()
  assert _files('album') == ['a.jpg', 'a.png', 'b.jpg', 'b.png']
  # Once it is edited, it is the user's.
  Image.fromarray(first).save('album/a.png')
  before = {x: pathlib.Path('album', x).read_bytes() for x in _files('album')}
  capsys.readouterr()
  assert _restore('album', 'album', *options, '--strength', 1) == 2
  assert 'album/a.png' in capsys.readouterr().err
  assert before == {
    x: pathlib.Path('album', x).read_bytes() for x in _files('album')
  }


def test_a_file_that_appears_during_a_call_is_not_overwritten():
  for name in ('in/a.png', 'in/b.png'):
    _make(name)
  found = pairing.find(['in'], 'out')
  job = restore_job.make_job(_options('--strength', '1'))
  done = workers.run(job, found, threads=1)
  _make('out/a.png', seed=5)
  mine = pathlib.Path('out/a.png').read_bytes()
  first, second = done
  assert (first.status, second.status) == ('failed', 'restored')
  assert 'out/a.png' in first.problem
  assert pathlib.Path('out/a.png').read_bytes() == mine


def test_links_pipes_and_odd_names_among_good_pictures(capsys):
  _make('in/a.png')
  os.symlink('gone.png', 'in/gone.png')
  os.symlink('loop.png', 'in/loop.png')
  os.mkfifo('in/pipe.png')
  odd = os.fsdecode(b'in/z\xe9.png')
  _make('z.png', seed=1)
  os.rename('z.png', odd)
  inputs = ['in', '', 'none.png']
  assert _restore(inputs, 'out', '--strength', 1, '--json', 'r.json') == 1
  assert sorted(os.listdir(b'out')) == [b'a.png', b'z\xe9.png']
  captured = capsys.readouterr()
  assert '2 restored, 5 failed' in captured.out
  assert len([x for x in captured.err.splitlines() if 'error:' in x]) == 5
  rows, _ = _report('r.json')
  assert sum(x['status'] == 'failed' for x in rows) == 5


def _command(*options):
  """A call in a process of its own, as arguments of `subprocess`."""
  root = pathlib.Path(__file__).parents[2]
  command = [sys.executable, '-m', 'adafm_jax.cli', 'restore']
  command += ['-m', 'denoise.safetensors', '--strength', '0.5', *options]
  environment = {'PYTHONPATH': str(root), 'PYTHONIOENCODING': 'ascii'}
  return {'args': command, 'env': os.environ | environment}


@pytest.mark.parametrize('unread', [('stdout',), ('stdout', 'stderr')])
def test_the_work_is_done_though_nobody_reads_the_lines(unread):
  for i in range(4):
    _make(f'in/{i}.png', seed=i)
  reader, writer = os.pipe()
  os.close(reader)
  streams = {'stderr': subprocess.PIPE} | dict.fromkeys(unread, writer)
  for options, code in (([], 0), (['none.png'], 1)):  # not 0 if one failed
    command = _command('-i', 'in', *options, '-o', f'out{code}')
    done = subprocess.run(**command, **streams, timeout=90)
    assert done.returncode == code
    assert b'Traceback' not in (done.stderr or b'')
    assert _files(f'out{code}') == [f'{i}.png' for i in range(4)]
  os.close(writer)


def test_a_report_on_the_standard_output_is_nothing_but_json(capsys):
  for name in ('in/a.png', 'in/b.png'):
    _make(name)
  assert _restore('in', 'out', '--strength', 1, '--json', '-') == 0
  captured = capsys.readouterr()
  first, second, call = map(json.loads, captured.out.splitlines())
  assert (first['output'], second['output']) == ('out/a.png', 'out/b.png')
  assert 'estimated' not in first  # no level
  assert call['counts']['restored'] == 2
  assert 'in/a.png -> out/a.png: Strength 1.' in captured.err
  assert '2 picture(s): 2 restored' in captured.err


def test_a_report_may_be_a_pipe():
  _make('in/a.png')
  os.mkfifo('report')  # as of `--json >(program)`
  command = _command('-i', 'in', 'none.png', '-o', 'out', '--json', 'report')
  streams = dict.fromkeys(('stdout', 'stderr'), subprocess.DEVNULL)
  with subprocess.Popen(**command, **streams) as process:
    with open('report', encoding='utf-8') as report:
      seen = [json.loads(line) for line in report]
    assert process.wait(60) == 1
  assert [x.get('status') for x in seen] == ['restored', 'failed', None]


def test_a_report_that_fails_stops_nothing(capsys):
  _make('in/a.png')
  _make('in/b.png', seed=1)
  assert _restore('in', 'out', '--strength', 1, '--json', '/dev/full') == 1
  assert _files('out') == ['a.png', 'b.png']
  err = capsys.readouterr().err
  assert 'error: Cannot write --json /dev/full: No space left' in err


def test_a_report_replaces_only_reports(capsys):
  _make('a.png')
  options = ['--strength', 1, '--overwrite', '--json', 'r.json']
  mine = '{"input": "a", "files": []}\n'
  pathlib.Path('r.json').write_text(mine)
  assert _restore('a.png', 'b.png', *options) == 2
  assert 'not a report' in capsys.readouterr().err
  assert pathlib.Path('r.json').read_text() == mine
  older = {'adafm_jax': '0.1.0', 'model': {}, 'pictures': 1, 'files': []}
  files.write_json('r.json', older)
  for _ in range(2):
    assert _restore('a.png', 'b.png', *options) == 0
    assert len(_report('r.json')[0]) == 1
  # A mistake leaves that of the last call.
  before = pathlib.Path('r.json').read_bytes()
  assert _restore('a.png', 'b.png', *options, '--mask', 'none.png') == 2
  assert pathlib.Path('r.json').read_bytes() == before


def test_below_the_start_the_result_fades_to_the_picture(capsys):
  _make('a.png')
  image = _read('a.png').astype(np.float64)
  start = MODELS['denoise'].restore(np.float32(image / 255), strength=0) * 255
  assert _restore('a.png', 'b.png', '--level', 5, '--json', 'r.json') == 0
  expected = image + (start - image) / 3  # 5 of 15
  assert np.abs(_read('b.png') - expected).max() < 0.51
  (row,), _ = _report('r.json')
  assert (row['level'], row['strength'], row['estimated']) == (5, 0, False)
  assert row['share'] == pytest.approx(1 / 3)
  assert 'faded to 33%' in capsys.readouterr().out
  assert _restore('a.png', 'c.png', '--level', -1) == 2


def test_a_gentler_model_is_named_where_it_serves(
  monkeypatch, tmp_path, capsys
):
  fine = dataclasses.replace(
    tiny_models.random_model(),
    levels=LevelRange('denoise', 4, 20),
    curve=None,
  )
  released.make_zoo(tmp_path, monkeypatch, fine, name='fine')
  _make('a.png')
  for level, said in ((5, True), (3, False), (15, False)):
    assert _restore('a.png', f'{level}.png', '--level', level) == 0
    out = capsys.readouterr().out
    assert ('Model fine is made for it (sigma 4 to sigma 20)' in out) == said


def test_what_is_clean_is_left_alone_to_the_byte(capsys):
  ramp = np.linspace(40, 200, 96)[:, None, None]
  clean = np.uint8(np.broadcast_to(ramp, (96, 96, 3)))
  Image.fromarray(clean).save('a.png')
  Image.fromarray(clean).save('a.jpg', quality=99)
  for name, model in (('a.png', 'denoise'), ('a.jpg', 'dejpeg')):
    assert _restore(name, 'out', model=model) == 0
    same = pathlib.Path('out', name).read_bytes()
    assert same == pathlib.Path(name).read_bytes()
    out = capsys.readouterr().out
    assert '1 left alone' in out
    assert 'Cleaner than the model restores' in out
  assert _restore('a.jpg', 'b.png', model='dejpeg') == 0
  np.testing.assert_array_equal(_read('b.png'), _read('a.jpg'))


def test_a_flat_page_around_a_noisy_photograph_keeps_its_tone():
  rng = np.random.default_rng(0)
  page = np.full((120, 128, 3), 240, np.uint8)
  noise = rng.normal(128, 50, (80, 96, 3)).clip(0, 255)
  page[20:100, 16:112] = np.rint(noise)
  Image.fromarray(page).save('a.png')
  assert _restore('a.png', 'out', '--recipe', '--json', 'r.json') == 0
  restored, around = _read('out/a.png'), np.ones(page.shape[:2], bool)
  around[20:100, 16:112] = False
  assert (restored[around] == 240).all()
  (row,), _ = _report('r.json')
  expected = MODELS['denoise'].restore(page, level=row['level'])
  assert (expected[around] != 240).any()
  np.testing.assert_array_equal(restored[~around], expected[~around])
  assert _restore('a.png', 'again', '--from-recipe', 'out/a.png') == 0
  np.testing.assert_array_equal(_read('again/a.png'), restored)
  # A level that is given is the user's wish, everywhere.
  assert _restore('a.png', 'b.png', '--level', row['level']) == 0
  np.testing.assert_array_equal(_read('b.png'), expected)


def test_a_recipe_of_what_was_left_alone_leaves_it_alone():
  ramp = np.linspace(40, 200, 96)[:, None, None]
  clean = np.uint8(np.broadcast_to(ramp, (96, 96, 3)))
  noise = np.random.default_rng(0).normal(0, 2, clean.shape)
  Image.fromarray(np.uint8(np.rint(clean + noise))).save('a.png')
  assert _restore('a.png', 'b.png', '--recipe') == 0
  assert recipe.read('b.png').level > 1
  assert _restore('a.png', 'c.png', '--from-recipe', 'b.png') == 0
  for name in ('b.png', 'c.png'):
    np.testing.assert_array_equal(_read(name), _read('a.png'))


def test_a_transparent_mask_is_black():
  _make('a.png')
  mask = np.full((16, 24, 4), 255, np.uint8)
  mask[:, :12, 3] = 0  # white, but not there
  Image.fromarray(mask).save('mask.png')
  assert _restore('a.png', 'b.png', '--strength', 1, '--mask', 'mask.png') == 0
  seen = mask[..., 3]
  expected = MODELS['denoise'].restore(_read('a.png'), strength=1, mask=seen)
  np.testing.assert_array_equal(_read('b.png'), expected)


def test_too_wide_for_the_format_is_refused_before_the_network(capsys):
  _make('wide.png', size=(2, 16384))
  options = ['--strength', 1, '--ext', 'webp', '--dry-run']
  assert _restore('wide.png', 'out', *options) == 1
  assert '16383' in capsys.readouterr().err


@pytest.mark.parametrize(
  'option', ['--mask', '--from-recipe', '--manifest', '--shard']
)
def test_empty_names_are_reported_and_nothing_is_done(option, capsys):
  _make('a.png')
  assert _restore('a.png', 'out', option, '') == 2
  assert f'{option} is empty' in capsys.readouterr().err
  assert not pathlib.Path('out').exists()


def test_the_model_is_not_overwritten():
  _make('a.png')
  os.rename('denoise.safetensors', 'in.png')
  model = pathlib.Path('in.png').read_bytes()
  argv = ['restore', '-i', 'a.png', '-o', 'in.png', '-m', 'in.png']
  assert cli.main([*argv, '--overwrite', '--level', '20']) == 2
  assert pathlib.Path('in.png').read_bytes() == model


def test_null_bytes_and_control_characters_in_names(capsys):
  odd = 'in/new\nline\x1b[2J.png'
  _make(odd)
  assert _restore(['a\0b', odd], 'out', '--level', 20, '--json', 'r') == 1
  out = capsys.readouterr().out
  assert 'in/new\\nline\\x1b[2J.png -> out/new\\nline\\x1b[2J.png: ' in out
  assert '\x1b' not in out
  assert _files('out') == [odd.removeprefix('in/')]
  assert [x['status'] for x in _report('r')[0]] == ['failed', 'restored']
  for wrong in (
    ['-o', 'o\0'],
    ['-o', '-'],
    ['-o', 'o', '--suffix', '\0'],
    ['-o', 'o', '--json', '\0'],
  ):
    argv = ['restore', '-i', odd, '-m', 'denoise.safetensors', *wrong]
    assert cli.main(argv) == 2
    assert capsys.readouterr().err.count('\n') == 1


def test_a_log_of_the_user_s_own_is_no_report(capsys):
  _make('a.png')
  line = '{"input": "a", "output": "b", "status": "restored"}\n'
  for mine in (
    line.replace('restored', 'ok'),
    line + '{"my": 1}\n',
    'x' + line,
  ):
    pathlib.Path('r.json').write_text(mine)
    assert _restore('a.png', 'out', '--json', 'r.json', '--level', 20) == 2
    assert 'not a report' in capsys.readouterr().err
    assert pathlib.Path('r.json').read_text() == mine
  # The last line of a call that was killed may be cut.
  pathlib.Path('r.json').write_text(line + line[:20])
  assert _restore('a.png', 'out', '--json', 'r.json', '--level', 20) == 0


def test_a_file_that_appears_while_the_network_runs_is_kept(monkeypatch):
  _make('a.png')
  restore = workers.jobs.restore

  def slow(*args):
    pathlib.Path('out/a.png').write_text('mine')
    return restore(*args)

  monkeypatch.setattr(workers.jobs, 'restore', slow)
  assert _restore('a.png', 'out/', '--level', 20) == 1
  assert pathlib.Path('out/a.png').read_text() == 'mine'


def test_a_sidecar_that_appears_while_the_network_runs_is_kept(monkeypatch):
  Image.fromarray(_pixels()).save('a.bmp')
  mine = pathlib.Path('out/a.bmp.recipe.json')
  restore = workers.jobs.restore

  def slow(*args):
    mine.write_text('mine')
    return restore(*args)

  monkeypatch.setattr(workers.jobs, 'restore', slow)
  options = ['--level', 20]
  assert _restore('a.bmp', 'out/', *options, '--recipe') == 1
  assert mine.read_text() == 'mine'
  assert not pathlib.Path('out/a.bmp').exists()
  assert _restore('a.bmp', 'out/', *options) == 0  # which writes no sidecar

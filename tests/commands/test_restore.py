"""`adafm restore` on real files, through the command's own main function."""

import json
import os
import pathlib

import numpy as np
import pytest
import restoring
from PIL import Image

from adafm_jax import cli, files, zoo
from adafm_jax.images import formats
from adafm_jax.images import photo as photos

pytestmark = pytest.mark.usefixtures('models_here')


def test_a_picture_is_what_the_library_gives(capsys):
  restoring.make('a.png')
  assert restoring.run('a.png', 'b.png', '--level', 40) == 0
  expected = restoring.MODELS['denoise'].restore(
    restoring.read('a.png'), level=40
  )
  np.testing.assert_array_equal(restoring.read('b.png'), expected)
  out = capsys.readouterr().out
  strength = restoring.MODELS['denoise'].strength(40)
  assert f'a.png -> b.png: sigma 40. Strength {strength:.3g}.' in out
  assert '1 picture(s): 1 restored' in out
  assert restoring.run('a.png', 'c.png', '--strength', 0) == 0
  start = restoring.MODELS['denoise'].restore(
    restoring.read('a.png'), strength=0
  )
  np.testing.assert_array_equal(restoring.read('c.png'), start)
  assert (start != expected).any()


def test_a_folder_with_a_bad_file_in_it(capsys):
  restoring.make('in/a.png')
  restoring.make('in/c.png', seed=1)
  restoring.make('in/x/d.jpg', seed=2)
  whole = pathlib.Path('in/a.png').read_bytes()
  pathlib.Path('in/b.png').write_bytes(whole[: len(whole) // 2])
  options = ['--strength', 1, '--recursive', '--json', 'report.json']
  assert restoring.run('in', 'out', *options) == 1
  assert restoring.files('out') == ['a.png', 'c.png', 'x/d.jpg']
  captured = capsys.readouterr()
  assert '4 picture(s): 3 restored, 1 failed' in captured.out
  errors = [x for x in captured.err.splitlines() if x.startswith('error: ')]
  assert len(errors) == 1
  assert 'in/b.png' in errors[0]
  assert 'restoring' in captured.err  # the progress bar
  pictures, call = restoring.report('report.json')
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


@pytest.mark.parametrize(('level', 'idle'), [(5, True), (30, False)])
def test_a_mask_that_changes_nothing_is_said_to(capsys, level, idle):
  restoring.make('a.png')
  mask = np.full((16, 24), 255, np.uint8)
  mask[:, :12] = 0
  Image.fromarray(mask).save('mask.png')
  how = ['--level', level]
  assert restoring.run('a.png', 'b.png', *how, '--mask', 'mask.png') == 0
  assert ('The mask changes nothing' in capsys.readouterr().out) == idle
  assert restoring.run('a.png', 'c.png', *how) == 0
  same = (restoring.read('b.png') == restoring.read('c.png')).all()
  assert same == idle


def test_a_mask_is_the_strength_of_each_pixel(capsys):
  restoring.make('a.png')
  mask = np.zeros((16, 24), np.uint8)
  mask[:, 12:] = 255
  Image.fromarray(mask).save('mask.png')
  assert (
    restoring.run('a.png', 'b.png', '--strength', 1, '--mask', 'mask.png') == 0
  )
  expected = restoring.MODELS['denoise'].restore(
    restoring.read('a.png'), strength=1, mask=mask
  )
  np.testing.assert_array_equal(restoring.read('b.png'), expected)
  # Half the size is fitted, other proportions and colour are not.
  Image.fromarray(mask[::2, ::2]).save('half.png')
  assert (
    restoring.run('a.png', 'c.png', '--strength', 1, '--mask', 'half.png') == 0
  )
  differing = np.abs(restoring.read('c.png').astype(int) - expected)
  assert differing.max() <= 12
  Image.fromarray(mask[:, :16]).save('wrong.png')
  capsys.readouterr()
  assert (
    restoring.run('a.png', 'd.png', '--strength', 1, '--mask', 'wrong.png') == 1
  )
  assert 'same proportions' in capsys.readouterr().err
  restoring.make('colour.png')
  options = ['--strength', 1, '--mask', 'colour.png']
  assert restoring.run('a.png', 'd.png', *options) == 2
  assert 'is in colour' in capsys.readouterr().err


def test_a_scale_between_the_ends_gives_its_size(capsys):
  rgba = np.dstack([restoring.pixels(), np.full((16, 24), 255, np.uint8)])
  rgba[:8, :, 3] = 0
  Image.fromarray(rgba).save('a.png')
  assert restoring.run('a.png', 'b.png', '--level', 3.4, model='sr') == 0
  restored = restoring.read('b.png')
  assert restored.shape == (55, 82, 4)
  assert (restored[:20, :, 3] == 0).all()
  assert (restored[35:, :, 3] == 255).all()
  for options, words in (
    ([], 'give one level, the scale'),
    (['--strength', 0.5], 'give one level, the scale'),
    (['--level', 4.5], 'outside the range'),
  ):
    assert restoring.run('a.png', 'c.png', *options, model='sr') == 2
    assert words in capsys.readouterr().err
  assert not os.path.exists('c.png')


def test_a_format_is_asked_for_the_size_that_is_written(monkeypatch):
  restoring.make('a.png', size=(25, 16))  # 25 * 2.2 is more than 55 in floats
  small = formats.FORMATS['PNG']._replace(longest=55)
  monkeypatch.setitem(formats.FORMATS, 'PNG', small)
  assert restoring.run('a.png', 'b.png', '--level', 2.2, model='sr') == 0
  assert restoring.read('b.png').shape == (55, 36, 3)


def test_colour_through_a_luma_model_and_grey_through_rgb():
  restoring.make('a.png')
  restoring.make('grey.png', channels=1)
  assert restoring.run('a.png', 'b.png', '--level', 20, model='dejpeg') == 0
  expected = restoring.MODELS['dejpeg'].restore(
    restoring.read('a.png'), level=20
  )
  np.testing.assert_array_equal(restoring.read('b.png'), expected)
  assert restoring.run('grey.png', 'g.png', '--level', 20) == 0
  assert restoring.read('g.png').ndim == 2


def test_formats_and_depth():
  deep = np.random.default_rng(0).integers(2**16, size=(40, 52), dtype='uint16')
  Image.fromarray(deep).save('deep.png')
  assert restoring.run('deep.png', 'out', '--strength', 0.5) == 0
  restored = photos.read_photo('out/deep.png')
  assert restored.depth == 16
  assert len(np.unique(restored.pixels)) > 256
  restoring.make('a.png')
  options = ['--strength', 0.5, '--suffix', '_r']
  for ext, kind in (('jpg', 'JPEG'), ('webp', 'WEBP'), ('tiff', 'TIFF')):
    assert restoring.run('a.png', 'made', '--ext', ext, *options) == 0
    with Image.open(f'made/a_r.{ext}') as image:
      assert image.format == kind


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
  restoring.make('a.png')
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
    (['--from-recipe', 'a.png', '--self-ensemble'], 'A recipe says'),
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
  restoring.make('a.png')
  pathlib.Path('in').mkdir()
  before = {x: pathlib.Path(x).read_bytes() for x in restoring.files('.')}
  assert restoring.run('a.png', 'out/', *options) == 2
  err = capsys.readouterr().err
  assert words in err
  assert err.count('\n') == 1
  assert {
    x: pathlib.Path(x).read_bytes() for x in restoring.files('.')
  } == before
  assert not pathlib.Path('out').exists()


def test_in_tiles_it_is_the_same():
  restoring.make('a.png', size=(26, 40))
  assert restoring.run('a.png', 'b.png', '--strength', 1, '--tile', 16) == 0
  assert restoring.run('a.png', 'c.png', '--strength', 1) == 0
  differing = np.abs(
    restoring.read('b.png').astype(int) - restoring.read('c.png')
  )
  assert differing.max() <= 1  # 0.5 may round either way
  assert np.mean(differing) < 0.001


def test_on_a_named_device():
  restoring.make('a.png')
  assert (
    restoring.run('a.png', 'b.png', '--strength', 1, '--device', 'cpu:1') == 0
  )
  assert restoring.run('a.png', 'c.png', '--strength', 1) == 0
  np.testing.assert_array_equal(
    restoring.read('b.png'), restoring.read('c.png')
  )


def test_a_transparent_mask_is_black():
  restoring.make('a.png')
  mask = np.full((16, 24, 4), 255, np.uint8)
  mask[:, :12, 3] = 0  # white, but not there
  Image.fromarray(mask).save('mask.png')
  assert (
    restoring.run('a.png', 'b.png', '--strength', 1, '--mask', 'mask.png') == 0
  )
  seen = mask[..., 3]
  expected = restoring.MODELS['denoise'].restore(
    restoring.read('a.png'), strength=1, mask=seen
  )
  np.testing.assert_array_equal(restoring.read('b.png'), expected)


def test_too_wide_for_the_format_is_refused_before_the_network(capsys):
  restoring.make('wide.png', size=(2, 16384))
  options = ['--strength', 1, '--ext', 'webp', '--dry-run']
  assert restoring.run('wide.png', 'out', *options) == 1
  assert '16383' in capsys.readouterr().err

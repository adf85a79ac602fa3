import csv
import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image, ImageCms

from adafm_jax.commands import sweep, sweep_job, sweep_results
from adafm_jax.degrade import colour, resize
from adafm_jax.degrade.level import LevelRange
from adafm_jax.engine import memory as memories
from adafm_jax.engine import plan
from adafm_jax.evaluate import metrics
from adafm_jax.images.photo import Photo
from adafm_jax.model import Model
from adafm_jax.model_file import curve as curves
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

RANGES = {'denoise': (15.0, 75.0), 'dejpeg': (80.0, 10.0), 'sr': (3.0, 4.0)}


def _save_model(path, task='denoise', channels=3, kernel=3, curve=None):
  arch = Architecture(features=8, blocks=1, channels=channels, kernel=kernel)
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda leaf: rng.normal(0, 0.15, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )
  # Most results stay inside [0, 1].
  params['tail']['kernel'] *= np.float32(0.3)
  params['tail']['bias'] += np.float32(0.5)
  model = Model(
    arch=arch,
    levels=LevelRange(task, *RANGES[task]),
    params=params,
    curve=curve,
  )
  model.save(path)
  return model


def _pixels(shape, seed=0):
  """Smooth colours with some texture, as a photograph has."""
  height, width, channels = shape
  y, x = np.mgrid[:height, :width]
  waves = [np.sin(x / 5 + c) * np.cos(y / (4 + c)) for c in range(channels)]
  noise = np.random.default_rng(seed).normal(0, 12, shape)
  picture = 128 + 70 * np.stack(waves, axis=-1) + noise
  return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _write(path, pixels):
  path.parent.mkdir(parents=True, exist_ok=True)
  grey = pixels.shape[-1] == 1
  Image.fromarray(pixels[..., 0] if grey else pixels).save(path)
  return path


def _load(path):
  with Image.open(path) as image:
    array = np.asarray(image)
  return array if array.ndim == 3 else array[..., None]


def _sweep(model, inputs, output, *more):
  inputs = inputs if isinstance(inputs, list) else [inputs]
  arguments = ['-m', model, '-i', *inputs, '-o', output, *more]
  return sweep.main([str(argument) for argument in arguments])


def _separately(model, pixels, strength):
  """One strength through the network alone, float32 [H, W, C]."""
  apply = restorer.make_apply(model.arch)
  return np.asarray(apply(model.params, pixels[None], np.float32(strength)))[0]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A model and images: RGB, grey, odd sizes, two of one size."""
  root = tmp_path_factory.mktemp('sweep')
  model = _save_model(root / 'model.safetensors')
  shapes = {'a': (33, 47, 3), 'b': (33, 47, 3), 'grey': (28, 21, 1)}
  images = {name: _pixels(s, len(name)) for name, s in shapes.items()}
  for name, pixels in images.items():
    _write(root / 'images' / f'{name}.png', pixels)
  return root, model, images


def test_files_equal_separate_runs_of_the_network(folder, tmp_path, capsys):
  root, model, images = folder
  code = _sweep(
    root / 'model.safetensors',
    root / 'images',
    tmp_path,
    '--lambdas',
    '0:1:0.5',
  )
  assert code == 0
  names = {
    f'{n}_coef_{s}.png' for n in images for s in ('0.00', '0.50', '1.00')
  }
  assert {p.name for p in tmp_path.iterdir()} == {*names, 'contact_sheet.png'}
  for name, pixels in images.items():
    for strength in (0, 0.5, 1):
      rgb = np.repeat(pixels, 4 - pixels.shape[-1], 2)[..., :3] / 255
      alone = _separately(model, rgb.astype(np.float32), strength)
      if pixels.shape[-1] == 1:
        alone = alone.astype(np.float64).mean(axis=-1, keepdims=True)
      written = _load(tmp_path / f'{name}_coef_{strength:.2f}.png')
      assert written.shape == pixels.shape
      # A value right between two 8-bit ones may go either way.
      assert np.abs(written - np.clip(alone, 0, 1) * 255).max() < 0.51
  first, last = (_load(tmp_path / f'a_coef_{s}.png') for s in ('0.00', '1.00'))
  assert np.abs(first.astype(int) - last).mean() > 2  # strength does matter
  sheet = _load(tmp_path / 'contact_sheet.png')
  # Input and three strengths in a row, three rows, all at true pixels.
  assert sheet.shape[0] > 33 + 33 + 28
  assert sheet.shape[1] > 4 * 47
  assert 'sweeping' in capsys.readouterr().err


def test_chunks_change_nothing(folder, tmp_path):
  root, _, _ = folder
  each = plan.whole_bytes(Architecture(features=8), 33, 47)
  for name, size in (('small', 3 * each), ('large', 100 * each)):
    code = _sweep(
      root / 'model.safetensors',
      root / 'images',
      tmp_path / name,
      '--memory',
      f'{size}',
    )
    assert code == 0
  written = sorted(p.name for p in (tmp_path / 'large').iterdir())
  assert len(written) == 3 * 11 + 1
  for name in written:
    small, large = (_load(tmp_path / n / name) for n in ('small', 'large'))
    assert small.shape == large.shape
    assert np.abs(small.astype(int) - large).max() <= 1
    assert (small != large).mean() < 0.001


def test_levels_go_through_the_lambda_curve(tmp_path, capsys):
  curve = curves.fit_piecewise([35, 55], [0.2, 0.9], 15, 75)
  model = _save_model(tmp_path / 'm.safetensors', curve=curve)
  pixels = _pixels((20, 30, 3))
  _write(tmp_path / 'in' / 'x.png', pixels)
  code = _sweep(
    tmp_path / 'm.safetensors',
    tmp_path / 'in',
    tmp_path / 'out',
    '--levels',
    '15,45,75',
  )
  assert code == 0
  found = sorted(p.name for p in (tmp_path / 'out').glob('x_*'))
  assert found == [f'x_coef_{s}.png' for s in ('0.00', '0.55', '1.00')]
  alone = _separately(model, (pixels / 255).astype(np.float32), 0.55)
  written = _load(tmp_path / 'out' / 'x_coef_0.55.png')
  assert np.abs(written - np.clip(alone, 0, 1) * 255).max() < 0.51
  _, labels = sweep_job.choose_strengths(model, None, '15,45,75')
  assert labels[1] == 'sigma 45, strength 0.55'


def test_the_papers_path_can_be_chosen(tmp_path, capsys):
  path = tmp_path / 'model.safetensors'
  line = _save_model(path)
  arch = dataclasses.replace(line.arch, path='poly', bends=1)
  params = restorer.insert_adafm(line.params, arch)
  params['block_00']['adafm_1']['bend_bias'] += np.float32(0.5)
  model = dataclasses.replace(line, arch=arch, params=params)
  model.save(path)
  source = _write(tmp_path / 'a.png', _pixels((20, 24, 3)))
  found = {}
  for kind in ('poly', 'line', None):
    out = tmp_path / f'out-{kind}'
    more = ['--path', kind] if kind else []
    files = ['--model', str(path), '--input', str(source), '--output', str(out)]
    assert sweep.main([*files, '--lambdas', '0,0.5', *more]) == 0
    found[kind] = _load(out / 'a_coef_0.50.png')
  np.testing.assert_array_equal(found['poly'], found[None])
  expected = line.restore(_load(source), strength=0.5)
  np.testing.assert_array_equal(found['line'], expected)
  assert (found['line'] != found['poly']).mean() > 0.1
  assert sweep.main([*files, '--path', 'hats']) == 2
  assert "not 'hats'" in capsys.readouterr().err


def test_psnr_table_and_plot(folder, tmp_path):
  root, _, images = folder
  for name, pixels in images.items():
    if name != 'grey':
      _write(tmp_path / 'clean' / f'{name}.png', pixels[::-1])
  inputs = [root / 'images' / f'{name}.png' for name in 'ab']
  more = ('--lambdas', '1,0.25', '--references', tmp_path / 'clean')
  out = tmp_path / 'out'
  assert _sweep(root / 'model.safetensors', inputs, out, *more) == 0
  with (out / 'psnr.csv').open() as file:
    head, *rows, mean = csv.reader(file)
  assert head == ['image', '1.00', '0.25']
  assert [row[0] for row in rows] == ['a', 'b']
  table = []
  for name, *values in rows:
    for text, strength in zip(values, head[1:], strict=True):
      restored = _load(out / f'{name}_coef_{strength}.png')
      wanted = metrics.psnr(images[name][::-1], restored)
      assert float(text) == pytest.approx(wanted, abs=6e-5)
    table.append([float(value) for value in values])
  assert mean[0] == 'mean'
  means = np.array(mean[1:], float)
  np.testing.assert_allclose(means, np.mean(table, axis=0), atol=1.1e-4)
  assert abs(means[0] - means[1]) > 0.05
  assert (out / 'psnr.png').stat().st_size > 5000


def test_luma_network_keeps_chroma(tmp_path):
  model = _save_model(tmp_path / 'm.safetensors', 'dejpeg', channels=1)
  pixels = _pixels((25, 31, 3)) // 2 + 64  # inside the gamut
  _write(tmp_path / 'in' / 'x.png', pixels)
  more = ('--lambdas', '0.5', '--references', tmp_path / 'in')
  out = tmp_path / 'out'
  assert _sweep(tmp_path / 'm.safetensors', tmp_path / 'in', out, *more) == 0
  before = colour.rgb_to_ycbcr(pixels)
  luma = (before[..., :1] / 255).astype(np.float32)
  restored = colour.rgb_to_ycbcr(_load(out / 'x_coef_0.50.png'))
  wanted = 255 * _separately(model, luma, 0.5)[..., 0]
  ycbcr = np.concatenate([wanted[..., None], before[..., 1:]], axis=-1)
  rgb = colour.ycbcr_to_rgb(ycbcr)
  legal = ((rgb > 0) & (rgb < 255)).all(axis=-1)  # else RGB clips
  assert legal.mean() > 0.5
  difference = (restored - before)[legal]
  assert np.abs(difference[:, 1:]).max() < 0.8  # 8-bit RGB rounds
  assert np.abs((restored[..., 0] - wanted)[legal]).max() < 0.8
  assert np.abs(difference[:, 0]).mean() > 2  # luma did change


@pytest.mark.parametrize('crop', [0, 3])
def test_super_resolution_at_a_scale_that_is_not_whole(tmp_path, crop):
  model = _save_model(tmp_path / 'm.safetensors', 'sr')
  clean = _pixels((50, 61, 3))
  small = np.clip(np.rint(resize.imresize(clean, 1 / 3.4)), 0, 255)
  small = small.astype(np.uint8)
  _write(tmp_path / 'in' / 'x.png', small)
  _write(tmp_path / 'clean' / 'x.png', clean[: 50 - crop])
  out = tmp_path / 'out'
  more = ('--lambdas', '0.4', '--scale', '3.4')
  more += ('--references', tmp_path / 'clean')
  assert _sweep(tmp_path / 'm.safetensors', tmp_path / 'in', out, *more) == 0
  large = np.clip(np.rint(resize.imresize(small, 3.4)), 0, 255)
  assert large.shape == (51, 62, 3)  # ceil(15 * 3.4), ceil(18 * 3.4)
  alone = _separately(model, (large / 255).astype(np.float32), 0.4)
  written = _load(out / 'x_coef_0.40.png')
  assert np.abs(written - np.clip(alone, 0, 1) * 255).max() < 0.51
  text = (out / 'psnr.csv').read_text().splitlines()[1]
  wanted = metrics.psnr(
    clean[: 50 - crop], written[: 50 - crop, :61], border=4, channels='y'
  )
  assert float(text.split(',')[1]) == pytest.approx(wanted, abs=6e-5)


def test_a_bad_image_does_not_stop_the_others(folder, tmp_path, capsys):
  root, _, _ = folder
  _write(tmp_path / 'in' / 'good.png', _pixels((12, 14, 3)))
  (tmp_path / 'in' / 'bad.png').write_bytes(b'no image')
  raw = (root / 'images' / 'a.png').read_bytes()
  (tmp_path / 'in' / 'cut.png').write_bytes(raw[: len(raw) // 2])
  out = tmp_path / 'out'
  model = root / 'model.safetensors'
  assert _sweep(model, tmp_path / 'in', out, '--lambdas', '0,1') == 2
  assert {p.name for p in out.iterdir()} == {
    'good_coef_0.00.png',
    'good_coef_1.00.png',
    'contact_sheet.png',
  }
  errors = capsys.readouterr().err
  assert 'error: Cannot read the image' in errors
  assert 'bad.png' in errors
  assert 'cut.png' in errors


def test_alpha_profile_and_texts_are_kept(folder, tmp_path):
  root, model, _ = folder
  pixels, alpha = _pixels((13, 18, 3)), np.full((13, 18, 1), 255, np.uint8)
  alpha[:4], alpha[4:8] = 0, 128
  icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  exif = Image.Exif()
  exif[0x013B] = 'Zoe'
  image = Image.fromarray(np.concatenate([pixels, alpha], axis=-1))
  (tmp_path / 'in').mkdir()
  image.save(tmp_path / 'in' / 'a.png', icc_profile=icc, exif=exif)
  out = tmp_path / 'out'
  model_file = root / 'model.safetensors'
  assert _sweep(model_file, tmp_path / 'in', out, '--lambdas', '0,1') == 0
  # What is hidden is neither seen by the network nor changed.
  seen = (pixels / 255.0 * (alpha / 255.0)).astype(np.float32)
  restored = _separately(model, seen, 1.0)
  share = np.maximum(alpha / 255.0, 1e-6)
  wanted = np.rint(np.clip(np.clip(restored, 0, 1) / share, 0, 1) * 255)
  with Image.open(out / 'a_coef_1.00.png') as result:
    found = np.asarray(result).astype(int)
    assert result.info['icc_profile'] == icc
    assert result.getexif()[0x013B] == 'Zoe'
  np.testing.assert_array_equal(found[..., 3:], alpha)
  np.testing.assert_array_equal(found[:4, :, :3], pixels[:4])
  assert np.abs(found[4:, :, :3] - wanted[4:]).max() <= 1


def test_further_frames_and_what_is_lost_are_reported(folder, tmp_path, capsys):
  root, _, _ = folder
  first = Image.fromarray(_pixels((13, 18, 3)))
  more = [Image.fromarray(_pixels((13, 18, 3), seed=1))]
  (tmp_path / 'in').mkdir()
  first.save(tmp_path / 'in' / 'film.png', save_all=True, append_images=more)
  first.save(
    tmp_path / 'in' / 'two.jpg', 'MPO', save_all=True, append_images=more
  )
  out = tmp_path / 'out'
  model = root / 'model.safetensors'
  assert _sweep(model, tmp_path / 'in', out, '--lambdas', '1') == 2
  printed = capsys.readouterr()
  assert 'film.png: it is animated, with 2 frames' in printed.err
  assert 'two.jpg: Of the 2 pictures in the file' in printed.out
  assert {p.name for p in out.iterdir()} == {
    'two_coef_1.00.png', 'contact_sheet.png'
  }  # fmt: skip


def test_names_that_plots_could_misread(folder, tmp_path):
  root, _, _ = folder
  names = ['_hidden', 'a$b$\\frac', 'two words, "quoted"', 'b\udcff']
  for name in names:
    _write(tmp_path / 'in' / f'{name}.png', _pixels((13, 12, 3)))
  out = tmp_path / 'out'
  more = ('--lambdas', '0,1', '--references', tmp_path / 'in')
  assert _sweep(root / 'model.safetensors', tmp_path / 'in', out, *more) == 0
  assert len(list(out.glob('*_coef_1.00.png'))) == 4
  with (out / 'psnr.csv').open() as file:
    rows = {row[0] for row in csv.reader(file)}
  assert rows == {*names[:3], 'b?', 'image', 'mean'}


def test_only_what_is_shown_is_kept(tmp_path):
  outputs = iter([(1, _pixels((300, 400, 3))), (0, _pixels((300, 400, 3)))])
  result = sweep_results.write_image(
    tmp_path,
    'x',
    Photo(np.zeros((300, 400, 3), np.float32)),
    _pixels((300, 400, 3)),
    outputs,
    ['s 0', 's 1'],
    ['0.00', '1.00'],
    None,
  )
  assert [cell.caption for cell in result.cells] == ['input', 's 0', 's 1']
  for cell in result.cells:
    assert cell.image.shape == (160, 160, 3)
    assert cell.image.base is None  # a view would hold the whole picture


@pytest.mark.parametrize(
  ('strengths', 'names'),
  [
    ([0, 0.3, 1], ['0.00', '0.30', '1.00']),
    ([0.125], ['0.125']),
    ([0.345678, 0.5], ['0.3457', '0.5000']),
    ([0.12345, 0.12346], ['0.12345', '0.12346']),
  ],
)
def test_names_of_strengths(strengths, names):
  assert sweep_results.coefficient_names(strengths) == names


@pytest.mark.parametrize(
  ('more', 'sentence'),
  [
    (['--lambdas', '0,1', '--levels', '15'], '--lambdas or --levels, not both'),
    (['--lambdas', '0,1.5'], 'strength is 1.5; it must be from 0'),
    (['--lambdas', ''], "Cannot read ''"),
    (['--lambdas', '0:1'], "Cannot read '0:1'"),
    (['--lambdas', '0.5,0.50'], 'are the same strength; leave one out'),
    (['--levels', '90'], 'outside the range sigma 15 to sigma 75'),
    (['--scale', '2'], '--scale is for super-resolution'),
    (['--memory', 'much'], "'much' is not a size"),
    (['--memory', '1kB'], 'a.png: Images 47 pixels wide need'),
    (['--references', 'nowhere'], 'There is no file or folder nowhere'),
  ],
)
def test_wrong_options(folder, tmp_path, capsys, more, sentence):
  root, _, _ = folder
  code = _sweep(
    root / 'model.safetensors', root / 'images' / 'a.png', tmp_path, *more
  )
  assert code == 2
  assert sentence in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ('more', 'sentence'),
  [
    ([], 'give --scale'),
    (['--scale', '0.5'], '--scale is 0.5; it must be 1 to 16'),
    (['--scale', 'nan'], '--scale is nan'),
  ],
)
def test_wrong_scale(folder, tmp_path, capsys, more, sentence):
  root, _, _ = folder
  _save_model(tmp_path / 'm.safetensors', 'sr')
  out = tmp_path / 'out'
  code = _sweep(tmp_path / 'm.safetensors', root / 'images', out, *more)
  assert code == 2
  assert sentence in capsys.readouterr().err


def test_a_basic_model_has_nothing_to_sweep(folder, tmp_path, capsys):
  root, _, _ = folder
  _save_model(tmp_path / 'm.safetensors', kernel=0)
  arguments = (tmp_path / 'm.safetensors', root / 'images', tmp_path / 'out')
  assert _sweep(*arguments) == 2
  assert 'no AdaFM layers' in capsys.readouterr().err
  assert _sweep(*arguments, '--lambdas', '0') == 0


def test_mistakes_about_files(folder, tmp_path, capsys):
  root, _, images = folder
  model = root / 'model.safetensors'

  def sentence(inputs, output=tmp_path / 'out', *more, model=model):
    assert _sweep(model, inputs, output, *more) == 2
    return capsys.readouterr().err

  assert 'There is no model file' in sentence(root, model=tmp_path / 'no')
  assert 'There is no file or folder' in sentence(tmp_path / 'no')
  assert 'holds the images to sweep' in sentence(
    root / 'images', root / 'images'
  )
  twin = _write(tmp_path / 'twin' / 'a.bmp', images['a'])
  assert 'results of the same name' in sentence([root / 'images', twin])
  (tmp_path / 'file').write_text('')
  assert 'Cannot make the folder' in sentence(
    root / 'images', tmp_path / 'file'
  )
  references = '--references', tmp_path / 'twin'
  out = tmp_path / 'out'
  assert 'has no reference for b.png, grey.png' in sentence(
    root / 'images', out, *references
  )
  _write(tmp_path / 'twin' / 'a.png', images['a'])
  assert 'references of the same image' in sentence(
    root / 'images', out, *references
  )
  other = _write(tmp_path / 'other' / 'a.png', images['a'][1:])
  one = root / 'images' / 'a.png'
  assert 'has 32 x 47 pixels; the result has 33 x 47' in sentence(
    one, out, '--references', other
  )
  rgb = _write(tmp_path / 'rgb.png', np.repeat(images['grey'], 3, 2))
  assert 'is in colour, but the image to sweep is grey' in sentence(
    root / 'images' / 'grey.png', out, '--references', rgb
  )


def test_memory_needed_is_shown_in_binary_units():
  assert memories.show(3 * 2**29) == '1.5 GiB'


def test_enlarged_already_leaves_out_the_border_of_the_largest_scale(tmp_path):
  _save_model(tmp_path / 'm.safetensors', 'sr')
  clean = _pixels((33, 40, 3))
  _write(tmp_path / 'in' / 'x.png', clean[::-1])
  _write(tmp_path / 'clean' / 'x.png', clean)
  more = ('--scale', '1', '--lambdas', '1', '--references', tmp_path / 'clean')
  out = tmp_path / 'out'
  assert _sweep(tmp_path / 'm.safetensors', tmp_path / 'in', out, *more) == 0
  restored = _load(out / 'x_coef_1.00.png')
  wanted = metrics.psnr(clean, restored, border=4, channels='y')
  assert abs(wanted - metrics.psnr(clean, restored, channels='y')) > 0.001
  text = (out / 'psnr.csv').read_text().splitlines()[1]
  assert float(text.split(',')[1]) == pytest.approx(wanted, abs=6e-5)


def test_a_result_is_marked_before_it_gets_its_name(folder, tmp_path, renamed):
  images = folder[0] / 'images'
  more = '--lambdas', '1', '--references', images
  assert _sweep(folder[0] / 'model.safetensors', images, tmp_path, *more) == 0
  assert set(renamed) == {x.name for x in tmp_path.iterdir()}
  assert len(renamed) > 3
  assert all(renamed.values())


def test_nothing_of_the_user_s_is_overwritten(folder, tmp_path, capsys):
  root, _, _ = folder
  given = root / 'model.safetensors', root / 'images', tmp_path
  strengths = '--lambdas', '0,1'
  for name in ('contact_sheet.png', 'a_coef_1.00.png'):
    (tmp_path / name).write_text('mine')
    assert _sweep(*given, *strengths) == 2
    assert f'{name} exists' in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == 'mine'
    (tmp_path / name).unlink()
  # Those of an earlier sweep are replaced, as long as they are as it left them.
  referred = (*strengths, '--references', root / 'images')
  assert _sweep(*given, *referred) == _sweep(*given, *referred) == 0
  (tmp_path / 'psnr.csv').write_text('mine')
  assert _sweep(*given, *strengths) == 0
  assert _sweep(*given, *referred) == 2
  assert (tmp_path / 'psnr.csv').read_text() == 'mine'
  assert _sweep(*given, *referred, '--overwrite') == 0
  assert (tmp_path / 'psnr.csv').read_text().startswith('image,')


def test_where_no_marks_are_kept_that_is_said(
  folder, tmp_path, capsys, no_marks
):
  given = folder[0] / 'model.safetensors', folder[0] / 'images', tmp_path
  more = '--lambdas', '1'
  assert _sweep(*given, *more) == 0
  capsys.readouterr()
  assert _sweep(*given, *more) == 2
  said = capsys.readouterr().err
  assert 'contact_sheet.png exists' in said
  assert 'keeps no marks' in said
  assert 'no earlier sweep' not in said
  assert _sweep(*given, *more, '--overwrite') == 0


@pytest.mark.parametrize(
  'given',
  [
    {'inputs': ''},
    {'output': ''},
    {'more': ('--references', '')},
    {'more': ('--memory', '')},
    {'more': ('--path', '')},
  ],
)
def test_empty_arguments(given, folder, tmp_path, monkeypatch, capsys):
  root, _, _ = folder
  monkeypatch.chdir(tmp_path)
  _write(tmp_path / 'a.png', np.zeros((9, 9, 1), np.uint8))
  inputs, output = given.get('inputs', 'a.png'), given.get('output', 'out')
  more = given.get('more', ())
  assert _sweep(root / 'model.safetensors', inputs, output, *more) == 2
  assert capsys.readouterr().err.count('\n') == 1
  found = {str(x.relative_to(tmp_path)) for x in tmp_path.rglob('*')}
  assert found <= {'a.png', 'out'}

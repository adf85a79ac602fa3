"""The pictures of a sweep: what the network gives at each strength."""

import dataclasses

import numpy as np
import pytest
import sweeping

from adafm_jax import cli
from adafm_jax.commands import sweep, sweep_job, sweep_results
from adafm_jax.degrade import colour, resize
from adafm_jax.engine import plan
from adafm_jax.evaluate import metrics
from adafm_jax.model_file import curve as curves
from adafm_jax.models import parameters
from adafm_jax.models.architecture import Architecture


def test_files_equal_separate_runs_of_the_network(swept, tmp_path, capsys):
  root, model, images = swept
  code = sweeping.run(
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
      alone = sweeping.separately(model, rgb.astype(np.float32), strength)
      if pixels.shape[-1] == 1:
        alone = alone.astype(np.float64).mean(axis=-1, keepdims=True)
      written = sweeping.load(tmp_path / f'{name}_coef_{strength:.2f}.png')
      assert written.shape == pixels.shape
      # A value right between two 8-bit ones may go either way.
      assert np.abs(written - np.clip(alone, 0, 1) * 255).max() < 0.51
  first, last = (
    sweeping.load(tmp_path / f'a_coef_{s}.png') for s in ('0.00', '1.00')
  )
  assert np.abs(first.astype(int) - last).mean() > 2  # strength does matter
  sheet = sweeping.load(tmp_path / 'contact_sheet.png')
  # Input and three strengths in a row, three rows, all at true pixels.
  assert sheet.shape[0] > 33 + 33 + 28
  assert sheet.shape[1] > 4 * 47
  assert 'sweeping' in capsys.readouterr().err


def test_chunks_change_nothing(swept, tmp_path):
  root, _, _ = swept
  each = plan.whole_bytes(Architecture(features=8), 33, 47)
  for name, size in (('small', 3 * each), ('large', 100 * each)):
    code = sweeping.run(
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
    small, large = (
      sweeping.load(tmp_path / n / name) for n in ('small', 'large')
    )
    assert small.shape == large.shape
    assert np.abs(small.astype(int) - large).max() <= 1
    assert (small != large).mean() < 0.001


def test_levels_go_through_the_lambda_curve(tmp_path, capsys):
  curve = curves.fit_piecewise([35, 55], [0.2, 0.9], 15, 75)
  model = sweeping.save_model(tmp_path / 'm.safetensors', curve=curve)
  pixels = sweeping.pixels((20, 30, 3))
  sweeping.write(tmp_path / 'in' / 'x.png', pixels)
  code = sweeping.run(
    tmp_path / 'm.safetensors',
    tmp_path / 'in',
    tmp_path / 'out',
    '--levels',
    '15,45,75',
  )
  assert code == 0
  found = sorted(p.name for p in (tmp_path / 'out').glob('x_*'))
  assert found == [f'x_coef_{s}.png' for s in ('0.00', '0.55', '1.00')]
  alone = sweeping.separately(model, (pixels / 255).astype(np.float32), 0.55)
  written = sweeping.load(tmp_path / 'out' / 'x_coef_0.55.png')
  assert np.abs(written - np.clip(alone, 0, 1) * 255).max() < 0.51
  _, labels = sweep_job.choose_strengths(model, None, '15,45,75')
  assert labels[1] == 'sigma 45, strength 0.55'


def test_levels_of_grey_images_have_other_strengths(tmp_path, capsys):
  model = tmp_path / 'm.safetensors'
  sweeping.save_model(model)
  for name, shape in (('colour', (20, 30, 3)), ('grey', (20, 30, 1))):
    sweeping.write(tmp_path / 'in' / f'{name}.png', sweeping.pixels(shape))
  inputs, out = tmp_path / 'in', tmp_path / 'out'
  assert sweeping.run(model, inputs, out, '--levels', '15,45') == 1
  error = capsys.readouterr().err
  assert 'grey.png: It is grey' in error
  assert 'colour.png' not in error
  written = {p.name for p in out.glob('*_coef_*')}
  assert written == {'colour_coef_0.00.png', 'colour_coef_0.50.png'}
  assert sweeping.run(model, inputs, out, '--lambdas', '0,0.5') == 0
  assert len(list(out.glob('grey_coef_*'))) == 2


def test_grey_in_three_channels_stays_grey(tmp_path, capsys):
  model = tmp_path / 'm.safetensors'
  sweeping.save_model(model)
  pixels, out = sweeping.pixels((20, 30, 1)), tmp_path / 'out'
  sweeping.write(tmp_path / 'in' / 'one.png', pixels)
  sweeping.write(tmp_path / 'in' / 'three.png', np.repeat(pixels, 3, -1))
  more = ['--lambdas', '0.5', '--references', str(tmp_path / 'in')]
  assert sweeping.run(model, tmp_path / 'in', out, *more) == 0
  one, three = (
    sweeping.load(out / f'{name}_coef_0.50.png') for name in ('one', 'three')
  )
  assert (one.shape[-1], three.shape[-1]) == (1, 3)
  np.testing.assert_array_equal(three, np.repeat(one, 3, -1))
  assert sweeping.run(model, tmp_path / 'in', out, '--levels', '15') == 2
  assert capsys.readouterr().err.count('It is grey') == 2


def test_enlarged_edges_of_transparency_are_those_of_restore(tmp_path):
  model = tmp_path / 'm.safetensors'
  sweeping.save_model(model, 'sr')
  pixels = np.full((12, 12, 4), (0, 255, 0, 0), np.uint8)  # a colour unseen
  pixels[:, :6, :3] = sweeping.pixels((12, 6, 3)) // 2
  pixels[:, :6, 3] = 255
  source = sweeping.write(tmp_path / 'a.png', pixels)
  more = ['--lambdas', '0.5', '--scale', '3.5']
  assert sweeping.run(model, source, tmp_path / 'out', *more) == 0
  command = ['restore', '-m', str(model), '-i', str(source), '--level', '3.5']
  command += ['--strength', '0.5', '-o', str(tmp_path / 'restored.png')]
  assert cli.main(command) == 0
  swept = sweeping.load(tmp_path / 'out' / 'a_coef_0.50.png').astype(int)
  restored = sweeping.load(tmp_path / 'restored.png')
  assert len(np.unique(restored[..., 3])) > 2
  assert np.abs(swept - restored).max() <= 1


@pytest.mark.parametrize('alpha', [False, True])
def test_little_contrast_is_raised_as_restore_does(tmp_path, capsys, alpha):
  model = sweeping.save_model(tmp_path / 'm.safetensors')
  faint = (100 + sweeping.pixels((20, 30, 3)) // 8).astype(np.uint8)
  opaque = np.full((20, 30, int(alpha)), 255, np.uint8)
  path = sweeping.write(
    tmp_path / 'faint.png', np.concatenate([faint, opaque], axis=-1)
  )
  out = tmp_path / 'out'
  given = tmp_path / 'm.safetensors', path, out
  assert sweeping.run(*given, '--lambdas', '0,0.5') == 0
  written = sweeping.load(out / 'faint_coef_0.50.png')[..., :3]
  restored = model.restore(faint, strength=0.5)
  assert np.abs(written.astype(int) - restored).max() <= 1
  # Without, this network would move it much further.
  alone = sweeping.separately(model, (faint / 255).astype(np.float32), 0.5)
  assert np.abs(written / 255 - np.clip(alone, 0, 1)).mean() > 0.02
  assert sweeping.run(*given, '--levels', '15,45') == 2
  assert 'It is of little contrast' in capsys.readouterr().err


def test_the_papers_path_can_be_chosen(tmp_path, capsys):
  path = tmp_path / 'model.safetensors'
  line = sweeping.save_model(path)
  arch = dataclasses.replace(line.arch, path='poly', bends=1)
  params = parameters.insert_adafm(line.params, arch)
  params['block_00']['adafm_1']['bend_bias'] += np.float32(0.5)
  model = dataclasses.replace(line, arch=arch, params=params)
  model.save(path)
  source = sweeping.write(tmp_path / 'a.png', sweeping.pixels((20, 24, 3)))
  found = {}
  for kind in ('poly', 'line', None):
    out = tmp_path / f'out-{kind}'
    more = ['--path', kind] if kind else []
    files = ['--model', str(path), '--input', str(source), '--output', str(out)]
    assert sweep.main([*files, '--lambdas', '0,0.5', *more]) == 0
    found[kind] = sweeping.load(out / 'a_coef_0.50.png')
  np.testing.assert_array_equal(found['poly'], found[None])
  expected = line.restore(sweeping.load(source), strength=0.5)
  np.testing.assert_array_equal(found['line'], expected)
  assert (found['line'] != found['poly']).mean() > 0.1
  assert sweep.main([*files, '--path', 'hats']) == 2
  assert "not 'hats'" in capsys.readouterr().err


def test_luma_network_keeps_chroma(tmp_path):
  model = sweeping.save_model(tmp_path / 'm.safetensors', 'dejpeg', channels=1)
  pixels = sweeping.pixels((25, 31, 3)) // 2 + 64  # inside the gamut
  sweeping.write(tmp_path / 'in' / 'x.png', pixels)
  more = ('--lambdas', '0.5', '--references', tmp_path / 'in')
  out = tmp_path / 'out'
  assert (
    sweeping.run(tmp_path / 'm.safetensors', tmp_path / 'in', out, *more) == 0
  )
  before = colour.rgb_to_ycbcr(pixels)
  luma = (before[..., :1] / 255).astype(np.float32)
  restored = colour.rgb_to_ycbcr(sweeping.load(out / 'x_coef_0.50.png'))
  wanted = 255 * sweeping.separately(model, luma, 0.5)[..., 0]
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
  model = sweeping.save_model(tmp_path / 'm.safetensors', 'sr')
  clean = sweeping.pixels((50, 61, 3))
  small = np.clip(np.rint(resize.imresize(clean, 1 / 3.4)), 0, 255)
  small = small.astype(np.uint8)
  sweeping.write(tmp_path / 'in' / 'x.png', small)
  sweeping.write(tmp_path / 'clean' / 'x.png', clean[: 50 - crop])
  out = tmp_path / 'out'
  more = ('--lambdas', '0.4', '--scale', '3.4')
  more += ('--references', tmp_path / 'clean')
  assert (
    sweeping.run(tmp_path / 'm.safetensors', tmp_path / 'in', out, *more) == 0
  )
  large = np.clip(resize.imresize(small, 3.4), 0, 255)
  assert large.shape == (51, 62, 3)  # ceil(15 * 3.4), ceil(18 * 3.4)
  alone = sweeping.separately(model, (large / 255).astype(np.float32), 0.4)
  written = sweeping.load(out / 'x_coef_0.40.png')
  assert np.abs(written - np.clip(alone, 0, 1) * 255).max() < 0.51
  text = (out / 'psnr.csv').read_text().splitlines()[1]
  wanted = metrics.psnr(
    clean[: 50 - crop], written[: 50 - crop, :61], border=4, channels='y'
  )
  assert float(text.split(',')[1]) == pytest.approx(wanted, abs=6e-5)


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

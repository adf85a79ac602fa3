"""What a sweep shows of its pictures: PSNR as table and plot, the sheet."""

import csv

import numpy as np
import pytest
import sweeping

from adafm_jax.commands import sweep_results
from adafm_jax.evaluate import metrics
from adafm_jax.images.photo import Photo


def test_psnr_table_and_plot(swept, tmp_path):
  root, _, images = swept
  for name, pixels in images.items():
    if name != 'grey':
      sweeping.write(tmp_path / 'clean' / f'{name}.png', pixels[::-1])
  inputs = [root / 'images' / f'{name}.png' for name in 'ab']
  more = ('--lambdas', '1,0.25', '--references', tmp_path / 'clean')
  out = tmp_path / 'out'
  assert sweeping.run(root / 'model.safetensors', inputs, out, *more) == 0
  with (out / 'psnr.csv').open() as file:
    head, *rows, mean = csv.reader(file)
  assert head == ['image', '1.00', '0.25']
  assert [row[0] for row in rows] == ['a', 'b']
  table = []
  for name, *values in rows:
    for text, strength in zip(values, head[1:], strict=True):
      restored = sweeping.load(out / f'{name}_coef_{strength}.png')
      wanted = metrics.psnr(images[name][::-1], restored)
      assert float(text) == pytest.approx(wanted, abs=6e-5)
    table.append([float(value) for value in values])
  assert mean[0] == 'mean'
  means = np.array(mean[1:], float)
  np.testing.assert_allclose(means, np.mean(table, axis=0), atol=1.1e-4)
  assert abs(means[0] - means[1]) > 0.05
  assert (out / 'psnr.png').stat().st_size > 5000
  # Another sweep replaces the pictures that the table was of.
  assert sweeping.run(root / 'model.safetensors', inputs, out, *more[:2]) == 0
  assert not (out / 'psnr.csv').exists()
  assert not (out / 'psnr.png').exists()


def test_enlarged_already_leaves_out_the_border_of_the_largest_scale(tmp_path):
  sweeping.save_model(tmp_path / 'm.safetensors', 'sr')
  clean = sweeping.pixels((33, 40, 3))
  sweeping.write(tmp_path / 'in' / 'x.png', clean[::-1])
  sweeping.write(tmp_path / 'clean' / 'x.png', clean)
  more = ('--scale', '1', '--lambdas', '1', '--references', tmp_path / 'clean')
  out = tmp_path / 'out'
  assert (
    sweeping.run(tmp_path / 'm.safetensors', tmp_path / 'in', out, *more) == 0
  )
  restored = sweeping.load(out / 'x_coef_1.00.png')
  wanted = metrics.psnr(clean, restored, border=4, channels='y')
  assert abs(wanted - metrics.psnr(clean, restored, channels='y')) > 0.001
  text = (out / 'psnr.csv').read_text().splitlines()[1]
  assert float(text.split(',')[1]) == pytest.approx(wanted, abs=6e-5)


def test_names_that_plots_could_misread(swept, tmp_path):
  root, _, _ = swept
  names = ['_hidden', 'a$b$\\frac', 'two words, "quoted"', 'b\udcff']
  for name in names:
    sweeping.write(
      tmp_path / 'in' / f'{name}.png', sweeping.pixels((13, 12, 3))
    )
  out = tmp_path / 'out'
  more = ('--lambdas', '0,1', '--references', tmp_path / 'in')
  assert (
    sweeping.run(root / 'model.safetensors', tmp_path / 'in', out, *more) == 0
  )
  assert len(list(out.glob('*_coef_1.00.png'))) == 4
  with (out / 'psnr.csv').open() as file:
    rows = {row[0] for row in csv.reader(file)}
  assert rows == {*names[:3], 'b?', 'image', 'mean'}


def test_only_what_is_shown_is_kept(tmp_path):
  outputs = iter(
    [(1, sweeping.pixels((300, 400, 3))), (0, sweeping.pixels((300, 400, 3)))]
  )
  result = sweep_results.write_image(
    tmp_path,
    'x',
    Photo(np.zeros((300, 400, 3), np.float32)),
    sweeping.pixels((300, 400, 3)),
    outputs,
    ['s 0', 's 1'],
    ['0.00', '1.00'],
    None,
  )
  assert [cell.caption for cell in result.cells] == ['input', 's 0', 's 1']
  for cell in result.cells:
    assert cell.image.shape == (160, 160, 3)
    assert cell.image.base is None  # a view would hold the whole picture

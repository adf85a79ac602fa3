"""Paths between a model's two levels are trained and compared."""

import dataclasses
import json

import pytest
import small_runs
import small_sets
import tiny_models

from adafm_jax.degrade.level import LevelRange
from adafm_jax.model import Model
from adafm_jax.models.architecture import Architecture
from release import paths

pytestmark = pytest.mark.slow
_PATH = {'steps': 3, 'patch': 16, 'batch': 8, 'learning_rate': 1e-2}


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  """The command's arguments, but for the images that it compares on."""
  folder = tmp_path_factory.mktemp('paths')
  seen = {f'{i}': small_sets.smooth_pixels(i, 24, 32) for i in range(3)}
  other = {f'{i}': small_sets.smooth_pixels(9 + i, 32, 24) for i in range(2)}
  arch = Architecture(features=4, blocks=1, kernel=1)
  params = tiny_models.random_params(arch)
  file = folder / 'model.safetensors'
  span = LevelRange('denoise', 15, 75)
  Model(arch=arch, levels=span, params=params).save(file)
  fields = {f'path.{name}': value for name, value in _PATH.items()}
  config = small_runs.arguments(
    small_sets.write(folder / 'seen', seen),
    stage={'batch': 8, 'warmup': 0},
    **fields,
  )
  sets = f'other={small_sets.write(folder / "other", other)}'
  rows = ['--paths', 'poly:1,hats:1', '--alone', '45', '--dedicated', '45']
  named = [f'--config.evaluate.sets={sets}', '--workdir', str(folder / 'w')]
  return folder / 'w', [str(file), *config, *named, *rows]


def test_bends_leave_both_ends_and_only_their_own_level_serves_alone(study):
  workdir, arguments = study
  assert paths.main(arguments) == 0
  rows = _rows(workdir / 'heldout.json')
  assert list(rows) == ['line', 'poly:1', 'hats:1', 'alone 45', 'dedicated 45']
  for name in 'poly:1', 'hats:1':
    assert rows[name]['15.0'] == rows['line']['15.0']
    assert rows[name]['45.0'] != rows['line']['45.0']
    assert rows[name]['75.0'] == rows['line']['75.0']
  assert list(rows['alone 45']) == list(rows['dedicated 45']) == ['45.0']
  assert 'poly:1' in (workdir / 'heldout.md').read_text('utf-8')
  assert (workdir / 'heldout.png').stat().st_size > 10_000


def test_another_set_is_compared_on_without_training_again(study, capsys):
  workdir, arguments = study
  paths.main(arguments)
  held = _rows(workdir / 'heldout.json')
  capsys.readouterr()
  paths.main([*arguments, '--on', 'other'])
  assert 'steps/s' not in capsys.readouterr().out
  rows = _rows(workdir / 'other.json')
  assert list(rows) == list(held)
  assert rows['line']['45.0'] != held['line']['45.0']


def test_rows_of_other_images_are_measured_again(study, tmp_path):
  workdir, arguments = study
  paths.main([*arguments, '--on', 'other'])
  before = _rows(workdir / 'other.json')
  changed = {'0': small_sets.smooth_pixels(20, 32, 24)}
  folder = small_sets.write(tmp_path, changed)
  named = f'--config.evaluate.sets=other={folder}'
  assert paths.main([*arguments, named, '--on', 'other']) == 0
  rows = _rows(workdir / 'other.json')
  assert list(rows) == list(before)
  assert rows['line']['45.0'] != before['line']['45.0']


def test_another_model_or_other_images_need_another_workdir(
  study, tmp_path, capsys
):
  workdir, arguments = study
  paths.main(arguments)
  kept = (workdir / 'heldout.json').read_text('utf-8')
  model = Model.load(arguments[0])
  other = tmp_path / 'other.safetensors'
  params = tiny_models.random_params(model.arch, seed=5)
  dataclasses.replace(model, params=params).save(other)
  capsys.readouterr()
  assert paths.main([str(other), *arguments[1:]]) == 2
  said = capsys.readouterr().err
  assert 'begun with another model' in said
  assert '(changed: model); give another --workdir' in said
  assert (workdir / 'heldout.json').read_text('utf-8') == kept
  line = ['--paths', '', '--alone', '', '--dedicated', '']
  line = [*arguments, *line, '--workdir', str(tmp_path / 'w')]
  for seed, code in ((7, 0), (8, 2)):
    pictures = {'x': small_sets.smooth_pixels(seed, 32, 24)}
    folder = small_sets.write(tmp_path / f'{seed}', pictures)
    assert paths.main([*line, f'--config.data.heldout={folder}']) == code
  assert '(changed: held-out images)' in capsys.readouterr().err


def test_a_set_that_is_not_named_is_refused(study, capsys):
  assert paths.main([*study[1], '--on', 'set5']) == 2
  said = capsys.readouterr().err
  assert '--on set5 is none of the sets: heldout, other' in said


def _rows(file):
  found = json.loads(file.read_text('utf-8'))['rows']
  return {row['name']: row['psnr'] for row in found}

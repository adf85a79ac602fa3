"""All lists of one task from start to end, as a user runs them."""

import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
import safetensors.numpy
from small_runs import MAIN, ROOT, start

from adafm_jax import cli
from adafm_jax.report.tables import MISSING

pytestmark = pytest.mark.slow


def command(config, workdir, *overrides):
  return [
    *MAIN,
    '--config',
    str(config),
    '--workdir',
    str(workdir),
    '--config.preset=tiny',
    *overrides,
  ]


def run(*arguments):
  process = start(command(*arguments))
  text, _ = process.communicate(timeout=1800)
  assert process.returncode == 0, text
  return text


def test_systems_that_are_no_adafm_fill_their_tables(tmp_path):
  """Every kind of network and of training, in three of the lists."""
  folder, workdir = tmp_path / 'lists', tmp_path / 'run'
  folder.mkdir()
  for name in ('table1', 'table3', 'observation1'):
    shutil.copy(ROOT / f'configs/paper/{name}.py', folder)
  every = '--config.run.evaluate_every=10'
  run(folder, workdir, '--config.tasks=denoise', every)
  assert cli.main(['report', str(workdir)]) == 0
  text = (workdir / 'report.md').read_text()
  for table, count in (('Table 1', 1), ('Table 3', 2)):
    section = text.partition(f'## {table}')[2].partition('\n## ')[0]
    pattern = r'^\| [a-z ]*sigma [^|]*, held-out images +\|.*$'
    rows = re.findall(pattern, section, re.M)
    assert len(rows) == count, section
    for row in rows:
      for cell in row.strip('|').split('|')[1:]:
        assert not cell.strip().startswith(MISSING), row
  assert text.count('.png)') >= 3
  assert (workdir / 'report.html').stat().st_size > 100_000


def test_super_resolution_beside_srresnet(tmp_path):
  table1 = ROOT / 'configs' / 'paper' / 'table1.py'
  text = run(table1, tmp_path, '--config.tasks=sr')
  assert 'sr 4, srresnet: heldout at x4' in text


LIST = """
from adafm_jax.paper.variation import Variation

def get_variations():
  return [Variation(task='denoise', start=15, end=75)]
"""


def weights(workdir):
  (file,) = (workdir / 'runs').glob('denoise-adafm-*/weights.safetensors')
  return safetensors.numpy.load_file(file)


def test_a_killed_list_goes_on_to_the_same_weights(tmp_path):
  config = tmp_path / 'one.py'
  config.write_text(LIST)
  more = ('--config.adapt.steps=40', '--config.run.checkpoint_every=5')
  run(config, tmp_path / 'whole', *more)
  process = start(command(config, tmp_path / 'cut', *more))
  assert process.stdout is not None
  for line in process.stdout:
    if line.startswith('adapt 20/40'):
      os.kill(process.pid, signal.SIGKILL)
      break
  process.communicate()
  text = run(config, tmp_path / 'cut', *more)
  assert 'adapt: resuming from step' in text
  assert 'basic:' not in text  # it was done
  expected, actual = weights(tmp_path / 'whole'), weights(tmp_path / 'cut')
  assert expected.keys() == actual.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(actual[name], value)


def test_two_processes_share_a_list(tmp_path):
  """Each run is trained and measured by one of them, once."""
  config, workdir = tmp_path / 'two.py', tmp_path / 'w'
  config.write_text(
    LIST.replace(
      'end=75)]', "end=75), Variation(task='denoise', start=15, end=25)]"
    )
  )
  both = [start(command(config, workdir)) for _ in range(2)]
  texts = [process.communicate(timeout=1800)[0] for process in both]
  assert [process.returncode for process in both] == [0, 0], texts
  begun = re.findall('^(basic|adapt): .* are trained', '\n'.join(texts), re.M)
  assert sorted(begun) == ['adapt', 'adapt', 'basic']
  for run in (workdir / 'runs').glob('denoise-adafm-*'):
    rows = json.loads((run / 'measured.json').read_text())
    assert len(rows) == len({(row['set'], row['level']) for row in rows}) == 2

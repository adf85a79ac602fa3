"""Bulk work shared out, killed, repeated and merged, on real files."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import bulk_work
import numpy as np
import pytest
import yaml
from PIL import Image

from adafm_jax import cli, files
from adafm_jax.restore import shards

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures('bulk_pictures')


def test_parts_do_together_what_one_process_does(capsys):
  plain = [*bulk_work.COMMAND[:-2]]
  assert cli.main(plain) == 0
  expected = bulk_work.results()
  assert len(expected) == bulk_work.COUNT
  for path in pathlib.Path('out').rglob('*.png'):
    path.unlink()
  assert cli.main([*bulk_work.COMMAND, '--shard', '0/2']) == 0
  first = bulk_work.results()
  assert 0 < len(first) < bulk_work.COUNT
  code, said = bulk_work.merge(capsys)
  assert code == 1
  assert '1/2 has not run' in said.err
  assert cli.main([*bulk_work.COMMAND, '--shard', '1/2']) == 0
  assert bulk_work.results() == expected
  code, said = bulk_work.merge(capsys)
  assert (code, said.err) == (0, '')
  assert f'{bulk_work.COUNT} restored' in said.out
  rows = bulk_work.table()
  assert [row['result'] for row in rows] == sorted(expected)
  for row in rows:
    assert row['sha256'] == files.sha256(pathlib.Path('out', row['result']))
    assert (row['level'], row['height'], row['width']) == (40, 16, 24)
    assert (row['part'] == 'part-0-of-2') == (row['result'] in first)


def test_what_is_done_is_not_done_again_but_what_is_gone_is():
  assert cli.main(bulk_work.COMMAND) == 0
  times = {p: p.stat().st_mtime_ns for p in pathlib.Path('out').rglob('*.png')}
  gone, *kept = times
  gone.unlink()
  # Shared out anew, too: all parts count.
  for shard in ('0/3', '1/3', '2/3'):
    assert cli.main([*bulk_work.COMMAND, '--shard', shard]) == 0
  assert gone.exists()
  for path in kept:
    assert path.stat().st_mtime_ns == times[path]


def test_results_that_are_gone_are_named(capsys):
  assert cli.main(bulk_work.COMMAND) == 0
  assert bulk_work.merge(capsys)[0] == 0
  pathlib.Path('out/album1/4.png').unlink()
  code, said = bulk_work.merge(capsys)
  assert code == 1
  assert 'album1/4.png was done, and is not there any more.' in said.err
  os.rename('out', 'elsewhere')  # as on a machine that does not have it
  assert bulk_work.merge(capsys)[0] == 0


def test_the_result_of_one_picture_is_missed_too(capsys):
  one = [x if x != 'in' else 'in/album0/0.png' for x in bulk_work.COMMAND]
  one[one.index('out')] = 'out/0.png'
  assert cli.main(one) == 0
  assert bulk_work.merge(capsys)[0] == 0
  pathlib.Path('out/0.png').unlink()
  assert bulk_work.merge(capsys)[0] == 1


def test_a_result_of_a_call_that_was_killed_is_missed_beside_older_ones(capsys):
  assert cli.main(bulk_work.COMMAND) == 0
  os.rename('in/album0/0.png', 'in/album0/new.png')
  assert cli.main(bulk_work.COMMAND) == 0
  assert bulk_work.merge(capsys)[0] == 0
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  lines = journal.read_text().splitlines(keepends=True)
  assert 'album0/new.png' in lines[-1]
  journal.write_text(''.join(lines[:-1]))  # as if killed before this line
  pathlib.Path('out/album0/new.png').unlink()
  code, said = bulk_work.merge(capsys)
  assert code == 1
  assert '1 picture(s) are not done yet, such as album0/new.png' in said.err


def test_a_failure_is_a_row_and_is_tried_again(capsys):
  bad = pathlib.Path('in/album0/0.png')
  whole = bad.read_bytes()
  bad.write_bytes(whole[:60])
  assert cli.main(bulk_work.COMMAND) == 1
  code, said = bulk_work.merge(capsys)
  assert code == 1
  assert 'album0/0.png failed: ' in said.err
  (row,) = [x for x in bulk_work.table() if x['status'] == 'failed']
  assert str(bad) in row['error']
  assert row['sha256'] is None
  bad.write_bytes(whole)
  assert cli.main(bulk_work.COMMAND) == 0
  assert bulk_work.merge(capsys)[0] == 0
  assert {x['status'] for x in bulk_work.table()} == {'restored'}


def test_a_process_killed_in_the_middle_loses_nothing(capsys):
  for i in range(60):  # enough to be killed in between
    pixels = np.full((160, 200, 3), i, np.uint8)
    Image.fromarray(pixels).save(f'in/album0/more{i}.png')
  program = [
    sys.executable,
    '-m',
    'adafm_jax.cli',
    *bulk_work.COMMAND,
    '--jobs',
    '1',
  ]
  environment = {**os.environ, 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)}
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  with subprocess.Popen(program, env=environment) as killed:
    for _ in range(1000):
      if journal.exists() and journal.read_text().count('\n') > 5:
        break
      time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
  done = len(journal.read_text().splitlines()) - 1
  assert 0 < done < bulk_work.COUNT + 60
  with journal.open('a') as file:
    file.write('{"result": "alb')  # what a crash of the machine leaves
  assert bulk_work.merge(capsys)[0] == 1
  assert cli.main(bulk_work.COMMAND) == 0
  out = capsys.readouterr().out
  assert int(re.search(r'(\d+) done before', out)[1]) >= done
  assert bulk_work.merge(capsys)[0] == 0
  assert len(bulk_work.table()) == bulk_work.COUNT + 60
  assert not list(pathlib.Path('out').rglob('.*'))  # no temporary files


def test_a_dry_run_notes_nothing(capsys):
  pathlib.Path('in/album0/0.png').write_bytes(b'broken')
  assert cli.main([*bulk_work.COMMAND, '--dry-run']) == 1
  assert f'{bulk_work.COUNT - 1} planned, 1 failed' in capsys.readouterr().out
  assert not pathlib.Path('out').exists()
  assert not pathlib.Path('notes').exists()
  (bad := pathlib.Path('in/album0/0.png')).unlink()
  assert cli.main(bulk_work.COMMAND) == 0
  before = {x: x.read_bytes() for x in pathlib.Path('notes').iterdir()}
  capsys.readouterr()
  bad.write_bytes(pathlib.Path('in/album1/1.png').read_bytes())
  assert cli.main([*bulk_work.COMMAND, '--dry-run']) == 0
  said = capsys.readouterr().out
  assert (
    f'{bulk_work.COUNT} picture(s), {bulk_work.COUNT - 1} done before' in said
  )
  assert '1 planned' in said
  after = {x: x.read_bytes() for x in pathlib.Path('notes').iterdir()}
  assert after == before
  assert cli.main([*bulk_work.COMMAND, '--dry-run', '--level', '41']) == 2
  assert 'another job' in capsys.readouterr().err


def test_nothing_left_to_do_is_reported(capsys):
  assert cli.main(bulk_work.COMMAND) == 0
  capsys.readouterr()
  assert cli.main(bulk_work.COMMAND) == 0
  assert '0 picture(s): nothing to do; ' in capsys.readouterr().out


def test_one_picture_that_is_done_is_reported(capsys):
  command = ['restore', '-i', 'in/album0/0.png', '-o', 'one.png']
  command += ['-m', 'model.safetensors', '--level', '40', '--manifest', 'notes']
  shards = ('0/2', '1/2')  # one of them has nothing to do from the start
  for _ in range(2):
    for shard in shards:
      assert cli.main([*command, '--shard', shard]) == 0
  assert pathlib.Path('one.png').is_file()
  assert '0 picture(s): nothing to do; ' in capsys.readouterr().out
  assert bulk_work.merge(capsys)[0] == 0


def test_results_that_differ_are_reported(capsys):
  assert cli.main(bulk_work.COMMAND) == 0
  line = pathlib.Path('notes/part-0-of-1.jsonl').read_text().splitlines()[-1]
  other = json.loads(line) | {'sha256': '0' * 64}
  pathlib.Path('notes/part-0-of-7.jsonl').write_text(json.dumps(other) + '\n')
  code, said = bulk_work.merge(capsys)
  assert code == 1
  assert f'{other["result"]} was done twice, differently' in said.err


def test_every_result_falls_to_one_part():
  names = [f'a/{i}.png' for i in range(3000)]
  parts = [shards.parse(f'{i}/7') for i in range(7)]
  counts = [sum(map(part.has, names)) for part in parts]
  assert sum(counts) == 3000
  assert all(sum(p.has(name) for p in parts) == 1 for name in names)
  assert min(counts) > 350  # 429 each on average, with a deviation of 19


def _run(program, **variables):
  return subprocess.run(
    program,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)}
    | {'PATH': f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}'}
    | variables,
    capture_output=True,
    text=True,
    timeout=200,
  )


def test_the_launchers_share_the_work_out(capsys):
  script = ROOT / 'launch' / 'bulk_slurm.sbatch'
  arguments = ['bash', script, *bulk_work.COMMAND[1:]]
  alone = _run(arguments)
  assert alone.returncode != 0
  assert '--array' in alone.stderr
  few = {'SLURM_ARRAY_TASK_COUNT': '1', 'SLURM_ARRAY_TASK_ID': '1'}
  few |= {'SLURM_ARRAY_TASK_MIN': '1', 'SLURM_ARRAY_TASK_MAX': '1'}
  few['PYTHON'] = sys.executable
  refused = _run(arguments, **few)
  assert refused.returncode == 2
  assert 'set PARTS' in refused.stderr
  done = _run(arguments, PARTS='2', **few)
  assert done.returncode == 0, done.stderr
  # The pod's command, with its folders and its number of parts made ours.
  job = yaml.safe_load((ROOT / 'launch' / 'bulk_kubernetes.yaml').read_text())
  (container,) = job['spec']['template']['spec']['containers']
  (text,) = container['args']
  parts = job['spec']['completions']
  assert text.endswith(f'"$JOB_COMPLETION_INDEX/{parts}"')
  text = text.replace(f'/{parts}"', '/2"').replace('/data/manifest', 'notes')
  text = text.replace('/data/', '').replace('denoise', 'model.safetensors')
  text = text.replace('--recursive', '--recursive --level 40')
  done = _run([*container['command'], text], JOB_COMPLETION_INDEX='0')
  assert done.returncode == 0, done.stderr
  assert bulk_work.merge(capsys)[0] == 0
  assert len(bulk_work.table()) == bulk_work.COUNT

"""Bulk work shared out, killed, repeated and merged, on real files."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_models
import yaml
from full_disk import full_disk
from PIL import Image
from pyarrow import parquet

from adafm_jax import cli, files
from adafm_jax.errors import UserError
from adafm_jax.restore import manifest, recipe

ROOT = pathlib.Path(__file__).parents[2]
COUNT = 9
COMMAND = ['restore', '-i', 'in', '-o', 'out', '-m', 'model.safetensors']
COMMAND += ['--level', '40', '--recursive', '--manifest', 'notes']


@pytest.fixture(autouse=True)
def folder(here):
  tiny_models.random_model().save('model.safetensors')
  for i in range(COUNT):
    path = pathlib.Path('in', f'album{i % 3}', f'{i}.png')
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(i).integers(0, 256, (16, 24, 3), np.uint8)
    Image.fromarray(pixels).save(path)
  return here


def _merge(capsys):
  capsys.readouterr()
  code = cli.main(['merge', 'notes'])
  return code, capsys.readouterr()


def _table():
  return parquet.read_table('notes/manifest.parquet').to_pylist()


def _results():
  return {
    p.relative_to('out').as_posix(): p.read_bytes()
    for p in pathlib.Path('out').rglob('*.png')
  }


def test_parts_do_together_what_one_process_does(capsys):
  plain = [*COMMAND[:-2]]
  assert cli.main(plain) == 0
  expected = _results()
  assert len(expected) == COUNT
  for path in pathlib.Path('out').rglob('*.png'):
    path.unlink()
  assert cli.main([*COMMAND, '--shard', '0/2']) == 0
  first = _results()
  assert 0 < len(first) < COUNT
  code, said = _merge(capsys)
  assert code == 1
  assert '1/2 has not run' in said.err
  assert cli.main([*COMMAND, '--shard', '1/2']) == 0
  assert _results() == expected
  code, said = _merge(capsys)
  assert (code, said.err) == (0, '')
  assert f'{COUNT} restored' in said.out
  rows = _table()
  assert [row['result'] for row in rows] == sorted(expected)
  for row in rows:
    assert row['sha256'] == files.sha256(pathlib.Path('out', row['result']))
    assert (row['level'], row['height'], row['width']) == (40, 16, 24)
    assert (row['part'] == 'part-0-of-2') == (row['result'] in first)


def test_what_is_done_is_not_done_again_but_what_is_gone_is():
  assert cli.main(COMMAND) == 0
  times = {p: p.stat().st_mtime_ns for p in pathlib.Path('out').rglob('*.png')}
  gone, *kept = times
  gone.unlink()
  # Shared out anew, too: all parts count.
  for shard in ('0/3', '1/3', '2/3'):
    assert cli.main([*COMMAND, '--shard', shard]) == 0
  assert gone.exists()
  for path in kept:
    assert path.stat().st_mtime_ns == times[path]


def test_other_pictures_of_the_same_names_are_refused(capsys):
  assert cli.main(COMMAND) == 0
  shutil.copytree('in', 'other')
  other = [x if x != 'in' else 'other' for x in COMMAND]
  assert cli.main(other) == 2
  said = capsys.readouterr().err
  assert 'The manifest has album0/0.png from in/album0/0.png, and now' in said
  assert 'other/album0/0.png; give another --manifest and -o.' in said
  # What has only moved, or is named otherwise, is the same.
  shutil.rmtree('in')
  assert cli.main(other) == 0
  os.rename('other', 'in')
  absolute = [x if x != 'in' else os.path.abspath('in') for x in COMMAND]
  assert cli.main(absolute) == 0
  assert '9 done before' in capsys.readouterr().out


def test_results_that_are_gone_are_named(capsys):
  assert cli.main(COMMAND) == 0
  assert _merge(capsys)[0] == 0
  pathlib.Path('out/album1/4.png').unlink()
  code, said = _merge(capsys)
  assert code == 1
  assert 'album1/4.png was done, and is not there any more.' in said.err
  os.rename('out', 'elsewhere')  # as on a machine that does not have it
  assert _merge(capsys)[0] == 0


def test_the_result_of_one_picture_is_missed_too(capsys):
  one = [x if x != 'in' else 'in/album0/0.png' for x in COMMAND]
  one[one.index('out')] = 'out/0.png'
  assert cli.main(one) == 0
  assert _merge(capsys)[0] == 0
  pathlib.Path('out/0.png').unlink()
  assert _merge(capsys)[0] == 1


def test_a_failure_is_a_row_and_is_tried_again(capsys):
  bad = pathlib.Path('in/album0/0.png')
  whole = bad.read_bytes()
  bad.write_bytes(whole[:60])
  assert cli.main(COMMAND) == 1
  code, said = _merge(capsys)
  assert code == 1
  assert 'album0/0.png failed: ' in said.err
  (row,) = [x for x in _table() if x['status'] == 'failed']
  assert str(bad) in row['error']
  assert row['sha256'] is None
  bad.write_bytes(whole)
  assert cli.main(COMMAND) == 0
  assert _merge(capsys)[0] == 0
  assert {x['status'] for x in _table()} == {'restored'}


def test_a_process_killed_in_the_middle_loses_nothing(capsys):
  for i in range(60):  # enough to be killed in between
    pixels = np.full((160, 200, 3), i, np.uint8)
    Image.fromarray(pixels).save(f'in/album0/more{i}.png')
  program = [sys.executable, '-m', 'adafm_jax.cli', *COMMAND, '--jobs', '1']
  environment = {**os.environ, 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)}
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  with subprocess.Popen(program, env=environment) as killed:
    for _ in range(1000):
      if journal.exists() and journal.read_text().count('\n') > 5:
        break
      time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
  done = len(journal.read_text().splitlines()) - 1
  assert 0 < done < COUNT + 60
  with journal.open('a') as file:
    file.write('{"result": "alb')  # what a crash of the machine leaves
  assert _merge(capsys)[0] == 1
  assert cli.main(COMMAND) == 0
  out = capsys.readouterr().out
  assert int(re.search(r'(\d+) done before', out)[1]) >= done
  assert _merge(capsys)[0] == 0
  assert len(_table()) == COUNT + 60
  assert not list(pathlib.Path('out').rglob('.*'))  # no temporary files


def test_nothing_that_another_program_wrote_is_overwritten(capsys):
  path = pathlib.Path('out/album1/1.png')
  path.parent.mkdir(parents=True)
  path.write_bytes(b'mine')
  assert cli.main(COMMAND) == 2
  assert str(path) in capsys.readouterr().err
  assert path.read_bytes() == b'mine'
  assert len(_results()) == 1


@pytest.mark.parametrize(
  ('changed', 'named'),
  [
    (['--level', '41'], 'level'),
    (['--self-ensemble'], 'self_ensemble'),
    (['--suffix', '_x'], 'suffix'),
  ],
)
def test_a_manifest_is_of_one_job(changed, named, capsys):
  assert cli.main([*COMMAND, '--shard', '0/2']) == 0
  assert cli.main([*COMMAND, '--shard', '1/2', *changed]) == 2
  assert f'another job: {named} ' in capsys.readouterr().err


def test_a_dry_run_notes_nothing(capsys):
  pathlib.Path('in/album0/0.png').write_bytes(b'broken')
  assert cli.main([*COMMAND, '--dry-run']) == 1
  assert f'{COUNT - 1} planned, 1 failed' in capsys.readouterr().out
  assert not pathlib.Path('out').exists()
  assert not pathlib.Path('notes').exists()
  (bad := pathlib.Path('in/album0/0.png')).unlink()
  assert cli.main(COMMAND) == 0
  before = {x: x.read_bytes() for x in pathlib.Path('notes').iterdir()}
  capsys.readouterr()
  bad.write_bytes(pathlib.Path('in/album1/1.png').read_bytes())
  assert cli.main([*COMMAND, '--dry-run']) == 0
  said = capsys.readouterr().out
  assert f'{COUNT} picture(s), {COUNT - 1} done before' in said
  assert '1 planned' in said
  after = {x: x.read_bytes() for x in pathlib.Path('notes').iterdir()}
  assert after == before
  assert cli.main([*COMMAND, '--dry-run', '--level', '41']) == 2
  assert 'another job' in capsys.readouterr().err


def test_nothing_left_to_do_is_reported(capsys):
  assert cli.main(COMMAND) == 0
  capsys.readouterr()
  assert cli.main(COMMAND) == 0
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
  assert _merge(capsys)[0] == 0


def test_a_file_that_came_between_two_calls_is_not_overwritten(capsys):
  assert cli.main(COMMAND) == 0
  new = pathlib.Path('in/album1/new.png')
  new.write_bytes(pathlib.Path('in/album1/1.png').read_bytes())
  taken = pathlib.Path('out/album1/new.png')
  taken.write_bytes(b'mine')
  assert cli.main(COMMAND) == 2
  assert f'{taken} exists' in capsys.readouterr().err
  assert taken.read_bytes() == b'mine'


def test_what_was_written_but_not_noted_is_done_again():
  assert cli.main(COMMAND) == 0
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  lines = journal.read_text().splitlines()
  journal.write_text(''.join(f'{line}\n' for line in lines[:-1]))
  last = pathlib.Path('out', json.loads(lines[-1])['result'])
  expected = last.read_bytes()
  assert cli.main(COMMAND) == 0
  assert journal.read_text().splitlines()[:-2] == lines[:-1]
  assert last.read_bytes() == expected


def test_sidecars_of_a_killed_call_are_written_again(no_marks):
  for path in pathlib.Path('in').rglob('*.png'):
    Image.open(path).save(path.with_suffix('.bmp'))
    path.unlink()
  command = [*COMMAND, '--recipe']
  assert cli.main(command) == 0
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  lines = journal.read_text().splitlines()
  journal.write_text(''.join(f'{line}\n' for line in lines[:-1]))
  result = pathlib.Path('out', json.loads(lines[-1])['result'])
  sidecar = recipe.sidecar(result)
  expected = sidecar.read_bytes()
  left = sidecar.with_name(f'{files._prefix(sidecar)}-0.json')
  left.write_text('{')
  assert cli.main(command) == 0
  assert sidecar.read_bytes() == expected
  assert not left.exists()


def test_a_call_claims_no_sidecar_that_was_there(no_marks):
  path = pathlib.Path('in/album1/a.bmp')
  Image.new('RGB', (24, 16)).save(path)
  sidecar = pathlib.Path('out/album1/a.bmp.recipe.json')
  sidecar.parent.mkdir(parents=True)
  sidecar.write_text('mine')
  whole = path.read_bytes()
  path.write_bytes(b'')  # so that its result is not written yet
  command = [*COMMAND, '--recipe']
  assert cli.main([*command, '--overwrite']) == 1
  path.write_bytes(whole)
  assert cli.main(command) == 2
  assert sidecar.read_text() == 'mine'


def test_overwrite_is_of_one_call():
  path = pathlib.Path('out/album1/1.png')
  path.parent.mkdir(parents=True)
  path.write_bytes(b'mine')
  broken = pathlib.Path('in/album1/1.png')
  whole = broken.read_bytes()
  broken.write_bytes(b'')  # so that its result is not written yet
  assert cli.main([*COMMAND, '--overwrite']) == 1
  broken.write_bytes(whole)
  claims = json.loads(
    pathlib.Path('notes/part-0-of-1.jsonl').read_text().splitlines()[0]
  )['claims']
  assert len(claims) == COUNT - 1
  assert 'album1/1.png' not in claims
  assert cli.main(COMMAND) == 2
  assert path.read_bytes() == b'mine'
  assert cli.main([*COMMAND, '--overwrite']) == 0
  assert path.read_bytes() != b'mine'


def test_a_file_that_came_where_a_killed_call_would_have_written_is_kept():
  assert cli.main(COMMAND) == 0
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  lines = journal.read_text().splitlines()
  journal.write_text(lines[0] + '\n')  # claims all, and is cut off
  path = pathlib.Path('out', json.loads(lines[-1])['result'])
  path.unlink()
  path.write_bytes(b'mine')
  assert cli.main(COMMAND) == 2
  assert path.read_bytes() == b'mine'


def test_two_processes_do_not_take_one_part(capsys):
  lock = pathlib.Path('notes/part-0-of-1.lock')
  with files.locked(lock, 'busy'):
    assert cli.main(COMMAND) == 2
  assert 'Another process' in capsys.readouterr().err


def test_results_that_differ_are_reported(capsys):
  assert cli.main(COMMAND) == 0
  line = pathlib.Path('notes/part-0-of-1.jsonl').read_text().splitlines()[-1]
  other = json.loads(line) | {'sha256': '0' * 64}
  pathlib.Path('notes/part-0-of-7.jsonl').write_text(json.dumps(other) + '\n')
  code, said = _merge(capsys)
  assert code == 1
  assert f'{other["result"]} was done twice, differently' in said.err


def test_a_full_disk_is_one_sentence_and_costs_no_result(capsys):
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  with full_disk(2000):  # room for every result, and some lines
    assert cli.main(COMMAND) == 2
  last = capsys.readouterr().err.splitlines()[-1]
  assert last == f'error: Cannot write {journal}: File too large.'
  *whole, _ = journal.read_text().split('\n')  # the last line may be cut
  done = sum('"restored"' in line for line in whole)
  assert 0 < done < COUNT
  with full_disk(10):  # not even for the first line of a call
    assert cli.main(COMMAND) == 2
  said = capsys.readouterr()
  assert f'{done} done before' in said.out
  assert f'Cannot write {journal}: File too large.' in said.err
  assert cli.main(COMMAND) == 0
  assert len(_results()) == COUNT


def test_every_result_falls_to_one_part():
  names = [f'a/{i}.png' for i in range(3000)]
  shards = [manifest.parse_shard(f'{i}/7') for i in range(7)]
  counts = [sum(map(shard.has, names)) for shard in shards]
  assert sum(counts) == 3000
  assert all(sum(s.has(name) for s in shards) == 1 for name in names)
  assert min(counts) > 350  # 429 each on average, with a deviation of 19


@pytest.mark.parametrize(
  'text', ['', '3', '3/3', '-1/3', '0/0', '1/x', '0/3/1']
)
def test_a_shard_that_is_none(text):
  with pytest.raises(UserError, match='I/N'):
    manifest.parse_shard(text)


def test_mistakes(capsys):
  assert cli.main([*COMMAND[:-2], '--shard', '0/2']) == 2
  assert '--manifest' in capsys.readouterr().err
  assert cli.main(['merge', 'nowhere']) == 2
  assert 'nowhere holds no manifest' in capsys.readouterr().err
  assert cli.main(COMMAND) == 0
  with pathlib.Path('notes/part-0-of-1.jsonl').open('a') as file:
    file.write('nonsense\n')
  capsys.readouterr()
  assert cli.main(['merge', 'notes']) == 2
  assert 'Line 11 of' in capsys.readouterr().err


@pytest.mark.parametrize(
  'line', [b'3', b'[]', b'{"result": "a.png"}', b'{"expected": "\xff"}']
)
def test_a_line_of_another_kind_is_a_sentence(line, capsys):
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  journal.parent.mkdir()
  journal.write_bytes(b'{"expected": 1}\n' + line + b'\n')
  for command in (COMMAND, ['merge', 'notes']):
    assert cli.main(command) == 2
    assert f'Line 2 of {journal} is broken' in capsys.readouterr().err


def test_a_manifest_that_cannot_be_read_is_a_sentence(capsys):
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  journal.mkdir(parents=True)
  assert cli.main(COMMAND) == 2
  assert f'Cannot write {journal}: ' in capsys.readouterr().err
  assert cli.main(['merge', 'notes']) == 2
  assert f'Cannot read {journal}: ' in capsys.readouterr().err
  journal.rmdir()
  job = pathlib.Path('notes/job.json')
  for text in (b'[]', b'"\xff"', b'{'):
    job.write_bytes(text)
    assert cli.main(COMMAND) == 2
    assert str(job) in capsys.readouterr().err


@pytest.mark.parametrize('more', [[], ['--dry-run']])
def test_a_file_in_place_of_the_manifest_is_a_sentence(more, capsys):
  pathlib.Path('notes').write_bytes(b'')
  assert cli.main([*COMMAND, *more]) == 2
  assert 'notes is not a folder.' in capsys.readouterr().err


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
  arguments = ['bash', script, *COMMAND[1:]]
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
  assert _merge(capsys)[0] == 0
  assert len(_table()) == COUNT

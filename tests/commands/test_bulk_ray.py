"""`python -m adafm_jax.restore.bulk` as a user starts it, on a real Ray."""

import argparse
import contextlib
import functools
import os
import pathlib
import signal
import subprocess
import sys
import time

import bulk_work
import object_store
import pytest
import tiny_models

from adafm_jax import cli, errors
from adafm_jax.commands import bulk, bulk_tasks, restore_options
from adafm_jax.errors import UserError
from adafm_jax.restore import cluster, manifest, merge, objects
from adafm_jax.restore.shards import Shard

pytest.importorskip('ray', reason='Ray is not installed (extra batch)')
ROOT = pathlib.Path(__file__).parents[2]
COUNT = 40
BLOCK = 4  # pictures; with --batch 1
# Ray's workers are nice, and would wait for whatever else the machine does.
ENVIRONMENT = {'JAX_PLATFORMS': 'cpu', 'RAY_worker_niceness': '0'}
ENVIRONMENT |= {'PYTHONPATH': str(ROOT)}
OPTIONS = ['-m', 'model.safetensors', '--level', '40', '--recursive']
OPTIONS += ['--manifest', 'notes', '--batch', '1', '--jobs', '1']


@pytest.fixture(autouse=True)
def folder(here):
  tiny_models.random_model(kernel=1).save('model.safetensors')
  bulk_work.write_pictures(COUNT, (240, 300, 3))
  return here


def _start(*arguments):
  return subprocess.Popen(
    [sys.executable, '-m', 'adafm_jax.restore.bulk', *arguments, *OPTIONS],
    env={**os.environ, **ENVIRONMENT},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def _finish(process):
  """(exit code, output)."""
  try:
    output, _ = process.communicate(timeout=300)
  finally:
    process.kill()
  return process.returncode, output


def _actors(driver):
  """Processes of actors below a driver."""
  parents = {}
  for path in pathlib.Path('/proc').glob('[0-9]*'):
    with contextlib.suppress(OSError):
      fields = (path / 'stat').read_text().rpartition(')')[2].split()
      parents[int(path.name)] = int(fields[1])
      if (path / 'cmdline').read_bytes().startswith(b'ray::MapWorker'):
        parent = int(path.name)
        while parent not in (0, driver):
          parent = parents.get(parent) or _parent(parent)
        if parent == driver:
          yield int(path.name)


def _parent(process):
  text = pathlib.Path(f'/proc/{process}/stat').read_text()
  return int(text.rpartition(')')[2].split()[1])


def _finished():
  return [
    p for p in pathlib.Path('out').rglob('*.png') if not p.name.startswith('.')
  ]


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing():
  run = _start('-i', 'in', '-o', 'out')
  try:
    for _ in range(12000):
      if len(_finished()) > BLOCK or run.poll() is not None:
        break
      time.sleep(0.01)
    for actor in _actors(run.pid):
      os.kill(actor, signal.SIGKILL)
    times = {p: p.stat().st_mtime_ns for p in _finished()}
  except BaseException:
    run.kill()
    raise
  code, output = _finish(run)
  assert code == 0, output
  assert BLOCK < len(times) < COUNT
  again = [p for p, then in times.items() if p.stat().st_mtime_ns != then]
  assert len(again) <= 2 * BLOCK  # under way, and done but not yet reported
  assert not list(pathlib.Path('out').rglob('.*'))  # no temporary files
  merged = merge.merge(pathlib.Path('notes'))
  assert merged.problems == []
  assert len(merged.rows) == COUNT
  # The same as without Ray, and all is done.
  plain = ['restore', '-i', 'in', '-o', 'plain', '--recursive', '--level', '40']
  assert cli.main([*plain, '-m', 'model.safetensors']) == 0
  assert bulk_work.results('out') == bulk_work.results('plain')
  done = ['restore', '-i', 'in', '-o', 'out', *OPTIONS[:-4], '--jobs', '1']
  assert cli.main(done) == 0
  assert {p for p in times if p not in again} == {
    p for p, then in times.items() if p.stat().st_mtime_ns == then
  }


@pytest.mark.slow
def test_from_a_store_into_a_store(monkeypatch):
  with object_store.serving(monkeypatch, 'photos') as store:
    for path in pathlib.Path('in').rglob('*.png'):
      store.upload_file(path, 'photos', path.as_posix())
    store.put_object(Bucket='photos', Key='in/album0/0.png', Body=b'broken')
    where = ['-i', 's3://photos/in', '-o', 's3://photos/out']
    code, output = _finish(_start(*where))
    assert code == 1, output
    assert 's3://photos/in/album0/0.png: it is not an image' in output
    store.upload_file('in/album0/0.png', 'photos', 'in/album0/0.png')
    code, output = _finish(_start(*where))
    assert code == 0, output
    assert f'{COUNT} picture(s), {COUNT - 1} done before' in output
    assert '\n1 picture(s): 1 restored' in output
    place = objects.open_store('s3://photos/out')
    for name in place.names():
      place.fetch(name, pathlib.Path('out', name))
  assert cli.main(['merge', 'notes']) == 0
  rows = bulk_work.table()
  assert {row['input'] for row in rows} == {
    f's3://photos/{p.as_posix()}' for p in pathlib.Path('in').rglob('*.png')
  }
  plain = ['restore', '-i', 'in', '-o', 'plain', '--recursive', '--level', '40']
  assert cli.main([*plain, '-m', 'model.safetensors']) == 0
  assert bulk_work.results('out') == bulk_work.results('plain')


@pytest.mark.parametrize(
  ('arguments', 'sentence'),
  [
    (['-i', 'in', '-o', 'out', '--dry-run'], '--dry-run is of'),
    (['-i', 'in', '-o', 'out', '--json', 'x.json'], '--json is of'),
    (['-i', 'in', '-o', 'out', '--actors', '0'], '--actors is 0'),
    (['-i', 'in', '-o', 'out', '-m', 'nothing'], 'nothing'),
    (['-i', 'absent.txt', '-o', 'out'], 'Cannot read the list absent.txt'),
    (['-i', 'twice.txt', '-o', 'out'], 'would both be written to'),
    (['-i', 'empty.txt', '-o', 'out'], 'No pictures'),
    (['-i', 'ftp://x/y', '-o', 'out'], 'Cannot open ftp://x/y'),
    (['-i', 's3://b/in?region=x', '-o', 'out'], 'give s3://b/in, and the'),
    (['-i', 's3://b/0.png?scheme=http', '-o', 'out'], 'give s3://b/0.png,'),
    (['-i', 'in', '-o', 's3://b/out?region=x'], 'give s3://b/out, and the'),
    (['-i', 'in/album0/0.png', '-o', 'out.png'], 'folder for the results'),
    (['-i', 'in', '-o', 'out', '--address', 'localhost:1'], 'Nothing answers'),
  ],
)
def test_mistakes_are_reported_before_a_cluster_is_started(
  arguments, sentence, capsys
):
  pathlib.Path('other').mkdir()
  pathlib.Path('other/0.png').write_bytes(b'x')
  pathlib.Path('twice.txt').write_text('in/album0/0.png\nother/0.png\n')
  pathlib.Path('empty.txt').write_text('\n')
  assert bulk.main([*OPTIONS, *arguments]) == errors.EXIT_USER_ERROR
  assert sentence in capsys.readouterr().err
  assert not pathlib.Path('notes').exists()


def test_the_help_is_of_this_command(capsys):
  with pytest.raises(SystemExit):
    bulk.main(['--help'])
  usage, _, rest = capsys.readouterr().out.partition('\n\n')
  about, _, listed = rest.partition('\n\n')
  for option in ('--json', '--skip-existing', '--dry-run'):
    assert option not in usage
    assert option not in listed
    assert option in about
  text = ' '.join(listed.split())
  assert 'lists (.txt, a path or URI a line), or URIs (s3://' in text
  assert 'folder for the results, or its URI' in text


def _options(*arguments):
  parser = argparse.ArgumentParser()
  restore_options.arguments(parser)
  return parser.parse_args([*OPTIONS[:4], *arguments])


def test_a_picture_that_is_named_twice_is_one_task():
  pathlib.Path('twice.txt').write_text('s3://b/a.png\ns3://b/a.png\n')
  options = _options('-i', 'twice.txt', '-o', 'out')
  assert bulk_tasks.find(options) == [
    cluster.PictureTask('s3://b/a.png', 'a.png')
  ]


def test_a_list_has_a_name_a_line_whatever_is_in_it():
  names = ['a\u2028b.png', '\x85.png']
  text = '\ufeff' + ''.join(f' s3://b/{name}\t\r\n' for name in names)
  pathlib.Path('list.txt').write_text(text, 'utf-8', newline='')
  found = bulk_tasks.find(_options('-i', 'list.txt', '-o', 'out'))
  assert [task.result for task in found] == names


@pytest.mark.parametrize(
  ('there', 'sentence'),
  [
    ('new.bmp', 's3://b/out/new.bmp exists'),
    ('new.bmp.recipe.json', 's3://b/out/new.bmp.recipe.json exists'),
    ('begun.bmp.recipe.json', None),  # of a call of this job
  ],
)
def test_what_others_have_in_a_store_is_kept(there, sentence):
  tasks = [
    cluster.PictureTask(f'in/{x}.bmp', f'{x}.bmp') for x in ('new', 'begun')
  ]
  given = ('-i', 'in', '-o', 's3://b/out/', '--recipe')
  part = (pathlib.Path('notes'), Shard(0, 1), {})
  with manifest.opened(*part) as journal:
    journal.begin(1, ['begun.bmp'], ['begun.bmp'], 's3://b/out')
  with manifest.opened(*part) as journal:
    check = functools.partial(
      bulk._check_results, tasks=tasks, sources=set(), there={there}
    )
    check(_options(*given, '--overwrite'), journal=journal)
    refused = pytest.raises(UserError, match=sentence)
    with refused if sentence else contextlib.nullcontext():
      check(_options(*given), journal=journal)


def test_what_a_killed_call_wrote_here_is_replaced(no_marks):
  task = cluster.PictureTask('in/a.bmp', 'a.bmp')
  options = _options('-i', 'in', '-o', 'out', '--recipe')
  part = (pathlib.Path('notes'), Shard(0, 1), {})
  assert bulk._existing(options, [task]) == set()
  with manifest.opened(*part) as journal:
    journal.begin(1, ['a.bmp'], ['a.bmp'], 'out')
  pathlib.Path('out').mkdir()
  for name in ('a.bmp', 'a.bmp.recipe.json'):
    pathlib.Path('out', name).write_text('ours')
  there = bulk._existing(options, [task])
  assert there == {'a.bmp', 'a.bmp.recipe.json'}
  with manifest.opened(*part) as journal:
    bulk._check_results(options, [task], set(), there, journal)
    other = task._replace(result='b.bmp')
    pathlib.Path('out/b.bmp.recipe.json').write_text('mine')
    with pytest.raises(UserError, match=r'b\.bmp\.recipe\.json exists'):
      bulk._check_results(options, [other], set(), there, journal)

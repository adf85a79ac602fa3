"""Manifests that are damaged, busy or of another job; shards that are none."""

import json
import os
import pathlib
import shutil

import bulk_work
import pytest
from full_disk import full_disk

from adafm_jax import cli, files
from adafm_jax.errors import UserError
from adafm_jax.restore import recipe, shards

pytestmark = pytest.mark.usefixtures('bulk_pictures')


def test_other_pictures_of_the_same_names_are_refused(capsys):
  assert cli.main(bulk_work.COMMAND) == 0
  shutil.copytree('in', 'other')
  other = [x if x != 'in' else 'other' for x in bulk_work.COMMAND]
  assert cli.main(other) == 2
  said = capsys.readouterr().err
  known = os.path.abspath('in/album0/0.png')
  assert f'The manifest has album0/0.png from {known}, and now' in said
  assert 'other/album0/0.png; give another --manifest and -o.' in said
  # What has only moved, or is named otherwise, is the same.
  shutil.rmtree('in')
  assert cli.main(other) == 0
  os.rename('other', 'in')
  absolute = [
    x if x != 'in' else os.path.abspath('in') for x in bulk_work.COMMAND
  ]
  assert cli.main(absolute) == 0
  assert '9 done before' in capsys.readouterr().out


def test_pictures_named_alike_in_another_folder_are_others(capsys, monkeypatch):
  notes, out, model = map(
    os.path.abspath, ('notes', 'out', 'model.safetensors')
  )
  command = ['restore', '-i', 'in', '-o', out, '-m', model, '--level', '40']
  command += ['--recursive', '--manifest', notes]
  assert cli.main(command) == 0
  pathlib.Path('elsewhere').mkdir()
  monkeypatch.chdir('elsewhere')
  bulk_work.write_pictures()
  assert cli.main(command) == 2
  assert (
    'and now it would be made from in/album0/0.png' in capsys.readouterr().err
  )


def test_two_results_of_one_name_are_refused(capsys):
  shutil.copy('in/album0/0.png', 'in/album0/0.bmp')
  assert cli.main([*bulk_work.COMMAND, '--ext', 'png']) == 2
  said = capsys.readouterr().err
  assert 'would both be written to album0/0.png' in said
  assert not pathlib.Path('out').exists()


def test_no_part_overwrites_the_pictures_of_another(capsys):
  original = pathlib.Path('in/album1/1.png')
  for i in range(8):  # the results of these would be pictures too
    shutil.copy(original, f'in/album0/{i}.png')
    shutil.copy(original, f'in/album0/{i}_r.png')
  data = original.read_bytes()
  command = ['restore', '-i', 'in/album0', '-o', 'in/album0', '--suffix', '_r']
  command += ['-m', 'model.safetensors', '--level', '40', '--overwrite']
  command += ['--manifest', 'notes']
  codes = {cli.main([*command, '--shard', f'{i}/4']) for i in range(4)}
  assert 2 in codes
  assert 'would overwrite' in capsys.readouterr().err
  for i in range(8):
    assert pathlib.Path(f'in/album0/{i}_r.png').read_bytes() == data


@pytest.mark.parametrize(
  'option',
  [('-i', 's3://b/in'), ('-o', 's3://b/out'), ('--manifest', 's3://n')],
)
def test_object_stores_are_no_folders(option, capsys):
  assert cli.main([*bulk_work.COMMAND, *option]) == 2
  said = capsys.readouterr().err
  assert f'{option[1]} is' in said
  assert not list(pathlib.Path().glob('s3:*'))


@pytest.mark.parametrize(
  ('changed', 'named'),
  [
    (['--level', '41'], 'level'),
    (['--self-ensemble'], 'self_ensemble'),
    (['--suffix', '_x'], 'suffix'),
  ],
)
def test_a_manifest_is_of_one_job(changed, named, capsys):
  assert cli.main([*bulk_work.COMMAND, '--shard', '0/2']) == 0
  assert cli.main([*bulk_work.COMMAND, '--shard', '1/2', *changed]) == 2
  assert f'another job: {named} ' in capsys.readouterr().err


def test_an_estimated_level_and_a_given_one_are_two_jobs(capsys):
  first = ['restore', '-i', 'in/album0/0.png', '-o', 'a.png', '--recipe']
  assert cli.main([*first, '-m', 'model.safetensors', '--level', '40']) == 0
  fields = json.loads(recipe.read('a.png').to_json())
  pathlib.Path('made.json').write_text(json.dumps(fields | {'estimated': True}))
  assert cli.main([*bulk_work.COMMAND, '--shard', '0/2']) == 0
  followed = [x for x in bulk_work.COMMAND if x not in ('--level', '40')]
  followed += ['--from-recipe', 'made.json', '--shard', '1/2']
  assert cli.main(followed) == 2
  assert 'another job: estimated had' in capsys.readouterr().err


def test_two_processes_do_not_take_one_part(capsys):
  lock = pathlib.Path('notes/part-0-of-1.lock')
  with files.locked(lock, 'busy'):
    assert cli.main(bulk_work.COMMAND) == 2
  assert 'Another process' in capsys.readouterr().err


def test_a_full_disk_is_one_sentence_and_costs_no_result(capsys):
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  with full_disk(2000):  # room for every result, and some lines
    assert cli.main(bulk_work.COMMAND) == 2
  last = capsys.readouterr().err.splitlines()[-1]
  assert last == f'error: Cannot write {journal}: File too large.'
  *whole, _ = journal.read_text().split('\n')  # the last line may be cut
  done = sum('"restored"' in line for line in whole)
  assert 0 < done < bulk_work.COUNT
  with full_disk(10):  # not even for the first line of a call
    assert cli.main(bulk_work.COMMAND) == 2
  said = capsys.readouterr()
  assert f'{done} done before' in said.out
  assert f'Cannot write {journal}: File too large.' in said.err
  assert cli.main(bulk_work.COMMAND) == 0
  assert len(bulk_work.results()) == bulk_work.COUNT


@pytest.mark.parametrize(
  'text', ['', '3', '3/3', '-1/3', '0/0', '1/x', '0/3/1']
)
def test_a_shard_that_is_none(text):
  with pytest.raises(UserError, match='I/N'):
    shards.parse(text)


def test_mistakes(capsys):
  assert cli.main([*bulk_work.COMMAND[:-2], '--shard', '0/2']) == 2
  assert '--manifest' in capsys.readouterr().err
  assert cli.main(['merge', 'nowhere']) == 2
  assert 'nowhere holds no manifest' in capsys.readouterr().err
  assert cli.main(bulk_work.COMMAND) == 0
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
  for command in (bulk_work.COMMAND, ['merge', 'notes']):
    assert cli.main(command) == 2
    assert f'Line 2 of {journal} is broken' in capsys.readouterr().err


def test_a_manifest_that_cannot_be_read_is_a_sentence(capsys):
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  journal.mkdir(parents=True)
  assert cli.main(bulk_work.COMMAND) == 2
  assert f'Cannot write {journal}: ' in capsys.readouterr().err
  assert cli.main(['merge', 'notes']) == 2
  assert f'Cannot read {journal}: ' in capsys.readouterr().err
  journal.rmdir()
  job = pathlib.Path('notes/job.json')
  for text in (b'[]', b'"\xff"', b'{'):
    job.write_bytes(text)
    assert cli.main(bulk_work.COMMAND) == 2
    assert str(job) in capsys.readouterr().err


@pytest.mark.parametrize('more', [[], ['--dry-run']])
def test_a_file_in_place_of_the_manifest_is_a_sentence(more, capsys):
  pathlib.Path('notes').write_bytes(b'')
  assert cli.main([*bulk_work.COMMAND, *more]) == 2
  assert 'notes is not a folder.' in capsys.readouterr().err

"""Bulk work overwrites nothing of others, and what a killed call left, once."""

import json
import pathlib

import bulk_work
import pytest
from PIL import Image

from adafm_jax import cli, files
from adafm_jax.restore import recipe

pytestmark = pytest.mark.usefixtures('bulk_pictures')


def test_nothing_that_another_program_wrote_is_overwritten(capsys):
  path = pathlib.Path('out/album1/1.png')
  path.parent.mkdir(parents=True)
  path.write_bytes(b'mine')
  assert cli.main(bulk_work.COMMAND) == 2
  assert str(path) in capsys.readouterr().err
  assert path.read_bytes() == b'mine'
  assert len(bulk_work.results()) == 1


def test_a_file_that_came_between_two_calls_is_not_overwritten(capsys):
  assert cli.main(bulk_work.COMMAND) == 0
  new = pathlib.Path('in/album1/new.png')
  new.write_bytes(pathlib.Path('in/album1/1.png').read_bytes())
  taken = pathlib.Path('out/album1/new.png')
  taken.write_bytes(b'mine')
  assert cli.main(bulk_work.COMMAND) == 2
  assert f'{taken} exists' in capsys.readouterr().err
  assert taken.read_bytes() == b'mine'


def test_what_was_written_but_not_noted_is_done_again():
  assert cli.main(bulk_work.COMMAND) == 0
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  lines = journal.read_text().splitlines()
  journal.write_text(''.join(f'{line}\n' for line in lines[:-1]))
  last = pathlib.Path('out', json.loads(lines[-1])['result'])
  expected = last.read_bytes()
  assert cli.main(bulk_work.COMMAND) == 0
  assert journal.read_text().splitlines()[:-2] == lines[:-1]
  assert last.read_bytes() == expected


def test_sidecars_of_a_killed_call_are_written_again(no_marks):
  for path in pathlib.Path('in').rglob('*.png'):
    Image.open(path).save(path.with_suffix('.bmp'))
    path.unlink()
  command = [*bulk_work.COMMAND, '--recipe']
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
  command = [*bulk_work.COMMAND, '--recipe']
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
  assert cli.main([*bulk_work.COMMAND, '--overwrite']) == 1
  broken.write_bytes(whole)
  claims = json.loads(
    pathlib.Path('notes/part-0-of-1.jsonl').read_text().splitlines()[0]
  )['claims']
  assert len(claims) == bulk_work.COUNT - 1
  assert 'album1/1.png' not in claims
  assert cli.main(bulk_work.COMMAND) == 2
  assert path.read_bytes() == b'mine'
  assert cli.main([*bulk_work.COMMAND, '--overwrite']) == 0
  assert path.read_bytes() != b'mine'


def test_a_file_that_came_where_a_killed_call_would_have_written_is_kept():
  assert cli.main(bulk_work.COMMAND) == 0
  journal = pathlib.Path('notes/part-0-of-1.jsonl')
  lines = journal.read_text().splitlines()
  journal.write_text(lines[0] + '\n')  # claims all, and is cut off
  path = pathlib.Path('out', json.loads(lines[-1])['result'])
  path.unlink()
  path.write_bytes(b'mine')
  assert cli.main(bulk_work.COMMAND) == 2
  assert path.read_bytes() == b'mine'

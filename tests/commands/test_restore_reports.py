"""`adafm restore` tells what it did: lines, and reports in JSON."""

import json
import os
import pathlib
import subprocess

import pytest
import restoring

from adafm_jax import files

pytestmark = pytest.mark.usefixtures('models_here')


@pytest.mark.parametrize('unread', [('stdout',), ('stdout', 'stderr')])
def test_the_work_is_done_though_nobody_reads_the_lines(unread):
  for i in range(4):
    restoring.make(f'in/{i}.png', seed=i)
  reader, writer = os.pipe()
  os.close(reader)
  streams = {'stderr': subprocess.PIPE} | dict.fromkeys(unread, writer)
  for options, code in (([], 0), (['none.png'], 1)):  # not 0 if one failed
    command = restoring.command('-i', 'in', *options, '-o', f'out{code}')
    done = subprocess.run(**command, **streams, timeout=90)
    assert done.returncode == code
    assert b'Traceback' not in (done.stderr or b'')
    assert restoring.files(f'out{code}') == [f'{i}.png' for i in range(4)]
  os.close(writer)


def test_a_report_on_the_standard_output_is_nothing_but_json(capsys):
  for name in ('in/a.png', 'in/b.png'):
    restoring.make(name)
  assert restoring.run('in', 'out', '--strength', 1, '--json', '-') == 0
  captured = capsys.readouterr()
  first, second, call = map(json.loads, captured.out.splitlines())
  assert (first['output'], second['output']) == ('out/a.png', 'out/b.png')
  assert 'estimated' not in first  # no level
  assert call['counts']['restored'] == 2
  assert 'in/a.png -> out/a.png: Strength 1.' in captured.err
  assert '2 picture(s): 2 restored' in captured.err


def test_a_report_may_be_a_pipe():
  restoring.make('in/a.png')
  os.mkfifo('report')  # as of `--json >(program)`
  command = restoring.command(
    '-i', 'in', 'none.png', '-o', 'out', '--json', 'report'
  )
  streams = dict.fromkeys(('stdout', 'stderr'), subprocess.DEVNULL)
  with subprocess.Popen(**command, **streams) as process:
    with open('report', encoding='utf-8') as report:
      seen = [json.loads(line) for line in report]
    assert process.wait(60) == 1
  assert [x.get('status') for x in seen] == ['restored', 'failed', None]


def test_a_report_that_fails_stops_nothing(capsys):
  restoring.make('in/a.png')
  restoring.make('in/b.png', seed=1)
  assert restoring.run('in', 'out', '--strength', 1, '--json', '/dev/full') == 1
  assert restoring.files('out') == ['a.png', 'b.png']
  err = capsys.readouterr().err
  assert 'error: Cannot write --json /dev/full: No space left' in err


def test_a_report_replaces_only_reports(capsys):
  restoring.make('a.png')
  options = ['--strength', 1, '--overwrite', '--json', 'r.json']
  mine = '{"input": "a", "files": []}\n'
  pathlib.Path('r.json').write_text(mine)
  assert restoring.run('a.png', 'b.png', *options) == 2
  assert 'not a report' in capsys.readouterr().err
  assert pathlib.Path('r.json').read_text() == mine
  older = {'adafm_jax': '0.1.0', 'model': {}, 'pictures': 1, 'files': []}
  files.write_json('r.json', older)
  for _ in range(2):
    assert restoring.run('a.png', 'b.png', *options) == 0
    assert len(restoring.report('r.json')[0]) == 1
  # A mistake leaves that of the last call.
  before = pathlib.Path('r.json').read_bytes()
  assert restoring.run('a.png', 'b.png', *options, '--mask', 'none.png') == 2
  assert pathlib.Path('r.json').read_bytes() == before


def test_a_log_of_the_user_s_own_is_no_report(capsys):
  restoring.make('a.png')
  line = '{"input": "a", "output": "b", "status": "restored"}\n'
  for mine in (
    line.replace('restored', 'ok'),
    line + '{"my": 1}\n',
    'x' + line,
  ):
    pathlib.Path('r.json').write_text(mine)
    assert restoring.run('a.png', 'out', '--json', 'r.json', '--level', 20) == 2
    assert 'not a report' in capsys.readouterr().err
    assert pathlib.Path('r.json').read_text() == mine
  # The last line of a call that was killed may be cut.
  pathlib.Path('r.json').write_text(line + line[:20])
  assert restoring.run('a.png', 'out', '--json', 'r.json', '--level', 20) == 0

"""The report: its lines, and its last one."""

import json
import pathlib

import pytest

from adafm_jax.errors import UserError
from adafm_jax.restore import report, workers
from adafm_jax.restore.pairs import Pair


def _outcome(status, **more):
  pair = Pair(pathlib.Path('a.png'), pathlib.Path('out/a.png'))
  return workers.Outcome(pair, status, **more)


def test_a_line_is_there_before_the_next_picture(tmp_path):
  path = tmp_path / 'new' / 'r.json'
  with report.opened(str(path)) as lines:
    for count in (1, 2):
      lines.add(report.picture(_outcome(workers.SKIPPED)))
      rows = [json.loads(line) for line in path.read_text().splitlines()]
      assert len(rows) == count
  assert rows[1] == {
    'input': 'a.png',
    'output': 'out/a.png',
    'status': 'skipped',
  }


def test_no_report_and_one_that_cannot_be_opened(tmp_path):
  with report.opened(None) as lines:
    lines.add({})
  assert lines.problem is None
  (tmp_path / 'file').touch()
  opening = report.opened(str(tmp_path / 'file' / 'r.json'))
  with pytest.raises(UserError, match='--json'), opening:
    pass


def test_the_summary_counts_each_kind():
  found = [_outcome(workers.RESTORED)] * 2 + [_outcome(workers.LEFT_ALONE)]
  found += [_outcome(workers.SKIPPED), _outcome(workers.FAILED, problem='No.')]
  assert report.summary(found, 9, 1.25, 'out') == (
    '9 picture(s): 2 restored, 1 left alone, 1 skipped, 1 failed, 4 left;'
    ' 1.2 s; out'
  )
  assert report.summary([], 0, 0, 'out') == (
    '0 picture(s): nothing to do; 0.0 s; out'
  )

import pathlib

import pytest

from adafm_jax.data import known
from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError
from adafm_jax.evaluate.protocol import Protocol
from adafm_jax.report import tables

ROOT = pathlib.Path(__file__).parents[2]


def _protocol_rows():
  """Set, split, images, task, channels, border, noise seed."""
  for name, rule in known.SETS.items():
    for task, how in rule.judged.items():
      count = rule.splits[rule.evaluate].count
      judged = (how.channels.upper(), how.border, how.seed)
      yield (name, rule.evaluate, count, task, *judged)


def test_protocols_are_the_papers():
  """facts.md of the paper: what each task's PSNR is taken on."""
  rows = {(row[0], row[3]): row[4:] for row in _protocol_rows()}
  assert rows == {
    ('cbsd68', 'denoise'): ('RGB', 0, 0),
    ('kodak24', 'denoise'): ('RGB', 0, 0),
    ('live1', 'dejpeg'): ('Y', 0, 0),
    ('set5', 'sr'): ('Y', 'scale', 0),
    ('set14', 'sr'): ('Y', 'scale', 0),
    ('div2k', 'sr'): ('Y', 'scale', 0),
  }
  for (name, task), (channels, *_) in rows.items():
    protocol = Protocol.of(task, judged=known.judged(name, task))
    assert protocol.channels == channels.lower()
    assert protocol.border(3.4) == (4 if task == 'sr' else 0)


def test_a_sets_own_protocol_is_used_and_others_have_the_tasks(monkeypatch):
  own = known.Judged('y', 6, 3)
  rule = known.ImageSet(
    'mine', {'test': known.KnownSplit()}, '', judged={'sr': own}
  )
  monkeypatch.setitem(known.SETS, 'mine', rule)
  assert known.judged('mine', 'sr') == own
  assert Protocol.of('sr', judged=own).border(4.0) == 6
  assert Protocol.of('denoise', judged=own).seed == 3
  assert known.judged('mine', 'denoise') == known.USUAL['denoise']
  assert known.judged('unknown', 'dejpeg') == known.USUAL['dejpeg']
  assert set(known.USUAL) == set(levels.TASKS)


def test_the_document_shows_the_table():
  header = ['set', 'split', 'images', 'task', 'PSNR on', 'border', 'noise seed']
  table = tables.markdown_table(header, list(_protocol_rows()))
  assert table.strip() in (ROOT / 'docs/data.md').read_text()


def test_sets_are_recognised_by_their_sizes():
  assert known.get('div2k').size_problem(1356, 2040) == ''
  assert known.get('div2k').size_problem(2040, 1356) == ''
  assert '2040' in known.get('div2k').size_problem(1356, 1020)
  assert known.get('set5').size_problem(344, 228) == ''
  assert '228' in known.get('set5').size_problem(342, 228)
  assert known.get('image_folder').size_problem(3, 5) == ''


def test_cbsd68_has_68_names_and_evaluation_splits_exist():
  assert len(known.CBSD68) == 68
  assert not known.CBSD68 & known.BSD_CROPS['set5']
  for name in known.evaluation_names():
    rule = known.get(name)
    assert rule.splits[rule.evaluate].count


def test_an_unknown_set_is_reported():
  with pytest.raises(UserError, match=r"no data set 'set6'; choose one of div"):
    known.get('set6')

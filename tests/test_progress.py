import io
import sys
import time

import pytest

from adafm_jax import progress


class _Terminal(io.StringIO):
  def isatty(self):
    return True


@pytest.mark.parametrize('live', [True, False])
def test_a_log_file_gets_few_lines(monkeypatch, live):
  stream = _Terminal() if live else io.StringIO()
  monkeypatch.setattr(sys, 'stderr', stream)
  with progress.bar('restoring', 'picture', total=50) as bar:
    for _ in range(50):
      time.sleep(0.01)
      bar.update()
  states = stream.getvalue().strip('\r\n').split('\r')
  assert '50/50' in states[-1]
  assert len(states) >= 4 if live else len(states) == 2  # the first, the last


def test_items_pass_through():
  assert list(progress.bar('a', 'b', items=iter('xyz'), quiet=True)) == [*'xyz']

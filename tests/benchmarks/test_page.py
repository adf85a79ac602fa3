"""The benchmark of the page starts the browser that all others start."""

import contextlib

import pytest

sync_api = pytest.importorskip(
  'playwright.sync_api', reason='the extra test is missing'
)

from benchmarks import page  # noqa: E402


def test_the_browser_is_the_one_of_the_environment(monkeypatch):
  monkeypatch.setenv('CHROMIUM', '/nowhere/chromium')
  monkeypatch.setattr('sys.argv', ['page', '--engines'])
  monkeypatch.setattr(page.timing, 'calibration', lambda: 1.0)
  served = contextlib.nullcontext('http://127.0.0.1/')
  monkeypatch.setattr(page, '_served', lambda model: served)
  with pytest.raises(sync_api.Error, match='/nowhere/chromium'):
    page.main()

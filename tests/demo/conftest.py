"""A real browser for the tests of the page."""

import pytest
from browsers import Visit, blank_page, chromium, served

from release.browser import WEBGPU


@pytest.fixture(scope='module')
def browser():
  with chromium(*WEBGPU) as launched:
    yield launched


@pytest.fixture(scope='module')
def engine(browser):
  """The page's engine, see `release.browser.Engine`."""
  with blank_page(browser) as found:
    yield found


@pytest.fixture(scope='module')
def address():
  """Where a server of two small models is."""
  with served() as found:
    yield found


@pytest.fixture
def visit(browser):
  """visit(base, **options of a context) -> Visit, checked at the end."""
  made = []

  def start(base, **options):
    made.append(Visit(browser, base, **options))
    return made[-1]

  yield start
  for each in made:
    each.context.close()
    assert each.complaints == []

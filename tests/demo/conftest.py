"""A real browser for the tests of the page."""

import pytest
from browsers import WEBGPU, Visit, chromium


@pytest.fixture(scope='module')
def browser():
  with chromium(*WEBGPU) as launched:
    yield launched


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

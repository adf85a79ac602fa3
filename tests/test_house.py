"""Who may import whom: rooms import rooms further down, never back up."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = 'adafm_jax'
# From top to bottom. Rooms on one line may import each other, without circles.
FLOORS = (
  ('main', 'sweep', 'cli'),
  ('commands',),
  ('demo', 'paper'),
  ('report', 'calibrate', 'zoo'),
  ('model', 'train'),
  ('evaluate', 'export', 'restore', 'prepare', 'config'),
  ('engine', 'estimate', 'data'),
  ('images', 'model_file'),
  ('models', 'degrade'),
  ('files', 'errors', 'version'),
)
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
# Forbidden though the floors would allow it.
NEVER = {
  'data': {'config'},
  'engine': {'files', 'model_file'},
  'models': {'files', 'data', 'config', 'images'},
  'degrade': {'files', 'data', 'config', 'images'},
}
ENTRY = {'main.py', 'sweep.py', 'cli.py', '__init__.py', 'data/prepare.py'}
ENTRY |= {'restore/bulk.py'}


def _imports(path):
  """Rooms of the package that a file imports, with their lines."""
  for node in ast.walk(ast.parse(path.read_text())):
    names = []
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    for name in names:
      first, _, rest = name.partition('.')
      if first == PACKAGE and rest:
        yield rest.partition('.')[0], node.lineno


def _arrows():
  """(file, its room, imported room, line) of every import that is judged."""
  for path in sorted((ROOT / PACKAGE).rglob('*.py')):
    name = path.relative_to(ROOT / PACKAGE).as_posix()
    room = name.partition('/')[0].removesuffix('.py')
    for other, line in _imports(path):
      if other != room and name not in ENTRY:
        yield name, room, other, line


def test_no_import_runs_back_up():
  wrong = [
    f'{name}:{line} imports {other}'
    for name, room, other, line in _arrows()
    if FLOOR[other] < FLOOR[room] or other in NEVER.get(room, ())
  ]
  assert wrong == []


def test_rooms_of_one_floor_have_no_circle():
  below = {room: set() for room in FLOOR}
  for _, room, other, _ in _arrows():
    below[room].add(other)
  left = set(FLOOR)
  while free := {room for room in left if not below[room] & left}:
    left -= free
  assert left == set()


def test_nothing_imports_what_stands_on_top():
  for path in (ROOT / PACKAGE).rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.ImportFrom):
        top = (node.module or '').partition('.')[0]
        assert top not in ('release', 'benchmarks', 'configs'), path


@pytest.mark.parametrize('room', ['base', 'utils', 'common', 'helpers'])
def test_no_room_for_everything(room):
  assert not list((ROOT / PACKAGE).rglob(f'{room}*'))

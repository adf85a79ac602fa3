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
  ('files', 'errors', 'progress', 'version'),
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


def _files():
  """The package's files by the names of their modules."""
  found = {}
  for path in sorted((ROOT / PACKAGE).rglob('*.py')):
    name = path.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')
    found[name.removesuffix('.__init__')] = path
  return found


def _names(path):
  """What a file imports, with the lines."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
      for alias in node.names:
        yield f'{node.module}.{alias.name}', node.lineno


def _imports(path):
  """Rooms of the package that a file imports, with their lines."""
  for name, line in _names(path):
    first, _, rest = name.partition('.')
    if first == PACKAGE and rest:
      yield rest.partition('.')[0], line


def _arrows():
  """(file, its room, imported room, line) of every import that is judged."""
  for path in _files().values():
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
  assert _in_circles(below) == set()


def _in_circles(below):
  """What imports itself in the end, and what imports such."""
  left = set(below)
  while free := {name for name in left if not below[name] & left}:
    left -= free
  return left


def test_files_have_no_circle():
  files = _files()
  below = {}
  for module, path in files.items():
    found = set()
    for name, _ in _names(path):
      while name and name not in files:
        name = name.rpartition('.')[0]
      found.add(name)
    below[module] = found - {'', module}
  assert _in_circles(below) == set()


def test_nothing_imports_what_stands_on_top():
  for path in (ROOT / PACKAGE).rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.ImportFrom):
        top = (node.module or '').partition('.')[0]
        assert top not in ('release', 'benchmarks', 'configs'), path


@pytest.mark.parametrize('room', ['base', 'utils', 'common', 'helpers'])
def test_no_room_for_everything(room):
  assert not list((ROOT / PACKAGE).rglob(f'{room}*'))


def test_a_module_has_one_alias():
  aliases = {}
  for folder in (PACKAGE, 'release', 'benchmarks', 'configs', 'tests'):
    for path in (ROOT / folder).rglob('*.py'):
      for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
          for x in node.names:
            name = f'{node.module}.{x.name}'
            aliases.setdefault(name, set()).add(x.asname or x.name)
  modules = aliases.keys() & _files().keys()
  assert {m: aliases[m] for m in modules if len(aliases[m]) > 1} == {}


def test_no_two_types_have_one_name():
  found = {}
  for folder in (PACKAGE, 'release', 'benchmarks'):
    for path in (ROOT / folder).rglob('*.py'):
      for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
          found.setdefault(node.name.lstrip('_'), []).append(path.name)
  assert {x: where for x, where in found.items() if len(where) > 1} == {}

"""Runs lists: trains and measures every variation once, whatever happens.

What is done is skipped, and what was cut is resumed. A run that fails is noted,
and the others go on. Several processes may work on one workdir: each variation
has a lock, and a process takes another one while it is held.
"""

from __future__ import annotations

import contextlib
import pathlib
import time
import traceback
from typing import NamedTuple

from adafm_jax import files
from adafm_jax.config.fields import Config
from adafm_jax.errors import UserError
from adafm_jax.paper import cost, learn, measure, systems
from adafm_jax.paper import folder as folders
from adafm_jax.paper.folder import FAILED, Folder
from adafm_jax.paper.lists import Lists
from adafm_jax.paper.variation import Variation
from adafm_jax.train import logs
from adafm_jax.train import workdir as workdirs

_POLL = 5  # seconds between looks at what other processes do


class Planned(NamedTuple):
  """A variation to train, and perhaps to measure.

  Attributes:
    v: the variation.
    folder: where it is trained.
    needs: names of the folders that must be trained first.
    measured: whether a list has it; else only others need its weights.
  """

  v: Variation
  folder: Folder
  needs: tuple[str, ...]
  measured: bool


def plan(lists: Lists, workdir: pathlib.Path) -> dict[str, Planned]:
  """Every variation and all that it needs, by folder, in an order that works.

  Args:
    lists: what is asked for.
    workdir: of the lists.
  """
  nodes: dict[str, Planned] = {}

  def add(v: Variation, measured: bool) -> str:
    needed = [add(x, False) for x in systems.SYSTEMS[v.system].needs(v)]
    folder = Folder(workdir, lists.base, v)
    name = folder.path.name
    if name not in nodes or measured:
      nodes[name] = Planned(v, folder, tuple(needed), measured)
    return name

  for v in lists.variations:
    add(v, True)
  return nodes


def run(lists: Lists, workdir: pathlib.Path) -> list[str]:
  """Runs lists to their end.

  Args:
    lists: what is asked for.
    workdir: created if missing.

  Returns:
    A sentence for each variation that failed.

  Raises:
    UserError: images are missing, the workdir holds something else, or the
      disk is full.
  """
  for v in lists.variations:  # before anything is written: it may fail
    learn.load(lists.base, v)
  folders.open_workdir(workdir, lists.preset, lists.base)
  nodes = plan(lists, workdir)
  clock = _Progress(lists.base, nodes)
  failed: dict[str, str] = {}
  pending, waiting = list(nodes), False
  while pending:
    left = [x for x in pending if not _try(lists.base, nodes, x, failed, clock)]
    if len(left) == len(pending):
      if not waiting:
        logs.say(f'waiting for other processes, which have {len(left)} run(s)')
      waiting = True
      time.sleep(_POLL)
    pending = left
  return list(failed.values())


def _try(
  base: Config,
  nodes: dict[str, Planned],
  name: str,
  failed: dict[str, str],
  clock: _Progress,
) -> bool:
  """Does one variation; False if another process is at it, or at its needs."""
  node = nodes[name]
  if broken := [x for x in node.needs if x in failed]:
    failed[name] = f'{node.v.title} needs {nodes[broken[0]].v.title}.'
    return True
  if not all(nodes[x].folder.trained for x in node.needs):
    return False
  if _done(base, node):
    return True
  if why := node.folder.failed_since(clock.begun):
    failed[name] = f'{node.v.title} failed in another process: {why}'
    return True
  try:
    path = node.folder.path
    with (
      files.locked(path / '.lock', 'busy'),
      workdirs.explaining_full_disk(path),
    ):
      clock.begin(node)
      _do(base, node, [nodes[x].folder for x in node.needs])
      clock.end()
  except files.BusyError:
    return False
  except Exception as error:  # the others must go on
    if workdirs.is_full(error):
      raise  # but they would come no further
    known = isinstance(error, UserError)
    text = str(error) if known else traceback.format_exc()
    failed[name] = f'{node.v.title} failed: {error}'
    logs.say(failed[name])
    with contextlib.suppress(UserError):
      files.write_text(node.folder.path / FAILED, f'{text}\n')
  return True


def _done(base: Config, node: Planned) -> bool:
  if not node.folder.trained:
    return False
  return not node.measured or measure.complete(base, node.v, node.folder)


def _do(base: Config, node: Planned, parents: list[Folder]) -> None:
  if not node.folder.trained:
    workdir = node.folder.path.parents[1]
    params = [folder.params() for folder in parents]
    learn.learn(base, node.v, workdir, node.folder, params)
  if node.measured:
    measure.measure_all(base, node.v, node.folder)
  (node.folder.path / FAILED).unlink(missing_ok=True)


class _Progress:
  """Says before and during a list how long it will take."""

  def __init__(self, base: Config, nodes: dict[str, Planned]):
    self._base, self._nodes = base, nodes
    self._expected, self._taken = 0.0, 0.0
    self._now = (0.0, 0.0)
    self.begun = time.time()
    todo = sum(not _done(base, node) for node in nodes.values())
    logs.say(
      f'{len(nodes)} runs, of which {len(nodes) - todo} are done; about'
      f' {logs.duration(self._left())} are left'
    )

  def _seconds(self, node: Planned) -> float:
    found = cost.training(self._base, node.v, node.folder)
    if node.measured:
      found += cost.measuring(self._base, node.v, node.folder)
    return found

  def _left(self) -> float:
    factor = self._taken / self._expected if self._expected else 1.0
    return factor * sum(self._seconds(x) for x in self._nodes.values())

  def begin(self, node: Planned) -> None:
    """Notes what is begun."""
    self._now = (self._seconds(node), time.monotonic())
    done = sum(_done(self._base, x) for x in self._nodes.values())
    logs.say(
      f'[{done} of {len(self._nodes)} done, about'
      f' {logs.duration(self._left())} left] {node.v.title}'
    )

  def end(self) -> None:
    """Notes what it took."""
    expected, begun = self._now
    self._expected += expected
    self._taken += time.monotonic() - begun

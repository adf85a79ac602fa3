"""Bulk work on the machines of a Ray cluster, by Ray Data.

Each actor loads the model once and takes blocks of pictures. If an actor is
killed, Ray starts another, which does the block again that was not reported.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import re
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adafm_jax.errors import UserError
from adafm_jax.restore import (
  manifest,
  objects,
  overwrite,
  recipe,
  report,
  workers,
)
from adafm_jax.restore.job import Job
from adafm_jax.restore.pairs import Pair

# Passes of the network in a block, which is done again if its actor dies.
_PASSES = 4
# Actors share a GPU with nobody, but take no memory before they need it.
_ENVIRONMENT = {'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'}


class PictureTask(NamedTuple):
  """A picture of a bulk job.

  Attributes:
    source: path or URI of the picture.
    result: the result's path below the output folder.
    problem: why there is no picture; or None.
  """

  source: str
  result: str
  problem: str | None = None


class Work(NamedTuple):
  """What the actors share beside the job.

  Attributes:
    output: folder or URI of the results.
    threads: that read, and as many that write, in each actor.
    batch: most pictures in one pass of the network.
    folder: that relative paths are relative to.
    replace: whether files of other programs are replaced.
  """

  output: str
  threads: int
  batch: int
  folder: str = '.'
  replace: bool = False


class Actor:
  """Restores blocks of pictures: what `map_batches` calls."""

  def __init__(self, make_job: Callable[[], Job], work: Work):
    # Ray starts actors where the machine joined its cluster. Who gives whole
    # paths only needs no such folder on every machine.
    with contextlib.suppress(OSError):
      os.chdir(work.folder)
    self._job, self._work = make_job(), work

  def __call__(self, block: Mapping[str, Any]) -> dict[str, list[str]]:
    """Rows as JSON (see `manifest.row`) of tasks as JSON, with a `line` each.

    Text, because Ray's tables hold neither names that are not UTF-8 nor
    columns that are empty in one block and not in another.
    """
    tasks = [PictureTask(*json.loads(text)) for text in block['task']]
    rows = restore(self._job, tasks, self._work)
    return {'row': [json.dumps(row) for row in rows]}


def restore(
  job: Job, tasks: Sequence[PictureTask], work: Work
) -> Iterator[dict[str, Any]]:
  """Restores pictures that may come from a store and go to one.

  Yields:
    The manifest's row of each task, and `line`, for the screen.
  """
  with tempfile.TemporaryDirectory(prefix='adafm-') as folder:
    staged = _Staged(tasks, work.output, pathlib.Path(folder))
    # Nothing was there when the work was shared out, but what a killed actor
    # wrote may be there now.
    places = frozenset(
      path
      for pair in staged.pairs
      for path in recipe.places(pair.target, job.recipe)
    )
    outcomes = workers.run(
      job,
      staged.pairs,
      threads=work.threads,
      batch=work.batch,
      existing=overwrite.Existing(replace=work.replace, claimed=places),
      before=staged.fetch,
      after=staged.put,
    )
    for outcome, task in zip(outcomes, tasks, strict=True):
      row = manifest.row(outcome, staged.output)
      row |= {
        'input': manifest.absolute(task.source),
        'line': report.line(outcome),
      }
      yield staged.with_uris(row, task, outcome.pair)


class _Staged:
  """Pictures of object stores as files in a folder, others where they are.

  Attributes:
    output: folder of the results.
    pairs: of the tasks, in order.
  """

  def __init__(
    self, tasks: Sequence[PictureTask], output: str, folder: pathlib.Path
  ):
    self._store = objects.open_store(output) if objects.is_uri(output) else None
    self.output = folder / 'out' if self._store else pathlib.Path(output)
    self.pairs = []
    self._uris = {}
    for index, task in enumerate(tasks):
      source = pathlib.Path(task.source)
      if objects.is_uri(task.source):
        source = folder / str(index) / objects.split(task.source)[1]
        self._uris[source] = task.source
      self.pairs.append(Pair(source, self.output / task.result, task.problem))

  def fetch(self, pair: Pair) -> None:
    """Brings a picture from its store; raises UserError."""
    if uri := self._uris.get(pair.source):
      place, name = objects.split(uri)
      objects.open_store(place).fetch(name, pair.source)

  def put(self, pair: Pair) -> None:
    """Brings a result to its store; raises UserError."""
    for path in (pair.target, recipe.sidecar(pair.target)):
      if self._store and path.exists():
        self._store.put(path, path.relative_to(self.output).as_posix())

  def with_uris(
    self, row: Mapping[str, Any], task: PictureTask, pair: Pair
  ) -> dict[str, Any]:
    """A row whose sentences name URIs, not the files that stand for them."""
    names = {os.fspath(pair.source): task.source}
    if self._store:
      names[os.fspath(pair.target)] = f'{self._store.uri}/{task.result}'
    found = dict(row)
    for field in ('error', 'line'):
      for path, uri in names.items():
        found[field] = found[field] and found[field].replace(path, uri)
    return found


def run(
  make_job: Callable[[], Job],
  tasks: Sequence[PictureTask],
  work: Work,
  actors: int | None = None,
) -> Iterator[dict[str, Any]]:
  """Restores pictures with as many actors, inside of `joined`; see `restore`.

  Args:
    make_job: called once in each actor; pickled.
    tasks: the pictures.
    work: how they are restored.
    actors: None takes one a GPU of the cluster, or one a machine without.

  Yields:
    Rows, as blocks are done.
  """
  import ray

  count, resources = _share(actors)
  blocks = -(-len(tasks) // (_PASSES * work.batch))
  found = ray.data.from_items(
    [{'task': json.dumps(task)} for task in tasks],
    override_num_blocks=max(1, blocks),
  ).map_batches(
    Actor,
    fn_constructor_args=(make_job, work),
    batch_size=None,
    compute=ray.data.ActorPoolStrategy(size=count),
    **resources,
  )
  for row in found.iter_rows():
    yield json.loads(row['row'])


def _share(actors: int | None) -> tuple[int, dict[str, Any]]:
  """How many actors, and what of the cluster each takes."""
  import ray

  gpus = int(ray.cluster_resources().get('GPU', 0))
  count = actors or gpus or sum(node['Alive'] for node in ray.nodes())
  resources: dict[str, Any] = {'num_cpus': 1, 'scheduling_strategy': 'SPREAD'}
  if gpus:
    resources['num_gpus'] = min(1.0, gpus / count)
  return count, resources


def _check_address(address: str | None) -> None:
  """Asks for a connection, since Ray tries an address for minutes."""
  parsed = re.fullmatch(r'(?:ray://)?\[?(.+?)\]?:(\d+)', address or '')
  if parsed is None:
    return
  try:
    socket.create_connection((parsed[1], int(parsed[2])), timeout=10).close()
  except (OSError, OverflowError) as error:
    raise UserError(
      f'Nothing answers at --address {address}: {error}. It is HOST:PORT of the'
      " cluster's head, or auto on one of its machines."
    ) from error


@contextlib.contextmanager
def joined(address: str | None) -> Iterator[None]:
  """Joins a Ray cluster. Do this before JAX starts: Ray forks.

  Args:
    address: of the cluster; None starts one on this machine, and stops it.

  Raises:
    UserError: Ray is missing, or there is no such cluster.
  """
  os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
  try:
    import ray
    import ray.data
  except ImportError as error:
    raise UserError(
      "This needs Ray Data: pip install 'adafm_jax[batch]'."
    ) from error
  _check_address(address)
  try:
    ray.init(
      address or 'local',
      runtime_env={'env_vars': _ENVIRONMENT},
      logging_level=logging.WARNING,
      log_to_driver=False,
      include_dashboard=None if address else False,
    )
  except (ConnectionError, ValueError) as error:
    raise UserError(
      f'There is no Ray cluster at --address {address}: {error}.'
    ) from error
  logging.getLogger('ray.data').setLevel(logging.WARNING)
  ray.data.DataContext.get_current().enable_progress_bars = False
  try:
    yield
  finally:
    ray.shutdown()

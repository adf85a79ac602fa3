"""Times training steps of one process and of several that share a batch.

  python -m benchmarks.processes --output benchmarks/results/processes-cpu.json

On a busy machine `busy`, the seconds of all cores, changes little.

Every arrangement keeps its processes for the whole run, each on the cores it is
given, and they take turns: an arrangement sleeps while another is timed. Beside
the steps it measures what the model of docs/scaling.md needs: the bytes that
the compiled step exchanges, and how long sums of such sizes take.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from adafm_jax import files
from benchmarks import timing
from benchmarks import trainer as trainers

# Cores of each process; a process of two cores has a device a core.
ARRANGEMENTS = {
  'one core': [[0]],
  'one process, two cores': [[0, 1]],
  'two processes': [[0], [1]],
  'four processes': [[0], [1], [0], [1]],
}
SUMS = (2**10, 2**14, 2**18, 2**22, 2**24)  # bytes


def _work(spec: dict[str, Any]) -> None:
  """A process: answers a JSON line for each on stdin."""
  os.sched_setaffinity(0, spec['cores'])
  import jax

  from adafm_jax.train import mesh as meshes

  jax.config.update('jax_platforms', 'cpu')
  jax.config.update('jax_num_cpu_devices', len(spec['cores']))
  if spec['processes'] > 1:
    meshes.join_processes(spec['place'], spec['processes'], spec['process'])
  trainer = trainers.Trainer(spec['network'])
  for line in sys.stdin:
    name, *arguments = json.loads(line)
    print('answer', json.dumps(getattr(trainer, name)(*arguments)), flush=True)
  os._exit(0)  # the others leave, too; nobody waits


class Arrangement:
  """Processes that train together."""

  def __init__(self, cores: list[list[int]], network: dict[str, Any]):
    with socket.socket() as free:
      free.bind(('127.0.0.1', 0))
      place = f'127.0.0.1:{free.getsockname()[1]}'
    spec = {'processes': len(cores), 'place': place, 'network': network}
    command = [sys.executable, '-m', 'benchmarks.processes', '--work']
    self._processes = [
      subprocess.Popen(
        [*command, json.dumps(spec | {'process': i, 'cores': own})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
      )
      for i, own in enumerate(cores)
    ]

  def __enter__(self) -> Arrangement:
    return self

  def __exit__(self, *_: object) -> None:
    for process in self._processes:
      process.kill()
      process.wait()

  def ask(self, *command: Any) -> list[Any]:
    """What each process answers."""
    for process in self._processes:
      process.stdin.write(json.dumps(command) + '\n')
      process.stdin.flush()
    return [self._answer(process) for process in self._processes]

  def _answer(self, process: subprocess.Popen) -> Any:
    for line in process.stdout:
      if line.startswith('answer '):
        return json.loads(line.removeprefix('answer '))
    raise RuntimeError(f'a process ended with code {process.wait()}')


def main() -> None:
  """Measures, prints and writes the result."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--work', help=argparse.SUPPRESS)
  add('--features', type=int, default=64)
  add('--blocks', type=int, default=16)
  add('--kernel', type=int, default=1)
  add('--batch', type=int, default=8)
  add('--patch', type=int, default=48)
  add('--stages', nargs='*', default=list(trainers.STAGES))
  add('--rounds', type=int, default=5)
  add('--steps', type=int, default=2, help='in a row')
  add('--arrangements', nargs='*', default=list(ARRANGEMENTS))
  add('--output', type=pathlib.Path, help='JSON file for the result')
  options = parser.parse_args()
  if options.work:
    _work(json.loads(options.work))
    return
  for result in measure(options):
    if options.output:
      files.write_json(options.output, {**timing.machine(), **result})


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
  """What is measured so far, each time that there is more of it."""
  network = {name: getattr(options, name) for name in ('features', 'blocks')}
  network['kernel'] = options.kernel
  result: dict[str, Any] = {
    **{'network': network, 'batch': options.batch, 'patch': options.patch},
    **{'rounds': options.rounds, 'exchanged': {}, 'sums': {}, 'steps': {}},
  }
  with contextlib.ExitStack() as stack:
    groups = {
      name: stack.enter_context(Arrangement(ARRANGEMENTS[name], network))
      for name in options.arrangements
    }
    shared = {n: g for n, g in groups.items() if n != 'one core'}
    for first in list(shared.values())[:1]:
      for stage in trainers.STAGES:
        result['exchanged'][stage] = first.ask('exchanged', stage)[0]
    yield result
    for size in SUMS:
      found = _in_turns(shared, options.rounds, 'sum', size)
      result['sums'][size] = {n: _seconds(x) for n, x in found.items()}
    yield result
    for stage in options.stages:
      task = ('step', stage, options.batch, options.patch)
      for group in groups.values():
        group.ask(*task, 1)  # compiles
      found = _in_turns(groups, options.rounds, *task, options.steps)
      result['steps'][stage] = {
        name: {
          **_seconds([[x[0] for x in one] for one in answers]),
          'busy': statistics.median(sum(x[1] for x in one) for one in answers),
        }
        for name, answers in found.items()
      }
      print(stage, result['steps'][stage], flush=True)
      yield result


def _in_turns(
  groups: dict[str, Arrangement], rounds: int, *command: Any
) -> dict[str, list[list[Any]]]:
  """The answers of all processes of each arrangement, by round."""
  found: dict[str, list[list[Any]]] = {name: [] for name in groups}
  for _ in range(rounds):
    for name, group in groups.items():
      found[name].append(group.ask(*command))
  return found


def _seconds(answers: list[list[float]]) -> dict[str, float]:
  """Median and least over the rounds, of the slowest process in each."""
  slowest = [max(one) for one in answers]
  return {'seconds': statistics.median(slowest), 'best': min(slowest)}


if __name__ == '__main__':
  main()

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
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from adafm_jax import files
from benchmarks import timing

# Cores of each process; a process of two cores has a device a core.
ARRANGEMENTS = {
  'one core': [[0]],
  'one process, two cores': [[0, 1]],
  'two processes': [[0], [1]],
  'four processes': [[0], [1], [0], [1]],
}
STAGES = ('basic', 'adapt', 'path')
SUMS = (2**10, 2**14, 2**18, 2**22, 2**24)  # bytes
_REPEATS = 5  # sums in a row
_DTYPES = {'f32': 4, 's32': 4, 'u32': 4, 'pred': 1}


class Trainer:
  """Runs in a process of an arrangement: steps, and sums over the devices."""

  def __init__(self, network: dict[str, Any], seed: int = 0):
    import numpy as np

    from adafm_jax.data import bank as banks
    from adafm_jax.train import mesh as meshes

    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (160, 160, 3), np.uint8) for _ in range(8)]
    self._mesh = meshes.make_mesh()
    self._bank = meshes.replicate(banks.build(images), self._mesh)
    self._network, self._stages = network, {}

  def _constants(self, stage: str, batch: int, patch: int):
    import jax
    import numpy as np

    from adafm_jax.config.fields import StageConfig
    from adafm_jax.models import restorer
    from adafm_jax.models.architecture import Architecture
    from adafm_jax.train import optim
    from adafm_jax.train import step as steps

    arch = Architecture(**self._network)
    if stage == 'basic':
      arch = arch.basic
    elif stage == 'path':
      arch = Architecture(**self._network, path='hats', bends=3)
    params = restorer.init(jax.random.key(0), arch.basic)
    params = restorer.insert_adafm(params, arch) if arch.kernel else params
    levels = np.linspace(15, 75, 5 if stage == 'path' else 1, dtype=np.float32)
    constants = steps.StageConstants(
      apply=restorer.make_apply(arch, lowering='train'),
      stage=StageConfig(steps=10**6, batch=batch, patch=patch),
      labels=optim.label_parameters(params, optim.STAGE_RULES[stage]),
      points=steps.Points(levels, levels / 75, np.ones_like(levels)),
      noise='clipped',
      mesh=self._mesh,
    )
    return constants, params

  def step(
    self, stage: str, batch: int, patch: int, count: int
  ) -> tuple[float, float]:
    """Seconds of a step on the clock, and of this process' cores."""
    import jax

    from adafm_jax.train import mesh as meshes
    from adafm_jax.train import step as steps

    if (stage, batch, patch) not in self._stages:
      constants, params = self._constants(stage, batch, patch)
      fresh = meshes.replicate(steps.init_state(constants, params), self._mesh)
      run = steps.make_dispatch(constants, jax.random.key(0), 1)
      self._stages[stage, batch, patch] = [run, steps.TrainState(*fresh)]
    kept = self._stages[stage, batch, patch]
    began, busy = time.perf_counter(), time.process_time()
    kept[1], metrics = kept[0](kept[1], self._bank, count)
    jax.block_until_ready(metrics)
    busy = time.process_time() - busy
    return (time.perf_counter() - began) / count, busy / count

  def exchanged(self, stage: str) -> dict[str, int]:
    """Bytes that a step sums over the devices, by its compiled program."""
    import functools

    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    from adafm_jax.train import mesh as meshes
    from adafm_jax.train import step as steps

    constants, params = self._constants(stage, 2, 16)
    fresh = meshes.replicate(steps.init_state(constants, params), self._mesh)
    step = functools.partial(steps.train_step, constants, jax.random.key(0))
    everywhere = NamedSharding(self._mesh, PartitionSpec())
    compiled = (
      jax.jit(step, out_shardings=everywhere)
      .lower(self._bank, steps.TrainState(*fresh))
      .compile()
    )
    weights = sum(x.size * 4 for x in jax.tree.leaves(params))
    return {'summed': summed_bytes(compiled.as_text()), 'weights': weights}

  def sum(self, size: int) -> float:
    """Seconds of one sum over the devices of an array of `size` bytes."""
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    count = self._mesh.size
    parts = NamedSharding(self._mesh, PartitionSpec('data'))
    everywhere = NamedSharding(self._mesh, PartitionSpec())
    rows = np.ones((jax.local_device_count(), size // 4), np.float32)
    array = jax.make_array_from_process_local_data(
      parts, rows, (count, size // 4)
    )
    total = jax.jit(lambda x: x.sum(axis=0), out_shardings=everywhere)
    jax.block_until_ready(total(array))
    began = time.perf_counter()
    for _ in range(_REPEATS):
      jax.block_until_ready(total(array))
    return (time.perf_counter() - began) / _REPEATS


def summed_bytes(program: str) -> int:
  """Bytes of the arrays that a compiled program sums over the devices."""
  found = 0
  for line in program.splitlines():
    if match := re.search(r'= (.*?) all-reduce(?:-start)?\(', line):
      for name, shape in re.findall(r'(\w+)\[([\d,]*)\]', match[1]):
        count = 1
        for side in filter(None, shape.split(',')):
          count *= int(side)
        found += count * _DTYPES[name]
  return found


def _work(spec: dict[str, Any]) -> None:
  """A process: answers a JSON line for each on stdin."""
  os.sched_setaffinity(0, spec['cores'])
  import jax

  from adafm_jax.train import mesh as meshes

  jax.config.update('jax_platforms', 'cpu')
  jax.config.update('jax_num_cpu_devices', len(spec['cores']))
  if spec['processes'] > 1:
    meshes.join_processes(spec['place'], spec['processes'], spec['process'])
  trainer = Trainer(spec['network'])
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
  add('--stages', nargs='*', default=list(STAGES))
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
      for stage in STAGES:
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

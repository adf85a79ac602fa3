"""What a process of `benchmarks.processes` times: steps, and sums."""

from __future__ import annotations

import re
import time
from typing import Any

STAGES = ('basic', 'adapt', 'path')
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

    from adafm_jax.config.stages import StageConfig
    from adafm_jax.models import parameters, restorer
    from adafm_jax.models.architecture import Architecture
    from adafm_jax.train import optim
    from adafm_jax.train import step as steps

    arch = Architecture(**self._network)
    if stage == 'basic':
      arch = arch.basic
    elif stage == 'path':
      arch = Architecture(**self._network, path='hats', bends=3)
    params = restorer.init(jax.random.key(0), arch.basic)
    params = parameters.insert_adafm(params, arch) if arch.kernel else params
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

"""Measures whether reading from disk keeps up with the training step.

  python benchmarks/streaming.py --data_dir DATA --dataset bsds

Prints how many patches per second the stream delivers alone, for several
numbers of worker processes, and how many steps per second each network takes
from the device and from the stream. The two placements take turns, so that
other work on the machine slows both: trust the ratio more than the rates.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from adafm_jax import files
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config, ModelConfig
from adafm_jax.data import prepared, stream
from adafm_jax.errors import UserError, entry_point
from adafm_jax.models import restorer
from adafm_jax.report import tables
from adafm_jax.train import feed, optim
from adafm_jax.train import images as training
from adafm_jax.train import mesh as meshes
from adafm_jax.train import step as steps

# Features and blocks, batch and patch: a small network's and the paper's.
NETS = {'small': (32, 4, 8, 48), 'full': (64, 16, 16, 96)}


def make_config(options: argparse.Namespace, net: str) -> Config:
  """The config whose basic stage is timed."""
  features, blocks, batch, patch = NETS[net]
  base = configs.parse({})
  stage = dataclasses.replace(base.train, batch=batch, patch=patch, steps=10**6)
  return dataclasses.replace(
    base,
    model=ModelConfig(features=features, blocks=blocks),
    train=stage,
    adapt=stage,
    data=dataclasses.replace(
      base.data,
      train=f'tfds:{options.dataset}/train',
      data_dir=str(options.data_dir),
    ),
  )


def stream_rates(
  config: Config, split: prepared.Split, workers: Sequence[int], count: int
) -> list[tuple[int, float]]:
  """(workers, patches per second) of the stream alone."""
  stage = config.train
  found = []
  for number in workers:
    batches = stream.Batches(
      split.records(3),
      seed=(0, 0),
      batch=stage.batch,
      patch=stage.patch,
      steps=stage.steps,
    )
    with stream.read(batches, 0, number) as read:
      for _ in range(4 * max(1, number)):  # start-up and batches kept ready
        next(read)
      begin = time.perf_counter()
      for _ in range(count):
        next(read)
      seconds = time.perf_counter() - begin
    found.append((number, count * stage.batch / seconds))
  return found


class Timed:
  """The basic stage of a network with one placement."""

  def __init__(self, config: Config, split: prepared.Split, placement: str):
    data = dataclasses.replace(config.data, placement=placement)
    self.config = dataclasses.replace(config, data=data)
    self.split = split
    mesh = meshes.make_mesh()
    arch = config.arch.basic
    params = restorer.init(jax.random.key(0), arch)
    constants = steps.StageConstants(
      apply=restorer.make_apply(arch),
      stage=config.train,
      labels=optim.label_parameters(params, optim.STAGE_RULES['basic']),
      points=steps.Points.single(config.start, 0),
      noise='clipped',
      mesh=mesh,
    )
    state = steps.init_state(constants, params)
    self.state = steps.TrainState(*meshes.replicate(state, mesh))
    self.mesh = mesh
    # As in a run: many steps in one call if that is faster.
    many = placement == 'device' and jax.default_backend() != 'cpu'
    self.dispatch = steps.make_dispatch(
      constants, jax.random.key(0), 100 if many else 1
    )

  @contextlib.contextmanager
  def opened(self) -> Iterator[steps.Feed]:
    """The training images, as a run has them."""
    with feed.open_feed(
      self.config,
      self.split,
      stage=self.config.train,
      levels=[self.config.start],
      index=0,
      start=0,
      mesh=self.mesh,
    ) as found:
      yield found

  def seconds(self, source: steps.Feed, count: int) -> float:
    """Time of some steps, waiting for all of them to finish."""
    begin = time.perf_counter()
    self.state, metrics = self.dispatch(self.state, source, count)
    jax.block_until_ready((self.state, metrics))
    return time.perf_counter() - begin


def step_rates(
  config: Config, split: prepared.Split, rounds: int, budget: float
) -> dict[str, Any]:
  """Steps per second with both placements, which take turns.

  Args:
    config: of the network.
    split: training images.
    rounds: turns of each placement.
    budget: seconds that a turn should take.

  Returns:
    Medians of steps per second (steps_device, steps_stream), and of their ratio
    in each round.
  """
  timed = {p: Timed(config, split, p) for p in ('device', 'stream')}
  found: dict[str, list[float]] = {p: [] for p in timed}
  with contextlib.ExitStack() as stack:
    feeds = {p: stack.enter_context(t.opened()) for p, t in timed.items()}
    for p, t in timed.items():
      t.seconds(feeds[p], 2)  # compiles and starts the workers
    once = timed['device'].seconds(feeds['device'], 2) / 2
    count = max(2, round(budget / once))
    for _ in range(rounds):
      for p, t in timed.items():
        found[p].append(count / t.seconds(feeds[p], count))
  pairs = zip(found['stream'], found['device'], strict=True)
  return {
    'steps_device': statistics.median(found['device']),
    'steps_stream': statistics.median(found['stream']),
    'ratio': statistics.median(s / d for s, d in pairs),
    'rounds': rounds,
    'steps_a_round': count,
  }


def measure(options: argparse.Namespace) -> dict[str, Any]:
  """All measurements, as JSON values."""
  found: dict[str, Any] = {
    'device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
    'dataset': options.dataset,
    'nets': {},
  }
  for net in options.nets.split(','):
    if net not in NETS:
      raise UserError(f'--nets has {net!r}; choose from {", ".join(NETS)}.')
    config = make_config(options, net)
    split = training.load(config).train
    if not isinstance(split, prepared.Split):
      raise UserError(f'{options.dataset} is not a prepared set.')
    rates = stream_rates(config, split, options.workers, options.batches)
    steps_found = step_rates(config, split, options.rounds, options.seconds)
    found['nets'][net] = {
      'batch': config.train.batch,
      'patch': config.train.patch,
      'stream_alone': [{'workers': w, 'images': r} for w, r in rates],
      **steps_found,
    }
  return found


def show(found: dict[str, Any]) -> str:
  """The measurements as a table."""
  rows = []
  for net, values in found['nets'].items():
    batch = values['batch']
    alone = max(values['stream_alone'], key=lambda row: row['images'])
    rows.append(
      [
        net,
        f'{batch} x {values["patch"]}',
        values['steps_device'],
        values['steps_stream'],
        values['ratio'],
        batch * values['steps_device'],
        alone['images'],
        alone['workers'],
      ]
    )
  header = ['net', 'batch x patch', 'steps/s device', 'steps/s stream', 'ratio']
  header += ['images/s needed', 'images/s of the stream', 'with workers']
  table = tables.text_table(header, rows, decimals=(0, 0, 2, 2, 3, 0, 0, 0))
  lines = [f'{found["dataset"]} on {found["device"]}', '', table]
  return '\n'.join(lines)


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    description='Times the stream alone, and training steps that use it.'
  )
  add = parser.add_argument
  add('--data_dir', type=pathlib.Path, required=True, help='prepared sets')
  add('--dataset', default='bsds', help='prepared set with a split train')
  add('--nets', default='small,full', help='small, full or both')
  add('--workers', type=int, nargs='+', default=[0, 1, 2], help='to try')
  add('--batches', type=int, default=200, help='to read from the stream alone')
  add('--rounds', type=int, default=5, help='turns of each placement')
  add('--seconds', type=float, default=5.0, help='of a turn, roughly')
  add('--json', type=pathlib.Path, help='also write JSON to this file')
  return parser


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """Measures, prints a table, and writes JSON if asked."""
  options = _parser().parse_args(argv)
  found = measure(options)
  print(show(found))
  if options.json:
    files.write_json(options.json, found)


if __name__ == '__main__':
  sys.exit(main())

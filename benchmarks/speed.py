"""Times restoring, sweeping and training against the same network in PyTorch.

  python -m benchmarks.speed --output benchmarks/results/cpu.json

Prints a table of ratios: PyTorch's seconds divided by ours, so above 1 we are
faster. All functions of a row take turns in one process. PyTorch runs as in the
authors' tool, eagerly and one strength after another with reloaded weights, in
its default layout (NCHW) and in the faster channels_last. Each row has its own
process; one that trains has a device for each core, as `adafm_jax.main` has.
Memory that was freed is kept, as in our commands; PyTorch gains by it too.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import pathlib
from concurrent import futures

import jax
import jax.numpy as jnp
import numpy as np

from adafm_jax import files
from adafm_jax.config.stages import StageConfig
from adafm_jax.engine import heap
from adafm_jax.engine import tiles as tiling
from adafm_jax.engine.run import Network
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.report import tables
from adafm_jax.train import mesh as meshes
from adafm_jax.train import optim
from adafm_jax.train import step as steps
from benchmarks import timing

SWEEP = np.linspace(0, 1, 11, dtype=np.float32)
PEERS = ('nchw', 'channels_last', 'onnxruntime')
HEADER = ('what', 'ours', *(x for peer in PEERS for x in (peer, 'ratio')))
DECIMALS = (0, 3, *(3, 2) * len(PEERS))


def make_weights(arch: Architecture) -> restorer.Params:
  """Weights that keep the scale of the features; AdaFM layers are not zero."""
  rng = np.random.default_rng(0)

  def draw(shape):
    fan_in = np.prod(shape.shape[:-1]) if len(shape.shape) > 1 else 400
    return jnp.asarray(rng.normal(0, fan_in**-0.5, shape.shape), jnp.float32)

  return jax.tree.map(draw, restorer.parameter_shapes(arch))


def make_image(size: int, batch: int = 1) -> np.ndarray:
  """Noise: the content of an image does not change the time."""
  return np.random.default_rng(1).random((batch, size, size, 3), np.float32)


def twins(arch, params):
  """The PyTorch network in both layouts, by the name of the layout."""
  import torch

  from benchmarks import twin

  plain = twin.Twin(arch, params)
  last = twin.Twin(arch, params).to(memory_format=torch.channels_last)
  return {'nchw': plain, 'channels_last': last}


def ours(arch, params, size):
  """One strength of one image, as `adafm restore` runs it."""
  network, image = Network(arch, params, memory=2**40), make_image(size)
  return lambda: network.restore(image, 0.5)


def tiled(arch, params, size, side=256):
  """The same in tiles."""
  tiler, image = tiling.make_tiler(arch, side), make_image(size)
  out = np.empty_like(image)
  return lambda: tiling.restore(tiler, params, image, 0.5, out)


def restoring(arch, size, repeats):
  """Seconds of one image at one strength; checks that all give the same."""
  from benchmarks import twin

  params, image = make_weights(arch), make_image(size)
  functions = {'ours': ours(arch, params, size)}
  nets = twins(arch, params)
  for name, net in nets.items():
    functions[name] = functools.partial(twin.restore, net, image, 0.5)
  if session := twin.onnx_restore(nets['nchw'], image, 0.5):
    functions['onnxruntime'] = session
  _check_equal(functions)
  if size >= 1024:
    functions['tiles'] = tiled(arch, params, size)
  return timing.interleaved(functions, repeats)


def sweeping(arch, size, repeats):
  """Seconds of eleven strengths of one image."""
  from benchmarks import twin

  params, image = make_weights(arch), make_image(size)
  network = Network(arch, params, memory=2**31)

  def ours_():
    return np.concatenate(list(network.sweep(image, SWEEP)))

  functions = {'ours': ours_}
  for name, net in twins(arch, params).items():
    functions[name] = functools.partial(twin.sweep, net, image, SWEEP)
  _check_equal(functions)
  return timing.interleaved(functions, repeats)


def training(arch, stage, batch, patch, repeats, dtype='float32'):
  """Seconds of one optimizer step of either stage, with degradation."""
  import torch

  from benchmarks import twin

  meshes.use_all_cores([batch])
  adapting = stage == 'adapt'
  params = make_weights(arch if adapting else arch.basic)
  functions = {'ours': _our_step(arch, params, stage, batch, patch, dtype)}
  clean = torch.rand(batch, 3, patch, patch)
  for name, net in twins(arch if adapting else arch.basic, params).items():
    step = twin.train_step(net, adapting)

    def run(step=step):
      noisy = (clean + torch.randn_like(clean) * 15 / 255).clamp(0, 1)
      return step(noisy, clean)

    functions[name] = run
  return timing.interleaved(functions, repeats)


def _our_step(arch, params, stage, batch, patch, dtype):
  mesh = meshes.make_mesh()
  apply_arch = arch if stage == 'adapt' else arch.basic
  constants = steps.StageConstants(
    apply=restorer.make_apply(
      apply_arch, dtype=jnp.dtype(dtype), lowering='train'
    ),
    stage=StageConfig(batch=batch, patch=patch),
    labels=optim.label_parameters(params, optim.STAGE_RULES[stage]),
    points=steps.Points.single(15, stage == 'adapt'),
    noise='clipped',
    mesh=mesh,
  )
  from adafm_jax.data import bank as banks

  photo = (make_image(480)[0] * 255).astype(np.uint8)
  bank = meshes.replicate(banks.build([photo]), mesh)
  fresh = steps.init_state(constants, params)
  state = [steps.TrainState(*meshes.replicate(fresh, mesh))]
  dispatch = steps.make_dispatch(constants, jax.random.key(0), 1)

  def run():
    state[0], metrics = dispatch(state[0], bank, 1)
    return float(metrics.loss)

  return run


def _check_equal(functions):
  wanted = functions['ours']()
  for name, function in functions.items():
    found = np.asarray(function()).reshape(wanted.shape)
    apart = np.abs(found - wanted).max() / np.abs(wanted).max()
    if apart > 1e-4:
      raise SystemExit(f'{name} gives another picture, by {apart:.1e}')


def measure(options) -> dict[str, dict[str, float]]:
  """Every row of the table: seconds by function."""
  rows = {}
  for kernel in (1, 5):
    arch = Architecture(options.features, options.blocks, 3, kernel)
    for size in options.sizes:
      repeats = max(3, options.repeats * 256 // size)
      name = f'{size}x{size}, k={kernel}'
      rows[name] = _alone(restoring, arch, size, repeats)
      show(name, rows[name])
    name = f'11 strengths of 256x256, k={kernel}'
    rows[name] = _alone(sweeping, arch, 256, max(3, options.repeats // 3))
    show(name, rows[name])
    for stage in ('adapt',) if kernel > 1 else ('basic', 'adapt'):
      name = f'training step, {stage}, 16 x 96x96, k={kernel}'
      rows[name] = _alone(training, arch, stage, 16, 96, options.repeats)
      show(name, rows[name])
  return rows


def _alone(function, *args):
  """The function's result, from a process of its own."""
  context = multiprocessing.get_context('spawn')
  with futures.ProcessPoolExecutor(1, context) as pool:
    pool.submit(heap.keep).result()
    return pool.submit(function, *args).result()


def show(name, seconds):
  """Prints a row as soon as it is measured."""
  print(name, {k: round(v, 3) for k, v in seconds.items()}, flush=True)


def table(rows) -> str:
  """The rows as text: seconds, and each peer's divided by ours."""
  lines = []
  for name, seconds in rows.items():
    for kind in ('ours', 'tiles'):
      if kind in seconds:
        title = name if kind == 'ours' else f'{name}, in tiles'
        mine = seconds[kind]
        peers = [seconds.get(peer) for peer in PEERS]
        cells = [(p, p / mine) if p else (None, None) for p in peers]
        lines.append([title, mine, *(x for cell in cells for x in cell)])
  return tables.markdown_table(HEADER, lines, decimals=DECIMALS)


def main():
  """Measures and prints."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  add = parser.add_argument
  add('--features', type=int, default=64)
  add('--blocks', type=int, default=16)
  add('--sizes', type=int, nargs='+', default=[256, 512, 1024])
  add('--repeats', type=int, default=9, help='of a 256x256 image')
  add('--output', type=pathlib.Path, help='JSON file for the result')
  options = parser.parse_args()
  machine = _alone(timing.machine)
  print(machine['gflops'])
  rows = measure(options)
  print(table(rows))
  if options.output:
    kept = {
      **machine,
      'after': _alone(timing.calibration),
      'network': f'{options.features} features x {options.blocks} blocks',
      'seconds': rows,
    }
    files.write_json(options.output, kept)


if __name__ == '__main__':
  main()

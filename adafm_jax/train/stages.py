"""The stages of a run: basic model and AdaFM (paper section 3.4), and beyond.

The basic model learns the start level. AdaFM layers are then inserted at
identity and learn the end level while every weight of the backbone is frozen.
On a bent path (`models.path`) the bends learn the levels between, while the
backbone and both ends are frozen. The joint stage, if it is wanted, then trains
all weights at all levels.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp

from adafm_jax.config.fields import Config
from adafm_jax.config.stages import StageConfig
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError
from adafm_jax.models import networks, parameters, restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import checkpoint, feed, initial, logs, loop, optim
from adafm_jax.train import mesh as meshes
from adafm_jax.train import step as steps
from adafm_jax.train.images import Images
from adafm_jax.train.step import Points, TrainState

# Makes the validation of one stage: (architecture, level, strength).
MakeValidate = Callable[[Architecture, float, float], loop.Validate]
# Each stage by the name of its checkpoints, and its config field.
FIELDS = {
  'basic': 'train',
  'adapt': 'adapt',
  'path': 'path',
  'joint': 'joint',
}


@dataclasses.dataclass(frozen=True)
class Run:
  """What the stages of a run share.

  Attributes:
    config: of the experiment; `data.placement` is decided, not 'auto'.
    workdir: for checkpoints (in `checkpoints`) and TensorBoard events (in
      `events`).
    images: training images.
    make_validate: makes the function that measures weights during a stage.
    grid: patches begin at multiples of it, pixels.
  """

  config: Config
  workdir: pathlib.Path
  images: Images
  make_validate: MakeValidate
  grid: int = 1


def train(run: Run) -> restorer.Params:
  """Runs, or resumes, the basic stage and the adaptation.

  Returns:
    The weights of AdaFM-Net on a straight path.

  Raises:
    UserError: a batch doesn't fit the devices, or training diverged.
  """
  config = run.config
  for field in config.used_stages:  # of later stages too, before hours of work
    batch = getattr(config, field).batch
    meshes.check_batch(field, batch, meshes.make_mesh())
  params = initial.basic(config)
  if not config.train.steps:
    logs.say(f'basic: the backbone of {config.model.init}')
  elif latest_step(run.workdir, 'adapt') is None:
    points = Points.single(config.start, 0.0)
    params = learn(run, 'basic', config.arch.basic, params, points)
  else:
    logs.say('basic: done before')
  return adapt(run, params)


def adapt(run: Run, params: restorer.Params) -> restorer.Params:
  """Runs, or resumes, the adaptation alone, for `config.end`.

  Args:
    run: `config.adapt` sets the steps.
    params: of the basic model.

  Returns:
    The weights of AdaFM-Net on a straight path.

  Raises:
    UserError: training diverged.
  """
  config = run.config
  params = parameters.insert_adafm(params, config.arch)
  points = Points.single(config.end, 1.0)
  return learn(run, 'adapt', config.arch, params, points)


def train_further(run: Run, params: restorer.Params) -> restorer.Params:
  """Runs, or resumes, the basic stage alone, from given weights.

  The result serves `config.start` alone; an AdaFM-Net's middle levels are
  compared with it.

  Args:
    run: `config.train` sets the steps.
    params: of the basic model, to start from.

  Returns:
    The weights of the basic model.

  Raises:
    UserError: as `train`.
  """
  points = Points.single(run.config.start, 0.0)
  return learn(run, 'basic', run.config.arch.basic, params, points)


def bend(run: Run, params: restorer.Params, points: Points) -> restorer.Params:
  """Runs, or resumes, the stage that learns the path between the ends.

  Args:
    run: its `config.path` is not a line.
    params: of AdaFM-Net on a straight path.
    points: levels between the ends, with the strength and weight of each.

  Returns:
    The weights on the bent path; at strengths 0 and 1 the network is unchanged.

  Raises:
    UserError: as `train`.
  """
  arch = run.config.bent
  return learn(run, 'path', arch, parameters.insert_adafm(params, arch), points)


def join(run: Run, params: restorer.Params, points: Points) -> restorer.Params:
  """Runs, or resumes, the stage in which all weights learn together.

  Args:
    run: `config.joint` sets the steps.
    params: of AdaFM-Net, on a straight path or on the released one.
    points: levels from start to end, with the strength and weight of each.

  Returns:
    The weights on the released path. The network at strength 0 has changed too.

  Raises:
    UserError: as `train`.
  """
  arch = run.config.bent
  return learn(
    run, 'joint', arch, parameters.insert_adafm(params, arch), points
  )


def begun(workdir: pathlib.Path) -> bool:
  """Whether any stage has a checkpoint, or is about to."""
  return any((workdir / 'checkpoints').glob('*/[0-9]*'))


def latest_step(workdir: pathlib.Path, name: str) -> int | None:
  """Step of the newest checkpoint of a stage; None if there is none."""
  folder = workdir / 'checkpoints' / name
  if not folder.is_dir():
    return None
  with checkpoint.Checkpoints(folder, 1) as store:
    return store.latest


def learn(
  run: Run,
  name: str,
  arch: Architecture,
  params: restorer.Params,
  points: Points,
  rules: optim.Rules = (),
) -> restorer.Params:
  """Runs one stage, or resumes it from its newest checkpoint.

  Args:
    run: its config sets the steps.
    name: of the stage, a key of `FIELDS`.
    arch: the network.
    params: its weights at first.
    points: levels to learn.
    rules: which weights are trained; none: those of the stage,
      `optim.STAGE_RULES`.

  Returns:
    The trained weights, on the host.

  Raises:
    UserError: the batch doesn't fit the devices or their memory, or training
      diverged.
  """
  config, mesh = run.config, meshes.make_mesh()
  stage: StageConfig = getattr(config, FIELDS[name])
  meshes.check_batch(FIELDS[name], stage.batch, mesh)
  labels = optim.label_parameters(params, rules or optim.STAGE_RULES[name])
  drawn = not Degradation(config.task).whole_image
  constants = steps.StageConstants(
    apply=networks.make_apply(
      arch, dtype=jnp.dtype(config.model.compute), learning=True
    ),
    stage=stage,
    labels=labels,
    points=points,
    noise=config.noise if drawn else None,
    mesh=mesh,
  )
  logs.say(f'{name}: {optim.describe(params, labels)}')
  folder = run.workdir / 'checkpoints' / name
  with checkpoint.Checkpoints(folder, config.run.keep) as store:
    fresh = steps.init_state(constants, params)
    state = meshes.replicate(fresh, mesh)
    if store.latest is not None:
      logs.say(f'{name}: resuming from step {store.latest}')
      state = store.restore(state)
    if int(state.step) == stage.steps:
      logs.say(f'{name}: done before')
      return jax.device_get(loop.released(state))
    with _explaining_full_memory(FIELDS[name], stage):
      state = _loop(run, name, arch, constants, store, state)
  return jax.device_get(loop.released(state))


@contextlib.contextmanager
def _explaining_full_memory(field: str, stage: StageConfig) -> Iterator[None]:
  """Says which batch does not fit; as `workdir.explaining_full_disk`."""
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if not memories.is_full(error):
      raise
    patch = f'{stage.patch}x{stage.patch}'
    raise UserError(
      f'A batch of {stage.batch} patches of {patch} takes more memory than'
      f' there is; give a smaller {field}.batch or {field}.patch.'
    ) from error


def _loop(
  run: Run,
  name: str,
  arch: Architecture,
  constants: steps.StageConstants,
  store: checkpoint.Checkpoints,
  state: TrainState,
) -> TrainState:
  """The steps of a stage, with its feed, events and validation."""
  config, start, points = run.config, int(state.step), constants.points
  middle = len(points.level) // 2
  validate = run.make_validate(
    arch, float(points.level[middle]), float(points.strength[middle])
  )
  per_call = _steps_per_call(config)
  index = list(FIELDS).index(name)  # each stage draws from keys of its own
  key = jax.random.fold_in(jax.random.key(config.seed), 1 + index)
  with (
    logs.Events(run.workdir / 'events' / name, start) as events,
    feed.open_feed(
      config,
      run.images,
      stage=constants.stage,
      levels=[float(level) for level in points.level],
      index=index,
      start=start,
      mesh=constants.mesh,
      grid=run.grid,
    ) as opened,
  ):
    stage_loop = loop.Loop(
      name=name,
      dispatch=steps.make_dispatch(constants, key, per_call),
      stop=constants.stage.steps,
      config=config.run,
      per_call=per_call,
      store=store,
      events=events,
      validate=validate,
    )
    return stage_loop.run(state, opened)


def _steps_per_call(config: Config) -> int:
  """At most how many steps run in one compiled call."""
  if config.data.placement == 'stream':
    return 1  # the host hands over every batch
  usual = 1 if jax.default_backend() == 'cpu' else 100
  return config.run.steps_per_dispatch or usual

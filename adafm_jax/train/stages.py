"""The two stages of a run (paper section 3.4): basic model, then AdaFM.

The basic model learns the start level. AdaFM layers are then inserted at
identity and learn the end level while every weight of the backbone is frozen.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp

from adafm_jax.config.fields import Config, StageConfig
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import checkpoint, feed, logs, loop, optim
from adafm_jax.train import mesh as meshes
from adafm_jax.train import step as steps
from adafm_jax.train.images import Images
from adafm_jax.train.step import TrainState

# Makes the validation of one stage: (architecture, strength, level).
MakeValidate = Callable[[Architecture, float, float], loop.Validate]


def train(
  config: Config,
  workdir: pathlib.Path,
  images: Images,
  make_validate: MakeValidate,
) -> restorer.Params:
  """Runs, or resumes, both stages.

  Args:
    config: of the experiment, its `data.placement` decided.
    workdir: checkpoints go to its folder `checkpoints`, TensorBoard events to
      `events`.
    images: training images.
    make_validate: makes what measures weights during a stage.

  Returns:
    The weights of AdaFM-Net.

  Raises:
    UserError: a batch doesn't fit the devices, or training diverged.
  """
  mesh = meshes.make_mesh()
  for name in ('train', 'adapt'):
    meshes.check_batch(name, getattr(config, name).batch, mesh)
  stage = _Stage(config, workdir, images, mesh, make_validate)
  params = restorer.init(
    jax.random.key(config.seed),
    config.arch.basic,
    scale=config.model.init_scale,
  )
  if latest_step(workdir, 'adapt') is None:
    params = stage.run('basic', config.train, config.arch.basic, params)
  else:
    logs.say('basic: done before')
  params = restorer.insert_adafm(params, config.arch)
  return stage.run('adapt', config.adapt, config.arch, params)


def train_further(
  config: Config,
  workdir: pathlib.Path,
  images: Images,
  make_validate: MakeValidate,
  params: restorer.Params,
) -> restorer.Params:
  """Runs, or resumes, the basic stage alone, from given weights.

  It makes a network that serves `config.start` and nothing else: what an
  AdaFM-Net's middle levels are compared with.

  Args:
    config: of the experiment; its `train` tells the steps.
    workdir: as for `train`.
    images: training images.
    make_validate: as for `train`.
    params: of the basic model, to begin with.

  Returns:
    The weights of the basic model.

  Raises:
    UserError: as `train`.
  """
  mesh = meshes.make_mesh()
  meshes.check_batch('train', config.train.batch, mesh)
  stage = _Stage(config, workdir, images, mesh, make_validate)
  return stage.run('basic', config.train, config.arch.basic, params)


def latest_step(workdir: pathlib.Path, name: str) -> int | None:
  """Steps that the newest checkpoint of a stage has done, if there is one."""
  folder = workdir / 'checkpoints' / name
  if not folder.is_dir():
    return None
  with checkpoint.Store(folder, 1) as store:
    return store.latest


class _Stage:
  """What both stages share."""

  def __init__(self, config, workdir, images, mesh, make_validate):
    self._config = config
    self._workdir = workdir
    self._images = images
    self._mesh = mesh
    self._make_validate = make_validate
    self._per_call = config.run.steps_per_dispatch or (
      1 if jax.default_backend() == 'cpu' else 100
    )
    if config.data.placement == 'stream':
      self._per_call = 1  # the host hands over every batch

  def run(
    self,
    name: str,
    stage: StageConfig,
    arch: Architecture,
    params: restorer.Params,
  ) -> restorer.Params:
    """Runs a stage from its newest checkpoint to its end."""
    config = self._config
    adapting = name == 'adapt'
    level = config.end if adapting else config.start
    recipe = self._recipe(name, stage, arch, params, level)
    logs.say(f'{name}: {optim.describe(params, recipe.labels)}')
    folder = self._workdir / 'checkpoints' / name
    with checkpoint.Store(folder, config.run.keep) as store:
      state = self._start(name, recipe, params, store)
      if int(state.step) == stage.steps:
        logs.say(f'{name}: done before')
        return jax.device_get(loop.released(state))
      # The basic stage draws from one stream of keys, the adaptation another.
      key = jax.random.fold_in(jax.random.key(config.seed), 1 + adapting)
      events_folder = self._workdir / 'events' / name
      with logs.Events(events_folder, int(state.step)) as events:
        stage_loop = loop.Loop(
          name=name,
          dispatch=steps.make_dispatch(recipe, key, self._per_call),
          stop=stage.steps,
          config=config.run,
          per_call=self._per_call,
          store=store,
          events=events,
          validate=self._make_validate(arch, recipe.strength, level),
        )
        with feed.open_feed(
          config,
          self._images,
          stage=stage,
          adapting=adapting,
          start=int(state.step),
          mesh=self._mesh,
        ) as opened:
          state = stage_loop.run(state, opened)
    return jax.device_get(loop.released(state))

  def _recipe(self, name, stage, arch, params, level) -> steps.Recipe:
    config = self._config
    noisy = not Degradation(config.task).whole_image
    return steps.Recipe(
      apply=restorer.make_apply(
        arch, dtype=jnp.dtype(config.model.compute), lowering='train'
      ),
      stage=stage,
      labels=optim.label_parameters(params, optim.STAGE_RULES[name]),
      strength=float(name == 'adapt'),
      sigma=level if noisy else None,
      noise=config.noise,
      mesh=self._mesh,
    )

  def _start(self, name, recipe, params, store) -> TrainState:
    fresh = steps.init_state(recipe, params)
    state = TrainState(*meshes.replicate(fresh, self._mesh))
    if store.latest is None:
      return state
    logs.say(f'{name}: resuming from step {store.latest}')
    return store.restore(state)

"""Small models for tests: some weights at random, some briefly trained."""

from __future__ import annotations

import functools

import jax
import numpy as np

from adafm_jax.config.fields import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.data import sources
from adafm_jax.degrade.level import LevelRange
from adafm_jax.model import Model
from adafm_jax.model_file import curve as curves
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import mesh as meshes
from adafm_jax.train import optim
from adafm_jax.train import step as steps

ENDS = {'denoise': (15, 75), 'dejpeg': (80, 10), 'sr': (2, 4)}


def random_model(task='denoise', *, channels=3, kernel=3, seed=0):
  """A model whose output stays near [0, 1] and depends on its strength."""
  arch = Architecture(6, 1, channels, kernel)
  rng = np.random.default_rng(seed)
  params = jax.tree.map(
    lambda leaf: rng.normal(0, 0.1, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )
  params['tail']['bias'] += np.float32(0.5)
  start, end = ENDS[task]
  middle = 20 if task == 'dejpeg' else (start + end) / 2
  return Model(
    arch=arch,
    levels=LevelRange(task, start, end),
    params=params,
    curve=curves.fit([middle], [0.4], start, end, order=2),
    provenance={'metrics': [{'set': 'noise', 'level': start, 'psnr': 30.0}]},
  )


@functools.cache
def trained_model():
  """A denoiser, sigma 15 to 75, trained for seconds on photographs."""
  arch = Architecture(8, 1, 3, 3)
  loaded = sources.load('photos:train', field='train', channels=3)
  bank = banks.build([image.pixels for image in loaded])
  params = restorer.init(jax.random.key(0), arch.basic, scale=0.5)
  params = _stage('basic', arch.basic, params, bank, 15.0)
  params = restorer.insert_adafm(params, arch)
  params = _stage('adapt', arch, params, bank, 75.0)
  return Model(
    arch=arch,
    levels=LevelRange('denoise', 15, 75),
    params=jax.device_get(params),
    noise='clipped',
  )


def _stage(name, arch, params, bank, sigma):
  stage = StageConfig(
    steps=250,
    batch=8,
    patch=32,
    learning_rate=8e-3,
    schedule='cosine',
    b2=0.99,
  )
  recipe = steps.Recipe(
    apply=restorer.make_apply(arch),
    stage=stage,
    labels=optim.label_parameters(params, optim.STAGE_RULES[name]),
    points=steps.Points.single(sigma, name == 'adapt'),
    noise='clipped',
    mesh=jax.sharding.Mesh(np.array(jax.devices()[:1]), ('data',)),
  )
  mesh = recipe.mesh
  state = meshes.replicate(steps.init_state(recipe, params), mesh)
  dispatch = steps.make_dispatch(recipe, jax.random.key(1), 1)
  state, metrics = dispatch(
    steps.TrainState(*state), meshes.replicate(bank, mesh), stage.steps
  )
  assert int(metrics.bad_step) < 0
  return state.params

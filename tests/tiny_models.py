"""Small models for tests: some weights at random, some briefly trained."""

from __future__ import annotations

import functools

import jax
import numpy as np
import numpy_network

from adafm_jax.config.stages import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.data import sources
from adafm_jax.degrade.level import LevelRange
from adafm_jax.model import Model
from adafm_jax.model_file import authors
from adafm_jax.model_file import curve as curves
from adafm_jax.models import parameters, restorer
from adafm_jax.models.architecture import Architecture
from adafm_jax.train import mesh as meshes
from adafm_jax.train import optim
from adafm_jax.train import step as steps

ENDS = {'denoise': (15, 75), 'dejpeg': (80, 10), 'sr': (2, 4)}


def random_params(arch, *, seed=0, scale=0.15):
  """Normal NumPy parameters, those of AdaFM layers and biases as well."""
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda leaf: rng.normal(0, scale, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )


def authors_network(kernel, *, features=6, blocks=2, channels=3, trunk=False):
  """A random state dict of the authors' network, and ours of it."""
  state = numpy_network.random_state(
    np.random.default_rng(10 * kernel + channels),
    features=features,
    blocks=blocks,
    channels=channels,
    kernel=kernel,
    trunk=trunk,
  )
  return state, *authors.from_authors(state)


def one_weight(params, image, strength):
  """A network that multiplies every pixel by params['w']."""
  del strength
  return image * params['w'].reshape(1, 1, 1, 1)


def make_constants(
  apply, labels, *, level=25, strength=0, noise='clipped', mesh=None, **stage
):
  """What a stage trains: at one level and strength, on one device."""
  return steps.StageConstants(
    apply=apply,
    stage=StageConfig(**stage),
    labels=labels,
    points=steps.Points.single(level, strength),
    noise=noise,
    mesh=mesh or jax.sharding.Mesh(np.array(jax.devices()[:1]), ('data',)),
  )


def random_model(task='denoise', *, channels=3, kernel=3, seed=0):
  """A model whose output stays near [0, 1] and depends on its strength."""
  arch = Architecture(6, 1, channels, kernel)
  params = random_params(arch, seed=seed, scale=0.1)
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
  params = parameters.insert_adafm(params, arch)
  params = _stage('adapt', arch, params, bank, 75.0)
  return Model(
    arch=arch,
    levels=LevelRange('denoise', 15, 75),
    params=jax.device_get(params),
    noise='clipped',
  )


def _stage(name, arch, params, bank, sigma):
  constants = make_constants(
    restorer.make_apply(arch),
    optim.label_parameters(params, optim.STAGE_RULES[name]),
    level=sigma,
    strength=name == 'adapt',
    steps=250,
    batch=8,
    patch=32,
    learning_rate=8e-3,
    schedule='cosine',
    b2=0.99,
  )
  mesh = constants.mesh
  state = meshes.replicate(steps.init_state(constants, params), mesh)
  dispatch = steps.make_dispatch(constants, jax.random.key(1), 1)
  state, metrics = dispatch(
    steps.TrainState(*state),
    meshes.replicate(bank, mesh),
    constants.stage.steps,
  )
  assert int(metrics.bad_step) < 0
  return state.params


def check_equal(actual, expected):
  """Compares float32 arrays by name, bit for bit."""
  assert actual.keys() == expected.keys()
  for name, value in expected.items():
    assert actual[name].dtype == np.float32
    np.testing.assert_array_equal(actual[name], value, err_msg=name)

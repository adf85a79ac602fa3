"""The stages on real images: what each one moves, and what it leaves."""

import dataclasses

import jax
import numpy as np
import pytest
import tiny_models

from adafm_jax.config import parse as configs
from adafm_jax.config.stages import JointConfig
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.model import Model
from adafm_jax.models import parameters, restorer
from adafm_jax.train import initial, stages
from adafm_jax.train.step import Points

STAGE = {'steps': 3, 'batch': 8, 'patch': 8, 'learning_rate': 0.01}
POINTS = Points(*np.array([[30, 60], [0.3, 0.8], [1, 1]], np.float32))


def _run(tmp_path, **model):
  config = configs.parse(
    {
      'model': {'features': 4, 'blocks': 1, 'kernel': 1, **model},
      'data': {'train': 'unused', 'placement': 'device'},
      'train': STAGE,
      'adapt': STAGE,
      'path': STAGE | {'kind': 'poly', 'bends': 2},
    }
  )
  rng = np.random.default_rng(0)
  images = [
    NamedImage(str(i), rng.integers(0, 256, (12, 16, 3), np.uint8))
    for i in range(3)
  ]
  validate = lambda arch, level, strength: lambda params: ()  # noqa: E731
  return stages.Run(config, tmp_path, images, validate)


def test_a_batch_that_devices_cannot_share_is_refused_in_any_stage(tmp_path):
  run = _run(tmp_path)
  config = dataclasses.replace(
    run.config, adapt=dataclasses.replace(run.config.adapt, batch=3)
  )
  run = dataclasses.replace(run, config=config)
  params = initial.basic(config)
  with pytest.raises(UserError, match=r'adapt\.batch is 3, which 8 devices'):
    stages.adapt(run, params)


def test_a_batch_that_does_not_fit_into_memory_is_a_sentence(tmp_path):
  run = _run(tmp_path)
  stage = dataclasses.replace(run.config.adapt, batch=10**8)  # 9 TB, at least
  config = dataclasses.replace(run.config, adapt=stage)
  run = dataclasses.replace(run, config=config)
  words = r'100000000 patches of 8x8 .* a smaller adapt\.batch or adapt\.patch'
  with pytest.raises(UserError, match=words):
    stages.adapt(run, initial.basic(config))


def test_the_path_moves_its_bends_alone_and_resumes(tmp_path):
  run = _run(tmp_path)
  line = stages.train(run)
  bent = stages.bend(run, line, POINTS)
  before, after = parameters.flatten(line), parameters.flatten(bent)
  for name, value in after.items():
    if 'bend_' in name:
      assert np.abs(value).max() > 1e-4, name
    else:
      np.testing.assert_array_equal(value, before[name], err_msg=name)
  again = stages.bend(run, line, POINTS)
  jax.tree.map(np.testing.assert_array_equal, again, bent)


@pytest.mark.parametrize('steps', [0, 3])
def test_training_begins_with_given_weights(tmp_path, steps):
  run = _run(tmp_path / 'run', init=str(tmp_path / 'start.safetensors'))
  arch = run.config.arch
  params = tiny_models.random_params(arch)
  Model(arch=arch, levels=LevelRange('denoise', 15, 75), params=params).save(
    run.config.model.init
  )
  still = dataclasses.replace(run.config.train, learning_rate=0.0)
  basic = dataclasses.replace(
    still, steps=steps, learning_rate=0.01 if not steps else 0
  )
  config = dataclasses.replace(run.config, train=basic, adapt=still)
  run = dataclasses.replace(run, config=config)
  found = parameters.flatten(stages.train(run))
  for name, value in parameters.flatten(restorer.backbone(params)).items():
    np.testing.assert_array_equal(found[name], value, err_msg=name)
  wide = dataclasses.replace(config.model, features=5)
  config = dataclasses.replace(config, model=wide)
  other = dataclasses.replace(run, config=config, workdir=tmp_path / 'other')
  with pytest.raises(UserError, match=r'model\.init'):
    stages.train(other)


@pytest.mark.parametrize(
  ('skipped', 'levels', 'fits'),
  [
    ('train', LevelRange('denoise', 15, 50), True),  # the end is learnt
    ('train', LevelRange('denoise', 10, 75), False),
    ('train', LevelRange('sr', 3, 4), False),
    ('both', LevelRange('denoise', 15, 50), False),
    ('both', LevelRange('denoise', 15, 75), True),
  ],
)
def test_a_model_is_not_relabelled(tmp_path, skipped, levels, fits):
  run = _run(tmp_path / 'run', init=str(tmp_path / 'start.safetensors'))
  arch = run.config.bent
  params = tiny_models.random_params(arch)
  Model(arch=arch, levels=levels, params=params).save(run.config.model.init)
  none = dataclasses.replace(run.config.train, steps=0)
  config = dataclasses.replace(run.config, train=none)
  if skipped == 'both':
    config = dataclasses.replace(config, adapt=none)
  if fits:
    assert initial.load(config).levels == levels
  else:
    with pytest.raises(UserError, match='learns nothing there'):
      initial.load(config)
  joint = dataclasses.replace(config, joint=JointConfig(**STAGE))
  assert initial.load(joint).levels == levels


def test_the_joint_stage_moves_every_weight_and_resumes(tmp_path):
  run = _run(tmp_path)
  config = dataclasses.replace(
    run.config, joint=JointConfig(**STAGE), noise='both'
  )
  run = dataclasses.replace(run, config=config)
  before = tiny_models.random_params(config.bent)
  after = stages.join(run, before, POINTS)
  flat = parameters.flatten(before)
  for name, value in parameters.flatten(after).items():
    assert np.abs(value - flat[name]).max() > 1e-4, name
  again = stages.join(run, before, POINTS)
  jax.tree.map(np.testing.assert_array_equal, again, after)


def test_a_whole_model_can_be_given(tmp_path, capsys):
  run = _run(tmp_path / 'run', init=str(tmp_path / 'start.safetensors'))
  params = tiny_models.random_params(run.config.bent)
  levels = LevelRange('denoise', 15, 75)
  model = Model(arch=run.config.bent, levels=levels, params=params)
  model.save(run.config.model.init)
  none = dataclasses.replace(run.config.train, steps=0)
  config = dataclasses.replace(run.config, train=none, adapt=none)
  run = dataclasses.replace(run, config=config)
  jax.tree.map(np.testing.assert_array_equal, initial.given(run.config), params)
  other = dataclasses.replace(run.config.bent, path='hats', bends=1)
  rebent = parameters.insert_adafm(model.with_path('line').params, other)
  dataclasses.replace(model, arch=other, params=rebent).save(
    run.config.model.init
  )
  capsys.readouterr()
  found = parameters.flatten(initial.given(run.config))
  assert 'bends are left out: its path is hats of 1' in capsys.readouterr().out
  for name, value in found.items():
    wanted = 0 if 'bend_' in name else parameters.flatten(params)[name]
    np.testing.assert_array_equal(value, np.broadcast_to(wanted, value.shape))
  wide = dataclasses.replace(run.config.model, features=5)
  config = dataclasses.replace(run.config, model=wide)
  with pytest.raises(UserError, match=r'model\.init'):
    initial.given(config)

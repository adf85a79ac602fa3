"""A prepared set on the device and as a stream, through the real steps."""

import dataclasses

import jax
import numpy as np
import pytest
import small_configs
import small_sets
import tiny_models
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from adafm_jax.config.stages import StageConfig
from adafm_jax.data import bank as banks
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.train import feed
from adafm_jax.train import images as training
from adafm_jax.train import mesh as meshes
from adafm_jax.train import step as steps

STAGE = StageConfig(steps=9, batch=8, patch=8, learning_rate=1e-2)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  images = {f'{i}': small_sets.smooth_pixels(i, 20, 30 + i) for i in range(5)}
  source = small_sets.write(tmp_path_factory.mktemp('images'), images)
  data_dir = tmp_path_factory.mktemp('data')
  for partners in ({}, {'task': 'dejpeg', 'levels': (80.0, 10.0)}):
    small_sets.make_set(data_dir, source=source, holdout=1, **partners)
  return data_dir


def _config(data_dir, placement, **fields):
  stage = dataclasses.asdict(STAGE)
  return small_configs.parse(
    data__train='tfds:image_folder/train',
    data__data_dir=str(data_dir),
    data__placement=placement,
    run__workers=0,
    train=stage,
    adapt=stage,
    **fields,
  )


def _open(config, *, levels=(15.0,), index=0, start=0, mesh=None):
  images = training.load(config).train
  return feed.open_feed(
    config,
    images,
    stage=STAGE,
    levels=levels,
    index=index,
    start=start,
    mesh=mesh or meshes.make_mesh(),
  )


def _train(config, mesh, count, start=0):
  """The weight after some steps, and their losses."""
  stage = dataclasses.asdict(STAGE)
  constants = tiny_models.make_constants(
    tiny_models.one_weight, {'w': 'train'}, mesh=mesh, **stage
  )
  fresh = steps.init_state(constants, {'w': np.float32(0.5)})
  state = steps.TrainState(*meshes.replicate(fresh, mesh))
  state = state._replace(step=state.step + start)
  dispatch = steps.make_dispatch(constants, jax.random.key(0), 1)
  losses = []
  with _open(config, start=start, mesh=mesh) as opened:
    for _ in range(count):
      state, metrics = dispatch(state, opened, 1)
      losses.append(float(metrics.loss))
  return float(state.params['w']), losses


def test_a_stream_hands_out_what_sampling_does(data_dir):
  with _open(_config(data_dir, 'device')) as bank:
    assert isinstance(bank, banks.Bank)
    drawn = banks.sample(jax.random.key(0), bank, STAGE.batch, STAGE.patch)
  with _open(_config(data_dir, 'stream')) as batches:
    batch = next(batches)
  assert (batch.shape, batch.dtype) == (drawn.shape, drawn.dtype)
  assert batch.sharding.spec == PartitionSpec('data')
  assert len(batch.devices()) == 8


def test_one_device_or_eight_learn_the_same_from_a_stream(data_dir):
  config = _config(data_dir, 'stream')
  one = Mesh(np.array(jax.devices()[:1]), ('data',))
  wanted = _train(config, one, 9)
  found = _train(config, meshes.make_mesh(), 9)
  assert found[0] == pytest.approx(wanted[0], abs=1e-6)
  np.testing.assert_allclose(found[1], wanted[1], rtol=1e-5)
  assert np.ptp(wanted[1]) > 0.01


def test_a_stream_opened_at_a_step_goes_on_from_there(data_dir):
  config = _config(data_dir, 'stream')
  with _open(config) as batches:
    whole = [np.asarray(next(batches)) for _ in range(9)]
  with _open(config, start=6) as batches:
    for step in (6, 7, 8):
      np.testing.assert_array_equal(next(batches), whole[step])
    with pytest.raises(StopIteration):
      next(batches)


def test_stages_and_seeds_draw_other_patches(data_dir):
  firsts = []
  for seed, index in ((0, 0), (0, 1), (1, 0)):
    config = _config(data_dir, 'stream', seed=seed)
    with _open(config, index=index) as batches:
      firsts.append(np.asarray(next(batches)))
  for a, b in ((0, 1), (0, 2), (1, 2)):
    assert np.mean(firsts[a] != firsts[b]) > 0.5


@pytest.mark.parametrize('placement', ['device', 'stream'])
@pytest.mark.parametrize('levels', [(80.0,), (10.0,), (10.0, 80.0)])
def test_partners_are_those_of_the_stages_levels(data_dir, placement, levels):
  task = {'task': 'dejpeg', 'start': 80.0, 'end': 10.0, 'model__channels': 1}
  config = _config(data_dir, placement, **task)
  for image in training.load(config).heldout:  # the set's partners are not
    assert image.pixels.shape[-1] == 1
  with _open(config, levels=levels) as opened:
    if placement == 'device':
      pixels = np.asarray(opened.pixels)
    else:
      pixels = np.asarray(next(opened)).reshape(-1, 1 + len(levels))
  groups = {tuple(p) for p in pixels.tolist()}
  records = training.load(config).train.records(1)
  degraded = Degradation('dejpeg')
  wanted = set()
  for clean in records:
    partners = [np.rint(degraded.apply(clean, x) * 255) for x in levels]
    planes = [clean, *(x.astype(np.uint8) for x in partners)]
    flat = np.concatenate(planes, axis=-1).reshape(-1, 1 + len(levels))
    wanted |= {tuple(p) for p in flat.tolist()}
  assert groups <= wanted
  assert len(groups) > 50


def test_rows_of_a_batch_are_those_of_this_process():
  sharding = NamedSharding(meshes.make_mesh(), PartitionSpec('data'))
  assert feed.local_rows(sharding, 16) == list(range(16))

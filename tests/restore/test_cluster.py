"""What an actor does with a block: the pixels of `adafm restore`."""

import hashlib
import json
import pathlib

import jax
import numpy as np
import object_store
import pytest
import tiny_models
from PIL import Image

from adafm_jax import cli
from adafm_jax.engine.run import Network
from adafm_jax.restore import cluster, objects, workers
from adafm_jax.restore import job as jobs
from adafm_jax.restore.cluster import PictureTask, Work
from adafm_jax.restore.pairs import Pair

SIZES = [(16, 24), (16, 24), (20, 24), (16, 24), (20, 24)]


@pytest.fixture(autouse=True)
def folder(here):
  pathlib.Path('in').mkdir()
  for i, size in enumerate(SIZES):
    pixels = np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(f'in/{i}.png')
  return here


@pytest.fixture
def store(monkeypatch):
  with object_store.serving(monkeypatch, 'photos') as client:
    objects.open_store.cache_clear()
    yield client


def _job(kernel=1, **fields):
  model = tiny_models.random_model(kernel=kernel)
  model.save('model.safetensors')
  network = Network(model.arch, jax.device_put(model.params))
  return jobs.Job(
    header=model, network=network, name='model', sha256='0', **fields
  )


def _plain(level):
  """The results of `adafm restore`, by name."""
  command = ['restore', '-i', 'in', '-o', 'plain', '-m', 'model.safetensors']
  assert cli.main([*command, '--level', str(level)]) == 0
  return {p.name: p.read_bytes() for p in pathlib.Path('plain').iterdir()}


@pytest.mark.parametrize('kernel', [1, 3])
def test_a_batch_gives_the_same_files_in_fewer_passes(kernel, monkeypatch):
  one = _job(kernel, level=40.0)
  sizes = []
  run = Network.restore

  def counted(self, images, strength):
    sizes.append(len(images))
    return run(self, images, strength)

  monkeypatch.setattr(Network, 'restore', counted)
  names = [f'{i}.png' for i in range(len(SIZES))]
  tasks = [PictureTask(f'in/{name}', name) for name in names]
  rows = list(cluster.restore(one, tasks, Work('out', threads=2, batch=4)))
  assert sizes == [3, 1, 1]  # of the first four, then of the fifth
  assert [row['result'] for row in rows] == names
  found = {p.name: p.read_bytes() for p in pathlib.Path('out').iterdir()}
  assert found == _plain(40)
  for row in rows:
    data = found[row['result']]
    assert row['sha256'] == hashlib.sha256(data).hexdigest()


def test_an_actor_that_starts_elsewhere_finds_relative_paths(
  folder, monkeypatch
):
  (folder / 'elsewhere').mkdir()
  monkeypatch.chdir(folder / 'elsewhere')
  work = Work(str(folder / 'out'), 1, 1, str(folder))
  actor = cluster.Actor(lambda: _job(level=40.0), work)
  block = actor({'task': [json.dumps(PictureTask('in/0.png', '0.png'))]})
  (row,) = map(json.loads, block['row'])
  source = str(folder / 'in/0.png')
  assert (row['input'], row['status']) == (source, 'restored')
  assert (folder / 'out' / '0.png').exists()
  assert not list((folder / 'elsewhere').iterdir())


def test_only_equal_strengths_share_a_pass():
  one = _job()
  pairs = [
    Pair(pathlib.Path(f'in/{i}.png'), pathlib.Path('x.png')) for i in (0, 1)
  ]
  first, second = (jobs.load(one, pair) for pair in pairs)
  weaker = second._replace(strength=np.float32(second.strength / 2))
  assert jobs.pass_of(first) != jobs.pass_of(weaker)
  untouched = second._replace(choice=second.choice._replace(share=0.0))
  assert jobs.pass_of(untouched) is None


def test_a_pass_that_takes_too_much_memory_is_done_one_by_one(monkeypatch):
  one = _job(level=40.0)
  run = Network.restore

  def scarce(self, images, strength):
    if len(images) > 1:
      raise MemoryError
    return run(self, images, strength)

  monkeypatch.setattr(Network, 'restore', scarce)
  pairs = [
    Pair(pathlib.Path(f'in/{i}.png'), pathlib.Path(f'out/{i}.png'))
    for i in range(2)
  ]
  outcomes = list(workers.run(one, pairs, threads=1, batch=2))
  assert [x.status for x in outcomes] == [workers.RESTORED] * 2


def test_from_a_store_and_into_one(store):
  one = _job(level=40.0, recipe=True)
  for i in range(len(SIZES)):
    store.upload_file(f'in/{i}.png', 'photos', f'in/my album/{i}#ü.png')
  tasks = [
    PictureTask(f's3://photos/in/my album/{i}#ü.png', f'sub/{i}.png')
    for i in range(len(SIZES))
  ]
  tasks[0] = tasks[0]._replace(result='sub/0.bmp')  # its recipe stands beside
  tasks.append(PictureTask('s3://photos/in/missing.png', 'missing.png'))
  work = Work('s3://photos/out/', threads=2, batch=2)
  *rows, failed = cluster.restore(one, tasks, work)
  assert {row['status'] for row in rows} == {'restored'}
  assert rows[1]['input'] == tasks[1].source
  assert 's3://photos/out/sub/1.png' in rows[1]['line']
  assert failed['status'] == 'failed'
  assert 's3://photos/in/missing.png' in failed['error']
  assert objects.open_store('s3://photos/out').names() == [
    *('sub/0.bmp', 'sub/0.bmp.recipe.json'),
    *(f'sub/{i}.png' for i in range(1, len(SIZES))),
  ]
  for row in rows:
    body = store.get_object(Bucket='photos', Key=f'out/{row["result"]}')['Body']
    assert hashlib.sha256(body.read()).hexdigest() == row['sha256']
  assert not pathlib.Path('s3:').exists()


def test_a_store_that_takes_nothing_is_a_failure(store):
  one = _job(level=40.0)
  (row,) = cluster.restore(
    one, [PictureTask('in/0.png', '0.png')], Work('s3://absent/out', 1, 1)
  )
  assert row['status'] == 'failed'
  assert row['error'].startswith('Cannot write s3://absent/out/0.png: ')


def test_a_block_whose_actor_was_killed_is_done_again(no_marks):
  Image.open('in/0.png').save('in/0.bmp')
  tasks = [PictureTask('in/0.bmp', '0.bmp')]
  one = _job(level=40.0, recipe=True)
  for _ in range(2):
    (row,) = cluster.restore(one, tasks, Work('out', threads=1, batch=1))
    assert row['error'] is None
  assert sorted(p.name for p in pathlib.Path('out').iterdir()) == [
    '0.bmp',
    '0.bmp.recipe.json',
  ]

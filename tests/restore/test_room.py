"""Photographs are read ahead while there is room for them, and no further."""

import pathlib
import threading

import pytest
import restoring
from PIL import Image

from adafm_jax.commands import restore_job
from adafm_jax.errors import UserError
from adafm_jax.images import photo as photos
from adafm_jax.restore import job as jobs
from adafm_jax.restore import room as rooms
from adafm_jax.restore import workers
from adafm_jax.restore.pairs import Pair

_WAIT = 20  # seconds; what hangs fails
SIZE = 16 * 24 * jobs.PIXEL_BYTES  # of a picture


def _enter(room, place, size):
  """A thread that enters."""
  thread = threading.Thread(target=room.enter, args=(place, size), daemon=True)
  thread.start()
  return thread


def _blocked(room, *thread):
  """Whether threads wait outside."""
  for one in thread:
    one.join(0.05)
  return room.crowded and all(one.is_alive() for one in thread)


def test_half_of_the_memory_is_for_those_inside():
  room = rooms.Room(100)
  room.enter(0, 20)
  room.enter(1, 30)
  third = _enter(room, 2, 1)
  assert _blocked(room, third)
  room.leave(0)
  third.join(_WAIT)
  assert not third.is_alive()
  assert not room.crowded


def test_what_the_network_waits_for_comes_in():
  room = rooms.Room(100)
  room.enter(0, 90)  # alone, though it takes more than half
  second, third = _enter(room, 1, 90), _enter(room, 2, 1)
  assert _blocked(room, second, third)
  room.want(1)
  second.join(_WAIT)
  assert not second.is_alive()
  assert _blocked(room, third)
  room.close()
  third.join(_WAIT)
  assert not third.is_alive()


def test_what_never_fits_is_refused():
  with pytest.raises(
    UserError, match=r'takes 2 KiB of memory.* 1 KiB are free'
  ):
    rooms.Room(1024).enter(0, 2048)


@pytest.fixture
def small_memory(monkeypatch):
  """Says how many bytes are free for photographs."""
  room = rooms.Room
  return lambda free: monkeypatch.setattr(rooms, 'Room', lambda _: room(free))


@pytest.fixture
def watched(monkeypatch):
  """How much is inside, whenever a photograph comes in."""
  found, enter = [], rooms.Room.enter

  def watch(room, place, size):
    enter(room, place, size)
    found.append(sum(room._inside.values()))

  monkeypatch.setattr(rooms.Room, 'enter', watch)
  return found


def _restore(folder, count, **options):
  """Restores pictures, and yields outcomes."""
  found = [
    Pair(pathlib.Path(f'{i:02}.png'), pathlib.Path(folder, f'{i:02}.png'))
    for i in range(count)
  ]
  for pair in found:
    restoring.make(pair.source)
  job = restore_job.make_job(restoring.options('--strength', '0.5'))
  return workers.run(job, found, threads=4, **options)


@pytest.mark.parametrize('batch', [1, 3])
def test_large_pictures_are_not_read_far_ahead(
  models_here, watched, small_memory, batch
):
  outcomes = list(_restore('ahead', 12, batch=batch))
  assert max(watched) > 3 * SIZE  # several at once
  watched.clear()
  small_memory(4 * SIZE)
  outcomes += _restore('out', 12, batch=batch)
  assert {x.status for x in outcomes} == {workers.RESTORED}
  assert len(watched) == 12
  # Two fit into a half, and the network waits for one, or all of a batch.
  assert max(watched) <= (2 + batch) * SIZE
  for i in range(12):
    first, second = (pathlib.Path(x, f'{i:02}.png') for x in ('ahead', 'out'))
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_that_cannot_fit_is_refused_and_the_others_are_restored(
  models_here, small_memory, capsys
):
  restoring.make('in/a.png')
  restoring.make('in/b.png', size=(64, 64))
  small_memory(63 * 64 * jobs.PIXEL_BYTES)
  assert restoring.run('in', 'out', '--strength', '0.5') == 1
  assert 'b.png: it takes 240 KiB of memory' in capsys.readouterr().err
  assert restoring.files('out') == ['a.png']


def test_left_while_threads_wait_it_ends(models_here, small_memory):
  small_memory(SIZE)
  outcomes = _restore('out', 6)
  assert next(outcomes).status == workers.RESTORED
  leaving = threading.Thread(target=outcomes.close, daemon=True)
  leaving.start()
  leaving.join(_WAIT)
  assert not leaving.is_alive()


def test_the_size_is_known_before_a_file_is_decoded(here, monkeypatch):
  restoring.make('a.png')
  seen = []

  def admit(*size):
    seen.append(size)
    raise UserError('no room')

  def decode(*_):
    raise AssertionError('it was decoded')

  monkeypatch.setattr(photos, 'decode_photo', decode)
  with pytest.raises(UserError, match='no room'):
    photos.read_photo('a.png', admit)
  assert seen == [(24, 16)]


def test_what_fits_is_not_too_large(models_here, monkeypatch):
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)  # Pillow refuses 200
  restoring.make('a.png')
  with pytest.raises(UserError, match='exceeds limit of 200 pixels'):
    photos.read_photo('a.png')
  assert restoring.run('a.png', 'b.png', '--strength', '0.5') == 0

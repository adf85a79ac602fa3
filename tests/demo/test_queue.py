import asyncio
import http.client
import io
import json
import threading
import time

import browsers
import pytest
from PIL import Image

from adafm_jax.demo import compute
from adafm_jax.demo import queue as queues


async def _stays():
  return False


async def _leaves():
  return True


def test_jobs_run_one_after_the_other():
  running, most = [], []

  def job(check):
    check()
    running.append(1)
    most.append(len(running))
    threading.Event().wait(0.01)
    running.pop()
    return len(most)

  async def all_of_them():
    queue = queues.Queue()
    return await asyncio.gather(*(queue.run(job, _stays) for _ in range(5)))

  assert asyncio.run(all_of_them()) == [1, 2, 3, 4, 5]
  assert most == [1] * 5


def test_no_more_wait_than_may():
  async def many():
    queue, gate = queues.Queue(most=2), threading.Event()
    jobs = [
      asyncio.create_task(queue.run(lambda check: gate.wait(5), _stays))
      for _ in range(2)
    ]
    await asyncio.sleep(0)
    with pytest.raises(queues.FullError):
      await queue.run(lambda check: None, _stays)
    gate.set()
    await asyncio.gather(*jobs)
    assert await queue.run(lambda check: 'again', _stays) == 'again'

  asyncio.run(many())


def test_work_ends_when_nobody_waits_for_it():
  began, ended, never = threading.Event(), threading.Event(), []

  def job(check):
    began.set()
    try:
      for _ in range(500):
        check()
        threading.Event().wait(0.01)
    except queues.GoneError:
      ended.set()
      raise

  async def leave():
    queue = queues.Queue()
    first = asyncio.create_task(queue.run(job, _leaves))
    second = asyncio.create_task(queue.run(never.append, _leaves))
    for task in (first, second):
      with pytest.raises(queues.GoneError):
        await task
    # The next visitor is served.
    assert await queue.run(lambda check: 1, _stays) == 1

  asyncio.run(leave())
  assert began.is_set()
  assert ended.is_set()
  assert never == []


def test_mistakes_reach_the_one_who_asked():
  def job(check):
    raise ValueError('broken')

  with pytest.raises(ValueError, match='broken'):
    asyncio.run(queues.Queue().run(job, _stays))


def test_a_browser_that_goes_ends_its_work(monkeypatch):
  """Over a real socket: the job stops at its next part."""
  started, gone = threading.Event(), threading.Event()
  parts, part = [], compute._part

  def counted(*arguments):
    parts.append(arguments)
    started.set()
    assert gone.wait(30)
    return part(*arguments)

  monkeypatch.setattr(compute, '_part', counted)
  file = io.BytesIO()
  Image.new('RGB', (1200, 1100)).save(file, 'PNG')
  with browsers.served() as address:
    host = address.removeprefix('http://').rstrip('/')
    client = http.client.HTTPConnection(host, timeout=30)
    client.request('POST', '/api/images', file.getvalue())
    image = json.loads(client.getresponse().read())['id']
    wish = json.dumps({'model': 'noise', 'strength': 0.5})
    kind = {'Content-Type': 'application/json'}
    client.request('POST', f'/api/images/{image}/restore', wish, kind)
    assert started.wait(30)
    client.close()
    time.sleep(0.5)  # the server looks ten times a second
    gone.set()
    # The next visitor's turn comes after one part of nine.
    client.request('GET', f'/api/images/{image}/level?model=noise')
    assert client.getresponse().status in (200, 422)
    client.close()
  assert len(parts) == 1

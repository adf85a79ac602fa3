"""The same picture everywhere: what every engine gives, in steps of 255."""

import functools
import importlib.util
import os
import subprocess
import sys

import extras
import pytest
import released
import tiny_models

from adafm_jax import zoo
from release import browser, same_picture

SIZE = (48, 61)
# 8-bit values of float32 engines that may lie on the other side of a half.
SHARE = 1e-4

load = functools.cache(zoo.load)


def _small(name):
  return name == released.small(name.partition('-')[0])


def _count(name):
  """Images of a model: the large networks have the same layers, only more."""
  return same_picture.IMAGES if _small(name) else 3


@functools.cache
def _rows(name):
  model = load(name)
  images = same_picture.photographs(model, SIZE)
  assert len(images) == same_picture.IMAGES
  images = images[: _count(name)]
  with same_picture.page_engine() as page:
    seen = page if _small(name) else None
    rows = same_picture.compare(name, model, images, side=32, page=seen)
  return {row.engine: row for row in rows}


# The engines that a row is expected of, if their package is installed.
ENGINES = {
  'JAX, tiles': 'jax',
  'onnxruntime': 'onnxruntime',
  'OpenVINO, f32': 'openvino',
  'OpenVINO, tiles': 'openvino',
}


@pytest.mark.slow
@pytest.mark.parametrize('name', zoo.entries())
def test_every_engine_is_within_one_step(name):
  rows = _rows(name)
  expected = dict(ENGINES)
  # WebGPU in software is slow; tests/demo has all models.
  if _small(name) and browser.find():
    expected['the page, WebGPU'] = 'playwright'
  for engine, package in expected.items():
    if not importlib.util.find_spec(package):
      continue
    row = rows[engine]
    count = _count(name) * len(same_picture.STRENGTHS)
    assert row.values == count * SIZE[0] * SIZE[1] * 3, engine
    assert row.largest <= 1, engine
    assert row.one < SHARE * row.values, engine


def test_every_engine_gives_a_small_network_alike(monkeypatch):
  """The everyday form of the comparison below."""
  model = tiny_models.random_model()
  images = same_picture.photographs(model, (20, 31))[:2]
  with same_picture.page_engine() as page:
    rows = same_picture.compare('small', model, images, side=16, page=page)
  shown = any(row.engine.startswith('the page') for row in rows)
  assert shown == bool(browser.find())
  for row in rows:
    assert row.values == 2 * 5 * 20 * 31 * 3
    if '16' not in row.engine:
      assert row.largest <= 1
      assert row.one <= 2
  # An engine that computes another strength is found out.
  engines = same_picture.engines(model, 16)
  wrong = {'JAX': engines['JAX'], 'off': lambda x, s: engines['JAX'](x, 1 - s)}
  monkeypatch.setattr(same_picture, 'engines', lambda *_: wrong)
  (row,) = same_picture.compare('small', model, images, side=16)
  assert row.more > SHARE * row.values


@pytest.mark.slow
@extras.openvino
def test_rounded_engines_are_shown_with_their_counts():
  """float16 and bfloat16 are not the same picture, and the table says so."""
  pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
  rows = _rows(released.small('denoise'))
  assert rows['onnxruntime, float16'].largest <= 1
  assert rows['OpenVINO, bf16'].one > 0
  assert rows['OpenVINO, bf16'].largest <= 4


THREADS = """
import hashlib, os, sys
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:int(sys.argv[1])]))
import jax, numpy as np
from adafm_jax import zoo
assert len(os.sched_getaffinity(0)) == int(sys.argv[1])
for name in zoo.entries():
  model = zoo.load(name)
  image = np.random.default_rng(0).random((97, 120, 3), np.float32)
  level = model.levels.level(0.5)
  level = round(level) if model.levels.task == 'dejpeg' else level
  found = model.restore(image, level=level)
  given = image[None, :, :, :model.arch.channels]
  swept = model.apply(model.params, given, [0.3])
  print(name, hashlib.sha256(np.asarray(found).tobytes()).hexdigest())
  print(name, hashlib.sha256(np.asarray(swept).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_one_thread_and_two_give_the_same_bits():
  if len(os.sched_getaffinity(0)) < 2:
    pytest.skip('needs two cores')
  found = [
    subprocess.run(
      [sys.executable, '-c', THREADS, count],
      capture_output=True,
      text=True,
      check=True,
      timeout=300,
    ).stdout
    for count in ('1', '2')
  ]
  assert found[0].count('\n') == 2 * len(zoo.entries())
  assert found[0] == found[1]

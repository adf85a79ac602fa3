"""Lists from config files, with their preset and overrides."""

import pathlib

import pytest

from adafm_jax.errors import UserError
from adafm_jax.paper import lists

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = str(ROOT / 'configs' / 'paper')
TABLE5 = f'{FOLDER}/table5.py'


def problem(path, **overrides):
  with pytest.raises(UserError) as caught:
    lists.read(path, overrides)
  return str(caught.value)


def test_the_presets_sizes():
  for preset, features in (('tiny', 4), ('small', 16), ('paper', 64)):
    asked = lists.read(TABLE5, {'preset': preset})
    assert asked.base.model.features == features
  assert (asked.base.train.steps, asked.base.adapt.steps) == (10**6, 500_000)


def test_tasks_and_seeds_choose():
  asked = lists.read(TABLE5, {'tasks': 'dejpeg', 'seeds': '0,3'})
  assert {v.task for v in asked.variations} == {'dejpeg'}
  assert [v.seed for v in asked.variations] == [0, 3] * 10


def test_a_folder_is_all_its_lists_and_each_variation_once():
  asked = lists.read(FOLDER, {})
  keys = [tuple(v.identity.items()) for v in asked.variations]
  assert len(keys) == len(set(keys))
  for v in lists.read(TABLE5, {}).variations:
    assert tuple(v.identity.items()) in keys
  # Table 5 has this range as well, but measures it at its ends only.
  (both,) = [
    v
    for v in asked.variations
    if v.identity == {**v.identity, 'task': 'dejpeg', 'system': 'adafm'}
    and (v.start, v.end, v.kernel, v.placement) == (80, 10, 1, 'block')
  ]
  assert set(both.levels) >= {70, 60, 50, 40, 30, 20}


@pytest.mark.parametrize(
  ('overrides', 'sentence'),
  [
    ({'preset': 'huge'}, "preset is 'huge'; it must be one of tiny, small"),
    ({'tasks': 'deblur'}, "Unknown task 'deblur'"),
    ({'seeds': 'x'}, "seeds is 'x'"),
    ({'seeds': '0,-1'}, "seeds is '0,-1'"),
    ({'seeds': '4294967296'}, 'from 0 to'),
    ({'train.stesp': '3'}, 'did you mean train.steps'),
    ({'start': '3'}, '--config.start changes what the lists'),
    ({'joint.steps': '3'}, '--config.joint.steps changes what the lists'),
    ({'evaluate.ssim': 'true'}, '--config.evaluate.ssim changes what the'),
    ({'tasks': 'sr'}, 'has no variation of the tasks sr'),
  ],
)
def test_mistakes(overrides, sentence):
  assert sentence in problem(TABLE5, **overrides)


@pytest.mark.parametrize(
  ('variation', 'sentence'),
  [
    ("task='denoise', start=15, end=15", 'start and end are both 15'),
    ("task='denoise', start=15", 'a system adafm has two levels'),
    ("task='denoise', start=15, end=75, kernel=2", 'kernel is 2'),
    ("task='denoise', start=15, end=75, levels=(300,)", '300'),
    ("task='denoise', start=15, system='vdsr'", "has system 'vdsr'"),
    ("task='dejpeg', start=80, end=10, bends=2", 'bends is 2'),
  ],
)
def test_mistakes_in_a_list(tmp_path, variation, sentence):
  file = tmp_path / 'list.py'
  file.write_text(
    'from adafm_jax.paper.variation import Variation\n'
    f'def get_variations():\n  return [Variation({variation})]\n'
  )
  assert sentence in problem(str(file))

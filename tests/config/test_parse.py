import dataclasses
import json
import pathlib
import re

import pytest
import small_configs

from adafm_jax.config import command_line, default
from adafm_jax.config import parse as configs
from adafm_jax.config.fields import Config
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError
from adafm_jax.models import architecture

FILES = sorted((pathlib.Path(__file__).parents[2] / 'configs').glob('*.py'))


def _problems(**fields):
  with pytest.raises(UserError) as caught:
    small_configs.parse(**fields)
  return caught.value.problems


def _read(path):
  return configs.parse(command_line.load_config(str(path)).to_dict())


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_config_files_are_reports_of_their_experiments(path):
  assert _read(path) != Config() or path.stem == 'denoise_15_75'
  text = path.read_text()
  doc = text.split('"""')[1]
  assert f'--config configs/{path.name}' in doc
  for part in ('Hardware:', 'Time:', 'Result'):
    assert part in doc
  lines = text.partition('def get_config():\n')[2].splitlines()
  assert lines[0] == '  c = config.default()'
  assert lines[-1] == '  return c'
  assert all(line.startswith('  c.') for line in lines[1:-1])


def test_paper_settings():
  """facts.md: Training (paper and official settings)."""
  tasks = {
    'denoise_15_75': ('denoise', 15, 75, 1, 3),
    'dejpeg_80_10': ('dejpeg', 80, 10, 1, 1),
    'sr_x3_x4': ('sr', 3, 4, 5, 3),
  }
  for name, (task, start, end, kernel, channels) in tasks.items():
    config = _read(FILES[0].with_name(f'{name}.py'))
    assert config.levels == LevelRange(task, start, end)
    assert (config.arch.kernel, config.arch.channels) == (kernel, channels)
    assert (config.arch.features, config.arch.blocks) == (64, 16)
    assert (config.train.steps, config.adapt.steps) == (1_000_000, 500_000)
    for stage in (config.train, config.adapt):
      assert (stage.batch, stage.patch) == (16, 96)
      assert (stage.learning_rate, stage.b2) == (1e-4, 0.999)
      assert (stage.decay, stage.decay_every) == (0.1, 500_000)


def test_every_field_is_documented():
  groups = [Config()]
  names = []
  for group in groups:
    for field in dataclasses.fields(group):
      value = getattr(group, field.name)
      if dataclasses.is_dataclass(value):
        groups.append(value)
      else:
        assert len(field.metadata['doc']) > 5, field.name
        names.append(field.name)
  assert len(groups) == 11
  text = configs.describe(Config())
  shown = re.findall(r'^  ([a-z_0-9.]+) = ', text, re.MULTILINE)
  assert sorted(name.split('.')[-1] for name in shown) == sorted(names)
  assert max(map(len, text.splitlines())) <= 80
  assert 'adapt.steps = 500000' in text  # not the class's own default


def test_round_trips():
  config = small_configs.parse(seed=3, adapt__batch=5, model__kernel=7)
  assert configs.parse(json.loads(json.dumps(dataclasses.asdict(config)))) == (
    config
  )
  assert config.adapt.batch == 5
  assert configs.parse(default().to_dict()) == Config()


def test_what_is_left_out_has_the_default_of_its_own_place():
  config = configs.parse({'adapt': {'batch': 4}, 'end': 50})
  assert (config.adapt.batch, config.adapt.steps) == (4, 500_000)
  assert config.end == 50.0
  assert type(config.end) is float


def test_all_mistakes_at_once():
  right = {
    'start': (float('nan'), 'finite'),
    'model__kernel': (2, 'one of 1, 3, 5, 7'),
    'data__shirnk': (2, 'did you mean data.shrink?'),
    'train__steps': ('many', 'a whole number'),
    'train__learning_rate': (-1.0, '0 or more'),
    'adapt__ema': (1.0, 'below 1'),
    'run': (3, 'a group of fields'),
    'train__patch': (47, 'even'),
    'adapt__warmup': (600_000, 'only 500000'),
    'joint__warmup': (90, 'falls from step 80'),
  }
  problems = _problems(
    **{name: value for name, (value, _) in right.items()},
    joint__steps=100,
    joint__schedule='trapezoid',
    evaluate__levels='15,90',  # may follow from `start`: not said
  )
  assert len(problems) == len(right)
  for name, (_, meaning) in right.items():
    name = name.replace('__', '.')
    assert any(name in p and meaning in p for p in problems), name


def test_a_stage_without_steps_may_keep_its_warmup():
  """The configs' own, when all weights of a released model go on learning."""
  fields = {'path__kind': 'poly', 'model__init': 'x', 'joint__steps': 8000}
  for name in ('train', 'adapt', 'path'):
    fields |= {f'{name}__steps': 0, f'{name}__warmup': 500}
    fields |= {f'{name}__schedule': 'trapezoid'}
  small_configs.parse(**fields)


def test_a_config_that_is_none():
  with pytest.raises(UserError, match='group of fields'):
    configs.parse([1])


def test_what_follows_from_a_mistake_is_not_one_more():
  # With the default task, levels 80 to 0 would be legal; 4 to 3 too.
  (problem,) = _problems(task='dejgep', start=3.0, end=4.0, sweep__level=9.0)
  assert "'dejgep'" in problem
  assert 'denoise, dejpeg, sr' in problem


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'end': 15.0}, 'both 15'),
    ({'task': 'sr', 'start': 3.0, 'end': 40.0}, 'Level 40'),
    ({'task': 'dejpeg', 'evaluate__protocols': 'float'}, 'no noise'),
    ({'evaluate__protocols': 'clip'}, 'clipped,float'),
    ({'evaluate__protocols': 'float,float'}, 'clipped,float'),
    ({'evaluate__sets': 'set6'}, "'set6'; write NAME=SOURCE"),
    ({'evaluate__sets': 'cbsd68='}, "'cbsd68='; write NAME=SOURCE"),
    ({'evaluate__sets': 'cbsd68,set5,cbsd68'}, 'two sets called cbsd68'),
    ({'evaluate__sets': 'bsds'}, 'a training set; write NAME=SOURCE'),
    ({'data__placement': 'disk'}, 'one of auto, device, stream'),
    ({'evaluate__sets': 'a=x,a=y'}, 'two sets called a'),
    ({'evaluate__sets': 'heldout=x'}, 'held-out images'),
    ({'evaluate__levels': '15,90'}, 'evaluate.levels: Level sigma 90'),
    ({'evaluate__levels': '15,a'}, "evaluate.levels: Cannot read '15,a'"),
    ({'evaluate__levels': '15,15.0'}, 'twice'),
    ({'sweep__level': 80.0}, 'sweep.level: Level sigma 80'),
    ({'sweep__strengths': '0,2'}, 'sweep.strengths is 2'),
    ({'data__scales': '1,5'}, '4 at most'),
    ({'data__scales': '0.5,0.5'}, 'each stands once'),
    ({'data__scales': 'all'}, "data.scales: Cannot read 'all'"),
    ({'calibrate__grid': '0:1:1'}, '3 different strengths'),
    ({'calibrate__grid': ''}, "calibrate.grid: Cannot read ''"),
    ({'calibrate__levels': '15,40,75'}, 'calibrate.order'),
    (
      {'task': 'dejpeg', 'start': 12.0, 'end': 10.0, 'calibrate__order': 4},
      '3 calibrate.levels or more strictly between 12 and 10',
    ),
    (
      {'task': 'dejpeg', 'start': 80.0, 'end': 10.0}
      | {'path__kind': 'poly', 'path__levels': '80,10'},
      'path.levels has no level strictly between 80 and 10',
    ),
    (
      {'task': 'sr', 'start': 3.0, 'end': 4.0, 'path__kind': 'hats'}
      | {'calibrate__levels': '3,4', 'calibrate__order': 1},
      'calibrate.levels has no level strictly between 3 and 4',
    ),
    ({'steps': 5}, 'did you mean train.steps or adapt.steps or path.steps'),
    ({'zzz': 5}, '--help'),
    ({'adapt__steps': 0}, 'needs a model file in model.init'),
    ({'model__init': 'x', 'adapt__steps': 0}, 'adapt.steps may not be 0 alone'),
    (
      {'model__init': 'x', 'path__kind': 'poly', 'path__steps': 0},
      'path.steps',
    ),
    ({'joint__patch': 9, 'joint__steps': 3}, 'joint.patch is 9'),
    ({'start': 0.0, 'joint__steps': 3}, 'start is 0, but the joint stage'),
    ({'start': 75.0, 'end': 0.0, 'joint__steps': 3}, 'end is 0, but the joint'),
    ({'evaluate__ssim': 1}, 'true or false'),
    ({'train__batch': True}, 'a whole number'),
    # As text, from the command line.
    ({'evaluate__ssim': 'yes'}, 'true or false'),
    ({'train__steps': '1.5'}, 'a whole number'),
    ({'train__batch': '0'}, '1 or more'),
    ({'model__compute': 'float16'}, 'one of float32, bfloat16'),
    ({'end': 'x'}, 'a number'),
    ({'seed': {'x': '1'}}, 'did you mean seed?'),
  ],
)
def test_one_sentence_each(fields, words):
  (problem,) = _problems(**fields)
  assert words in problem
  assert problem.endswith(('.', '?'))


def test_evaluation_sets_are_named_or_have_sources():
  config = small_configs.parse(evaluate__sets='cbsd68,mine=/a=b,set5')
  found = configs.evaluation_sets(config)
  assert found == {'cbsd68': '', 'mine': '/a=b', 'set5': ''}
  assert configs.evaluation_sets(Config()) == {}


def test_differences():
  parse = small_configs.parse
  old = parse(run__log_every=7, evaluate__ssim=False, calibrate__order=1)
  new = parse(train__steps=3, task='sr', start=2.0, end=3.0)
  assert configs.differences(old, new) == [
    "task: 'denoise' -> 'sr'",
    'start: 15.0 -> 2.0',
    'end: 75.0 -> 3.0',
    'train.steps: 1000000 -> 3',
  ]
  assert configs.differences(old, Config()) == []


@pytest.mark.parametrize(
  ('fields', 'fixed'),
  [
    ({}, False),
    ({'path__kind': 'poly', 'path__bends': 2}, True),
    ({'joint__steps': 5}, True),
  ],
)
def test_calibration_is_fixed_where_stages_learn_along_it(fields, fixed):
  old = small_configs.parse(**fields)
  new = small_configs.parse(**fields, calibrate__order=1)
  wanted = [f'calibrate.order: {old.calibrate.order} -> 1'] * fixed
  assert configs.differences(old, new) == wanted


def test_fields_of_model_and_architecture_agree():
  assert Config().arch == architecture.Architecture()


def test_a_number_from_the_command_line_is_shown_as_one():
  given = {'model.kernel': '4', 'train.steps': 'many', 'seed': '-1'}
  with pytest.raises(UserError) as caught:
    configs.parse({}, given)
  kernel, steps, seed = caught.value.problems
  assert kernel == 'model.kernel is 4; it must be one of 1, 3, 5, 7.'
  assert steps == "train.steps is 'many'; it must be a whole number."
  assert seed.startswith('seed is -1; ')


@pytest.mark.parametrize('seed', ['4294967296', '1e30'])
def test_a_seed_that_jax_has_no_key_of_is_refused(seed):
  assert configs.parse({}, {'seed': '4294967295'}).seed == 2**32 - 1
  with pytest.raises(UserError, match=r'^seed is \d+; .* below 4294967296\.$'):
    configs.parse({}, {'seed': seed})

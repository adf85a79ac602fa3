import dataclasses
import importlib
import json
import pathlib

import pytest

from adafm_jax.config import command_line, presets
from adafm_jax.config import parse as configs
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.level import LevelRange
from adafm_jax.errors import UserError

FILES = sorted((pathlib.Path(__file__).parents[2] / 'configs').glob('*.py'))


def _changed(**fields):
  """The default config as nested dicts with 'train__steps'-like changes."""
  values = dataclasses.asdict(configs.Config())
  for name, value in fields.items():
    *groups, leaf = name.split('__')
    node = values
    for group in groups:
      node = node[group]
    node[leaf] = value
  return values


def _problems(**fields):
  with pytest.raises(UserError) as caught:
    configs.parse(_changed(**fields))
  return caught.value.problems


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_config_files_parse(path):
  config = configs.parse(command_line.load_config(str(path)))
  assert config != configs.Config() or path.stem == 'denoise_15_75'
  doc = path.read_text().split('"""')[1]
  assert f'--config configs/{path.name}' in doc
  assert 'Hardware:' in doc


def test_paper_settings():
  """facts.md: Training (paper and official settings)."""
  tasks = {
    'denoise_15_75': ('denoise', 15, 75, 1, 3),
    'dejpeg_80_10': ('dejpeg', 80, 10, 1, 1),
    'sr_x3_x4': ('sr', 3, 4, 5, 3),
  }
  files = {path.stem: path for path in FILES}
  for name, (task, start, end, kernel, channels) in tasks.items():
    config = configs.parse(command_line.load_config(str(files[name])))
    assert config.levels == LevelRange(task, start, end)
    assert (config.arch.kernel, config.arch.channels) == (kernel, channels)
    assert (config.arch.features, config.arch.blocks) == (64, 16)
    assert (config.train.steps, config.adapt.steps) == (1_000_000, 500_000)
    for stage in (config.train, config.adapt):
      assert (stage.batch, stage.patch) == (16, 96)
      assert (stage.learning_rate, stage.b2) == (1e-4, 0.999)
      assert (stage.decay, stage.decay_every) == (0.1, 500_000)


def test_every_field_is_documented():
  classes = [configs.Config]
  for cls in classes:
    assert cls.__doc__
    for field in dataclasses.fields(cls):
      default = getattr(configs.Config(), field.name, None)
      if dataclasses.is_dataclass(default) and cls is configs.Config:
        classes.append(type(default))
      else:
        assert len(field.metadata['doc']) > 5, field.name
  assert len(classes) == 10
  text = configs.describe(configs.Config())
  for name, _ in configs.fields_of(configs.Config()):
    assert f'  {name} = ' in text
  assert max(map(len, text.splitlines())) <= 80
  assert 'adapt.steps = 500000' in text  # not the class's own default


def test_round_trips():
  config = configs.parse(_changed(seed=3, adapt__batch=5, model__kernel=7))
  assert configs.parse(presets.to_config_dict(config)) == config
  text = json.dumps(dataclasses.asdict(config))
  assert configs.parse(json.loads(text)) == config
  assert presets.to_config_dict(config).adapt.batch == 5
  assert configs.parse(presets.default()) == configs.Config()


def test_what_is_left_out_has_the_default_of_its_own_place():
  config = configs.parse({'adapt': {'batch': 4}, 'end': 50})
  assert (config.adapt.batch, config.adapt.steps) == (4, 500_000)
  assert config.end == 50.0
  assert type(config.end) is float


def test_all_mistakes_at_once():
  values = _changed(
    model__kernel=2,
    train__steps='many',
    train__patch=47,
    train__learning_rate=-1.0,
    adapt__ema=1.0,
    adapt__warmup=600_000,
    evaluate__levels='15,90',
    start=float('nan'),
    data__shirnk=2,
  )
  values['run'] = 3
  with pytest.raises(UserError) as caught:
    configs.parse(values)
  assert caught.value.problems == [
    'start is nan; it must be finite.',
    'model.kernel is 2; it must be one of 1, 3, 5, 7.',
    'There is no config field data.shirnk; did you mean data.shrink?',
    "train.steps is 'many'; it must be a whole number.",
    'train.learning_rate is -1.0; it must be 0 or more.',
    'adapt.ema is 1.0; it must be below 1.',
    'run is 3; it must be a group of fields.',
    'train.patch is 47; it must be even.',
    'adapt.warmup is 600000, but adapt.steps is only 500000; warm-up must end'
    ' before the run does.',
  ]


def test_what_follows_from_a_mistake_is_not_one_more():
  # With the default task, levels 80 to 0 would be legal; 4 to 3 too.
  assert _problems(task='dejgep', start=3.0, end=4.0, sweep__level=9.0) == [
    "task is 'dejgep'; it must be one of denoise, dejpeg, sr."
  ]


@pytest.mark.parametrize(
  ('fields', 'sentence'),
  [
    ({'end': 15.0}, 'are both 15'),
    ({'task': 'sr', 'start': 3.0, 'end': 40.0}, 'Level 40 of task sr'),
    (
      {'task': 'dejpeg', 'evaluate__protocols': 'float'},
      'task dejpeg has no noise; leave it empty',
    ),
    ({'evaluate__protocols': 'clip'}, 'it may be clipped, float, or'),
    ({'evaluate__protocols': 'float,float'}, 'it may be clipped, float, or'),
    ({'evaluate__sets': 'set6'}, "has 'set6'; write NAME=SOURCE"),
    ({'evaluate__sets': 'cbsd68='}, "has 'cbsd68='; write NAME=SOURCE"),
    ({'evaluate__sets': 'cbsd68,set5,cbsd68'}, 'two sets called cbsd68'),
    ({'evaluate__sets': 'bsds'}, 'has bsds, a training set; write NAME=SOURCE'),
    ({'data__placement': 'disk'}, 'it must be one of auto, device, stream'),
    ({'evaluate__sets': 'a=x,a=y'}, 'two sets called a; rename one'),
    ({'evaluate__sets': 'heldout=x'}, 'as the held-out images are'),
    ({'evaluate__levels': '15,90'}, 'evaluate.levels: Level sigma 90 lies'),
    ({'evaluate__levels': '15,a'}, "evaluate.levels: Cannot read '15,a'"),
    ({'evaluate__levels': '15,15.0'}, 'A level is listed twice'),
    ({'sweep__level': 80.0}, 'sweep.level: Level sigma 80 lies outside'),
    ({'sweep__strengths': '0,2'}, 'sweep.strengths has 2; strengths are 0 to'),
    ({'calibrate__grid': '0:1:1'}, 'give 3 different strengths or more'),
    ({'calibrate__grid': ''}, "calibrate.grid: Cannot read ''"),
    ({'calibrate__levels': '15,40,75'}, 'there are 1.'),
    (
      {'task': 'dejpeg', 'start': 12.0, 'end': 10.0, 'calibrate__order': 4},
      'takes 3 calibrate.levels or more strictly between 12 and 10',
    ),
    ({'steps': 5}, 'did you mean train.steps or adapt.steps or path.steps?'),
    ({'zzz': 5}, 'no config field zzz; --help lists all'),
    ({'evaluate__ssim': 1}, 'evaluate.ssim is 1; it must be true or false'),
    ({'train__batch': True}, 'train.batch is True; it must be a whole number'),
  ],
)
def test_one_sentence_each(fields, sentence):
  (problem,) = _problems(**fields)
  assert sentence in problem
  assert problem.endswith(('.', '?'))


def test_level_list():
  span = LevelRange('denoise', 15, 75)
  assert levels.level_list('50,15', span, 7) == [50, 15]
  assert levels.level_list('', span, 4) == [15, 35, 55, 75]
  narrow = LevelRange('dejpeg', 12, 10)
  assert levels.level_list('', narrow, 7) == [12, 11, 10]


def test_evaluation_sets_are_named_or_have_sources():
  config = configs.parse(_changed(evaluate__sets='cbsd68,mine=/a=b,set5'))
  assert configs.evaluation_sets(config) == {
    'cbsd68': '',
    'mine': '/a=b',
    'set5': '',
  }
  assert configs.evaluation_sets(configs.Config()) == {}


def test_differences():
  old = configs.parse(
    _changed(run__log_every=7, evaluate__ssim=False, calibrate__order=1)
  )
  new = configs.parse(_changed(train__steps=3, task='sr', start=2.0, end=3.0))
  assert configs.differences(old, new) == [
    "task: 'denoise' -> 'sr'",
    'start: 15.0 -> 2.0',
    'end: 75.0 -> 3.0',
    'train.steps: 1000000 -> 3',
  ]
  assert configs.differences(old, configs.Config()) == []


def test_fields_of_model_and_architecture_agree():
  arch = importlib.import_module('adafm_jax.models.architecture')
  config = configs.Config()
  assert config.arch == arch.Architecture()

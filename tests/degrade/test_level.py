import numpy as np
import pytest

from adafm_jax.degrade import level as levels
from adafm_jax.errors import UserError


@pytest.mark.parametrize(
  ('task', 'value', 'label'),
  [
    ('denoise', 15.0, 'sigma 15'),
    ('denoise', 27.5, 'sigma 27.5'),
    ('dejpeg', 80, 'q 80'),
    ('sr', 3.4, 'x3.4'),
    ('sr', 4.0, 'x4'),
  ],
)
def test_labels(task, value, label):
  assert levels.get_task(task).label(value) == label


@pytest.mark.parametrize(
  ('task', 'legal', 'illegal'),
  [
    ('denoise', [0, 0.5, 255], [-1, 255.5, float('nan')]),
    ('dejpeg', [1, 50.0, 100], [0, 101, 50.5]),
    ('sr', [1, 3.4, 16], [0.5, 17, float('inf')]),
  ],
)
def test_legal_levels(task, legal, illegal):
  kind = levels.TASKS[task]
  assert [kind.problems(value) for value in legal] == [[]] * 3
  for value in illegal:
    (problem,) = kind.problems(value)
    assert f'{value:g}' in problem
    assert kind.unit in problem


def test_unknown_task_is_reported():
  with pytest.raises(UserError, match=r"'blur'.*'denoise', 'dejpeg', 'sr'"):
    levels.get_task('blur')


DENOISE = levels.LevelRange('denoise', 15, 75)
DEJPEG = levels.LevelRange('dejpeg', 80, 10)
SR = levels.LevelRange('sr', 3, 4)


@pytest.mark.parametrize(
  ('span', 'places'),
  [
    (DENOISE, {15: 0, 30: 0.25, 75: 1}),
    (DEJPEG, {80: 0, 66: 0.2, 10: 1}),
    (SR, {3.4: 0.4}),
  ],
)
def test_position_and_level(span, places):
  for value, position in places.items():
    assert span.position(value) == pytest.approx(position, abs=1e-12)
    assert span.level(position) == pytest.approx(value, abs=1e-12)
    assert span.contains(value)
    span.check(value)  # raises nothing


@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize(
  ('span', 'weak', 'inside', 'strong'),
  [(DENOISE, 14.9, 15, 75.1), (DEJPEG, 81, 80, 9)],
)
def test_weaker_and_stronger_whichever_end_is_the_start(
  span, weak, inside, strong, turned
):
  ends = span.start, span.end
  if turned:
    span = levels.LevelRange(span.task, span.end, span.start)
  assert (span.weakest, span.strongest) == ends
  found = [(span.cleaner(x), span.stronger(x)) for x in (weak, inside, strong)]
  assert found == [(True, False), (False, False), (False, True)]


@pytest.mark.parametrize(
  ('span', 'outside', 'words'),
  [
    (DENOISE, [14.9, 76], ['sigma 15 to sigma 75', 'standard deviation']),
    (DEJPEG, [9, 81], ['q 80 to q 10', 'JPEG quality']),
    (SR, [2.9, 4.1], ['x3 to x4', 'scale factor']),
  ],
)
def test_levels_outside_the_range_are_reported(span, outside, words):
  for value in outside:
    assert not span.contains(value)
    with pytest.raises(UserError) as caught:
      span.check(value)
    for word in [f'{value:g}', *words]:
      assert word in str(caught.value)


def test_check_demands_a_legal_level():
  with pytest.raises(UserError, match='whole number'):
    levels.LevelRange('dejpeg', 80, 10).check(40.5)


@pytest.mark.parametrize(
  ('task', 'start', 'end', 'words'),
  [
    ('blur', 1, 2, ['blur']),
    ('denoise', 15, 15, ['both 15']),
    ('denoise', -1, 300, ['-1', '300']),
    ('dejpeg', 80, 10.5, ['10.5']),
    ('sr', 0, 0, ['Level 0', 'Level 0', 'both 0']),
  ],
)
def test_range_problems_are_all_reported(task, start, end, words):
  problems = levels.range_problems(task, start, end)
  assert len(problems) == len(words)
  for problem, word in zip(problems, words, strict=True):
    assert word in problem
  with pytest.raises(UserError) as caught:
    levels.LevelRange(task, start, end)
  assert caught.value.problems == problems


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('15', [15]),
    ('15,25,35', [15, 25, 35]),
    (' 3.4 , -1', [3.4, -1]),
    ('15:75:10', [15, 25, 35, 45, 55, 65, 75]),
    ('15:72:20', [15, 35, 55]),
    ('80:10:-35', [80, 45, 10]),
    ('0:1:0.1', [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
    ('0:0.2:0.1,1', [0, 0.1, 0.2, 1]),
    ('5:5:1', [5]),
  ],
)
def test_parse_values(text, expected):
  assert levels.parse_values(text) == expected  # equal to the last bit


def test_parse_values_does_not_drift():
  values = levels.parse_values('0:1:0.001')
  assert values == [float(f'{i / 1000:.3f}') for i in range(1001)]
  assert values != np.cumsum([0, *[0.001] * 1000]).tolist()


NONSENSE = """a 15, 15:75 1:2:3:4 15:75:0 15:15:0 15:75:-10 80:10:10 0:1:1e-9
nan 0:inf:1 1e400 0:1:1e-999999999"""


@pytest.mark.parametrize('text', ['', *NONSENSE.split()])
def test_nonsense_is_reported_and_named(text):
  with pytest.raises(UserError) as caught:
    levels.parse_values(text)
  assert repr(text) in str(caught.value)


def test_level_list():
  span = levels.LevelRange('denoise', 15, 75)
  assert levels.level_list('50,15', span, 7) == [50, 15]
  assert levels.level_list('', span, 4) == [15, 35, 55, 75]
  narrow = levels.LevelRange('dejpeg', 12, 10)
  assert levels.level_list('', narrow, 7) == [12, 11, 10]
  third = levels.LevelRange('sr', 10 / 3, 11 / 3)
  assert levels.level_list('', third, 3) == [10 / 3, 3.5, 11 / 3]

import os
import pathlib

import pytest

from adafm_jax.errors import UserError
from adafm_jax.restore import overwrite, own
from adafm_jax.restore import pairs as pairing

pytestmark = pytest.mark.usefixtures('here')


def _make(*names):
  for name in names:
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)


def _plan(inputs, output, **options):
  inputs = [inputs] if isinstance(inputs, str) else inputs
  checks = {
    name: options.pop(name)
    for name in ('existing', 'sidecar', 'keep')
    if name in options
  }
  pairs = pairing.find(inputs, output, **options)
  checks['keep'] = [*checks.get('keep', ()), *inputs]
  overwrite.check(pairs, **checks)
  return [(str(pair.source), str(pair.target)) for pair in pairs]


def test_a_file_to_a_file_or_a_folder():
  _make('a.jpg', 'out/old.png')
  assert _plan('a.jpg', 'b.png') == [('a.jpg', 'b.png')]
  assert _plan('a.jpg', 'new/b.png') == [('a.jpg', 'new/b.png')]
  assert _plan('a.jpg', 'out') == [('a.jpg', 'out/a.jpg')]
  assert _plan('a.jpg', 'new.png/') == [('a.jpg', 'new.png/a.jpg')]
  pathlib.Path('folder.png').mkdir()
  assert _plan('a.jpg', 'folder.png') == [('a.jpg', 'folder.png/a.jpg')]


def test_a_folder_without_and_with_its_sub_folders():
  _make('in/b.JPG', 'in/a.png', 'in/x/a.png', 'in/x/y/c.tif', 'in/notes.txt')
  _make('in/.hidden.png', 'in/.thumbs/a.png')
  flat = [('in/a.png', 'out/a.png'), ('in/b.JPG', 'out/b.JPG')]
  assert _plan('in', 'out') == flat
  deep = [('in/x/a.png', 'out/x/a.png'), ('in/x/y/c.tif', 'out/x/y/c.tif')]
  assert _plan('in', 'out', recursive=True) == flat + deep


def test_patterns_and_names_that_look_like_them():
  _make('s/a 1.png', 's/b.png', 's/b.txt', 's/t/c.png', 'x[1].png')
  assert _plan('s/*', 'o') == [
    ('s/a 1.png', 'o/a 1.png'),
    ('s/b.png', 'o/b.png'),
  ]
  assert len(_plan('s/**', 'o')) == 3
  assert _plan('x[1].png', 'o') == [('x[1].png', 'o/x[1].png')]
  with pytest.raises(UserError, match='No image matches'):
    _plan('s/*.jpg', 'o')


def test_a_picture_given_twice_is_restored_once():
  _make('in/a.png')
  os.symlink('a.png', 'in/same.png')
  found = _plan(['in', 'in/a.png', './in/*.png'], 'out')
  assert found == [('in/a.png', 'out/a.png')]


def test_suffix_and_extension():
  _make('in/a.b.jpg', 'in/c.tif', 'in/plain')
  assert _plan('in', 'out', suffix='_r', ext='png') == [
    ('in/a.b.jpg', 'out/a.b_r.png'),
    ('in/c.tif', 'out/c_r.png'),
  ]
  assert _plan('in/plain', 'out') == [('in/plain', 'out/plain.png')]
  with pytest.raises(UserError, match='file name'):
    _plan('in', 'out', suffix='/r')


@pytest.mark.parametrize('output', ['in', 'in/../in', './in/', 'link'])
def test_an_input_is_never_overwritten(output):
  _make('in/a.png', 'in/b.png')
  os.symlink('in', 'link')
  with pytest.raises(UserError, match='would overwrite the input') as caught:
    _plan('in', output)
  assert len(caught.value.problems) == 2
  with pytest.raises(UserError, match='would overwrite the input'):
    _plan('in/a.png', 'in/a.png')


def test_nor_is_an_input_behind_another_name():
  _make('in/a.png', 'in/b.png', 'out/c.png')
  os.link('in/b.png', 'out/a.png')
  with pytest.raises(UserError, match=r'overwrite the input out/a\.png'):
    _plan(['in/a.png', 'in/b.png'], 'out')
  # b.png is no input now.
  assert (
    len(_plan('in/a.png', 'out', existing=overwrite.Existing(replace=True)))
    == 1
  )


def test_a_mask_is_not_overwritten_either():
  _make('a.png', 'masks/a.png')
  with pytest.raises(UserError, match=r'would overwrite masks/a\.png'):
    _plan('a.png', 'masks', keep=['masks/a.png'])


def test_two_results_of_one_name():
  _make('x/a.png', 'y/a.png', 'z/a.png', 'z/a.jpg')
  with pytest.raises(UserError, match='both be written to out/a'):
    _plan(['x', 'y'], 'out')
  assert len(_plan('z', 'out')) == 2
  with pytest.raises(UserError, match='both be written to out/a'):
    _plan('z', 'out', ext='png')


def test_results_of_an_earlier_call_are_no_inputs():
  _make('in/a.png', 'in/a_r.png', 'in/b_r.png', 'in/_r.png', 'in/a_r.jpg')
  for result in ('in/a_r.png', 'in/a_r.jpg'):  # in either format
    own.mark(pathlib.Path(result))
  again = {'suffix': '_r', 'existing': overwrite.Existing(skip=True)}
  assert _plan('in', 'in', **again) == [
    ('in/_r.png', 'in/_r_r.png'),
    ('in/a.png', 'in/a_r.png'),
    ('in/b_r.png', 'in/b_r_r.png'),
  ]
  # Elsewhere they are pictures like others.
  assert len(_plan('in', 'out', suffix='_r')) == 5
  pathlib.Path('in/a_r.jpg').unlink()
  _make('in/out/a.png', 'in/out/x/a.png')
  found = _plan(
    'in', 'in/out', recursive=True, existing=overwrite.Existing(replace=True)
  )
  assert [source for source, _ in found] == [
    'in/_r.png',
    'in/a.png',
    'in/a_r.png',
    'in/b_r.png',
  ]


def test_pictures_named_like_results_are_pictures():
  _make('in/IMG.png', 'in/IMG_1.png', 'in/cat.png', 'in/cat_1.jpg')
  for existing in (overwrite.REFUSE, overwrite.Existing(replace=True)):
    with pytest.raises(UserError, match=r'overwrite the input in/IMG_1\.png'):
      _plan('in', 'in', suffix='_1', existing=existing)
  os.rename('in/IMG_1.png', 'in/IMG_2.png')
  assert _plan('in', 'in', suffix='_1')[-1] == (
    'in/cat_1.jpg',
    'in/cat_1_1.jpg',
  )


def test_without_marks_a_name_tells_results(no_marks):
  _make('in/a.png', 'in/a_r.png', 'in/a_r.jpg', 'in/b.png')
  replace = overwrite.Existing(replace=True)
  found = _plan('in', 'in', suffix='_r', existing=replace)
  assert [source for source, _ in found] == [
    'in/a.png',
    'in/a_r.jpg',
    'in/b.png',
  ]


@pytest.mark.parametrize(
  ('source', 'ext'), [('in/a.png', 'jpg'), ('in/a.jpg', 'png')]
)
def test_results_beside_inputs_come_before_or_after_them(source, ext):
  _make(source, result := f'in/a.{ext}')
  own.mark(pathlib.Path(result))
  assert _plan('in', 'in', ext=ext) == [(source, result)]


def test_results_in_a_folder_that_a_pattern_reaches():
  _make('in/a.png', 'in/out/a.png')
  own.mark(pathlib.Path('in/out/a.png'))
  assert _plan('in/**/*.png', 'in/out') == [('in/a.png', 'in/out/a.png')]


@pytest.mark.parametrize(
  ('inputs', 'output', 'options', 'words'),
  [
    (['none.png'], 'out', {}, 'no file or folder none.png'),
    (['empty'], 'out', {}, 'holds no images'),
    (['empty'], 'out', {'recursive': True}, 'nor any below it'),
    (['in'], 'out.png', {}, 'name of one picture'),
    (['in/a.png', 'in/b.png'], 'out.png', {}, 'name of one picture'),
    (['in/a.png'], 'b.png', {'ext': 'jpg'}, 'leave --suffix and --ext out'),
    (['in/a.png'], 'notes', {}, 'is a file'),
  ],
)
def test_mistakes(inputs, output, options, words):
  _make('in/a.png', 'in/b.png', 'notes')
  pathlib.Path('empty').mkdir()
  with pytest.raises(UserError, match=words):
    _plan(inputs, output, **options)


@pytest.mark.parametrize(
  ('inputs', 'output', 'options'),
  [
    (['in/a.jpg'], 'in', {'suffix': '-edited'}),
    (['in/a.jpg'], 'in', {'ext': 'png'}),
    (['in/a.jpg'], 'other.jpg', {}),
    (['in/a.jpg'], 'out', {}),  # a link to nowhere
    (['in/a.jpg'], 'new', {'sidecar': '.recipe.json'}),
  ],
)
def test_what_exists_is_never_overwritten(inputs, output, options):
  _make('in/a.jpg', 'in/a-edited.jpg', 'in/a.png', 'other.jpg', 'out/b.jpg')
  _make('new/a.jpg.recipe.json')
  os.symlink('gone.jpg', 'out/a.jpg')
  with pytest.raises(UserError, match=r'exists.*--skip-existing.*'):
    _plan(inputs, output, **options)
  _plan(inputs, output, **options, existing=overwrite.Existing(replace=True))


def test_a_stopped_call_beside_its_inputs_can_be_finished():
  _make('in/a.jpg', 'in/b.jpg', 'in/a.png')  # a.png is the first result
  found = _plan('in', 'in', ext='png', existing=overwrite.Existing(skip=True))
  assert ('in/b.jpg', 'in/b.png') in found
  with pytest.raises(UserError, match=r'overwrite the input in/a\.png'):
    _plan('in', 'in', ext='png', existing=overwrite.Existing(replace=True))


def test_a_result_that_is_named_as_an_input_is_one():
  _make('in/a.jpg', 'in/a-edited.jpg')
  inputs, options = ['in/a.jpg', 'in/a-edited.jpg'], {'suffix': '-edited'}
  for existing in (overwrite.REFUSE, overwrite.Existing(replace=True)):
    with pytest.raises(UserError, match=r'the input in/a-edited\.jpg'):
      _plan(inputs, 'in', **options, existing=existing)
  found = _plan(inputs, 'in', **options, existing=overwrite.Existing(skip=True))
  assert found == [
    ('in/a.jpg', 'in/a-edited.jpg'),  # is skipped
    ('in/a-edited.jpg', 'in/a-edited-edited.jpg'),
  ]


def test_a_folder_where_a_result_would_go():
  _make('in/a.png', 'out/a.png/b.txt')
  with pytest.raises(UserError, match=r'out/a\.png is a folder'):
    _plan('in', 'out', existing=overwrite.Existing(replace=True))


def test_bad_paths_end_no_call():
  _make('in/a.png')
  pathlib.Path('empty').mkdir()
  os.symlink('gone.png', 'in/gone.png')
  os.symlink('loop.png', 'in/loop.png')
  bad = ['', 'none.png', 'empty', 'no*.png', 'x' * 5000, 'in/loop.png']
  pairs = pairing.find([*bad, 'in'], 'out', recursive=True)
  problems = [pair.problem for pair in pairs if pair.problem]
  assert len(problems) == len(bad)
  for word, problem in zip(
    ['empty', 'none.png', 'holds', 'no*.png', 'xxx', 'loop.png'],
    problems,
    strict=True,
  ):
    assert word in problem
  good = [str(pair.source) for pair in pairs if not pair.problem]
  assert good == ['in/a.png', 'in/gone.png']  # read, the second one fails
  with pytest.raises(UserError) as caught:
    pairing.find(bad, 'out')
  assert len(caught.value.problems) == len(bad)


@pytest.mark.parametrize('output', ['x.gif', 'x.HEIC', 'x.jp2', 'x.pngg', ''])
def test_an_output_of_no_known_format_makes_no_folder(output):
  _make('in/a.png')
  with pytest.raises(UserError, match='-o'):
    _plan('in/a.png', output)
  assert not pathlib.Path(output or 'out').exists()
  assert _plan('in/a.png', 'v1.2') == [('in/a.png', 'v1.2/a.png')]


def test_what_an_earlier_call_wrote_is_replaced_as_long_as_it_is_that():
  _make('in/a.jpg', 'in/a.png')
  assert not own.is_own(pathlib.Path('in/a.png'))
  own.mark(pathlib.Path('in/a.png'))
  assert own.is_own(pathlib.Path('in/a.png'))
  # It is the result of a.jpg, and no picture to restore.
  expected = [('in/a.jpg', 'in/a.png')]
  for existing in (
    overwrite.REFUSE,
    overwrite.Existing(replace=True),
    overwrite.Existing(skip=True),
  ):
    assert _plan('in', 'in', ext='png', existing=existing) == expected
  # Elsewhere it is a picture like others.
  assert _plan('in/a.png', 'out') == [('in/a.png', 'out/a.png')]
  os.symlink('a.png', 'in/b.png')
  assert not own.is_own(pathlib.Path('in/b.png'))
  os.link('in/a.png', 'in/c.png')
  assert own.is_own(pathlib.Path('in/c.png'))
  pathlib.Path('in/a.png').write_text('painted')
  with pytest.raises(UserError, match=r'in/a\.png'):
    _plan('in', 'in', ext='png')
  with pytest.raises(UserError, match=r'in/a\.png exists'):
    _plan('in/a.jpg', 'in', ext='png')


def _plan_claimed():
  _make('in/a.png', 'in/b.png', 'out/a.png', 'out/b.png')
  claimed = frozenset([pathlib.Path('out/a.png')])
  existing = overwrite.Existing(claimed=claimed)
  with pytest.raises(UserError, match=r'out/b\.png exists'):
    _plan('in', 'out', existing=existing)
  return _plan('in/a.png', 'out', existing=existing)


def test_a_claimed_file_is_replaced_where_no_marks_are_kept(no_marks):
  assert _plan_claimed() == [('in/a.png', 'out/a.png')]


def test_where_no_marks_are_kept_that_is_said(no_marks):
  _make('in/a.png', 'out/a.png')
  with pytest.raises(UserError, match=r'out/a\.png exists.* keeps no marks'):
    _plan('in', 'out')


def test_a_claimed_file_without_a_mark_is_another_program_s():
  with pytest.raises(UserError, match=r'out/a\.png exists'):
    _plan_claimed()


def test_without_attributes_nothing_is_known_again(no_marks):
  _make('a.png')
  own.mark(pathlib.Path('a.png'))
  assert not own.is_own(pathlib.Path('a.png'))

"""What an experiment learns from, and where it is kept."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import small_configs
import small_sets

from adafm_jax.data import bank as banks
from adafm_jax.data import prepared
from adafm_jax.data.image import NamedImage, identify
from adafm_jax.degrade import level as levels
from adafm_jax.engine import memory as memories
from adafm_jax.errors import UserError
from adafm_jax.train import images as training
from adafm_jax.train import partners, sets

ROOT = pathlib.Path(__file__).parents[2]


IMAGES = {
  f'{i:03d}': small_sets.random_pixels(i, 24, 33 + i, 3) for i in range(6)
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return small_sets.write(tmp_path_factory.mktemp('images'), IMAGES)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory, folder):
  data_dir = tmp_path_factory.mktemp('data') / 'my sets'
  made = {'source': folder, 'holdout': 2}
  small_sets.make_set(data_dir, **made, called='whole', side=0)
  # Images this small are cut only if the rest may be small too.
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr('adafm_jax.data.tiles._REST', 4)
    for partners in ({}, {'task': 'dejpeg', 'levels': (80.0, 10.0)}):
      cut = {'called': 'cut', 'side': 12, 'step': 12}
      small_sets.make_set(data_dir, **made, **cut, **partners)
    yield data_dir


def _config(data_dir, train='tfds:whole/train', **fields):
  given = {
    'data__train': str(train),
    'data__data_dir': str(data_dir),
    'data__holdout': 2,
    **{f'{stage}__patch': 8 for stage in ('train', 'adapt')},
  }
  return small_configs.parse(**given | fields)


def _jpeg(data_dir, train, **fields):
  fields = {'task': 'dejpeg', 'start': 80.0, 'end': 10.0, **fields}
  return _config(data_dir, train, model__channels=1, **fields)


def _problem(config):
  with pytest.raises(UserError) as caught:
    training.load(config)
  (sentence,) = caught.value.problems
  return sentence


def test_a_folder_is_loaded_and_its_last_images_held_out(data_dir, folder):
  found = training.load(_config(data_dir, folder))
  assert [i.name for i in found.train] == ['000', '001', '002', '003']
  assert [i.name for i in found.heldout] == ['004', '005']
  assert [s.name for s in found.seen] == ['000', '001', '002', '003']


def test_a_prepared_set_is_not_loaded_and_has_its_own_validation(data_dir):
  found = training.load(_config(data_dir, data__holdout=1))
  assert isinstance(found.train, prepared.Split)
  assert [i.name for i in found.heldout] == ['004', '005']
  np.testing.assert_array_equal(found.heldout[0].pixels, IMAGES['004'])
  other = training.load(
    _config(data_dir, data__heldout='tfds:cut/valid', model__channels=1)
  )
  assert other.heldout[0].pixels.shape == (24, 37, 1)


def test_what_is_learnt_from_is_known_without_reading_it(data_dir, folder):
  for channels in (1, 3):
    whole, loaded, cut = (
      training.load(_config(data_dir, train, model__channels=channels)).seen
      for train in ('tfds:whole/train', folder, 'tfds:cut/train')
    )
    assert whole == loaded == cut
    assert len({seen.pixels for seen in whole}) == 4


def test_jpeg_trains_from_partners_where_images_are_cut(data_dir):
  found = training.load(_jpeg(data_dir, 'tfds:cut/train')).train
  assert found.name == 'cut_dejpeg_y'
  direct = training.load(_jpeg(data_dir, 'tfds:cut_dejpeg_y/train')).train
  assert direct.identity == found.identity
  # Whole images are loaded, and their partners made when training starts.
  assert isinstance(
    training.load(_jpeg(data_dir, 'tfds:whole/train')).train, list
  )


def test_a_bent_path_needs_partners_between_the_ends(data_dir):
  bent = {'path__kind': 'poly', 'path__levels': '80,40,20,10'}
  sentence = _problem(_jpeg(data_dir, 'tfds:cut/train', **bent))
  assert '--levels 80,10,40,20 ' in sentence


def test_the_levels_to_prepare_are_told_exactly(data_dir):
  sixths = {'task': 'sr', 'start': 3.0, 'end': 4.0, 'path__kind': 'poly'}
  config = _config(data_dir, 'tfds:cut/train', **sixths)
  told = re.search(r'--levels (\S+) ', _problem(config))[1]
  assert '3.1666' in told
  needed = [config.start, config.end, *partners.between(config)]
  assert levels.parse_values(told) == needed


def test_missing_partners_say_how_to_make_them(data_dir):
  sentence = _problem(_jpeg(data_dir, 'tfds:cut/train', end=20.0))
  assert 'levels 80,20 of task dejpeg' in sentence
  assert (
    'python -m adafm_jax.data.prepare --dataset image_folder --name cut'
    f" --source FOLDER --data_dir '{data_dir}' --task dejpeg --levels 80,20"
    ' --channels 1.'
  ) in sentence
  streamed = _jpeg(data_dir, 'tfds:whole/train', data__placement='stream')
  assert 'levels 80,10' in _problem(streamed)


def test_colours_are_not_learnt_from_luma(data_dir):
  luma = 'tfds:cut_dejpeg_y/train'
  jpeg = {'task': 'dejpeg', 'start': 80.0, 'end': 10.0}
  for config in (
    _config(data_dir, luma, **jpeg, data__placement='stream'),
    _config(data_dir, luma),
    _config(data_dir, data__heldout=luma),
  ):
    assert 'cut_dejpeg_y/train, which holds luma alone' in _problem(config)
  # Levels that it lacks are made from the clean set.
  sentence = _problem(_jpeg(data_dir, luma, end=20.0))
  assert '--dataset image_folder --name cut --source' in sentence


@pytest.mark.parametrize('placement', ['auto', 'stream'])
def test_a_split_that_a_set_has_not(data_dir, placement):
  config = _config(data_dir, 'tfds:whole/val', data__placement=placement)
  assert 'but the splits of whole are train, valid.' in _problem(config)


def test_parts_smaller_than_a_patch_are_not_the_images_fault(data_dir):
  fields = {f'{stage}__patch': 14 for stage in ('train', 'adapt')}
  sentence = _problem(_config(data_dir, 'tfds:cut/train', **fields))
  assert 'prepare the set again with a --side of 14 or more' in sentence


def test_only_prepared_sets_can_be_streamed(data_dir, folder):
  for source in (folder, 'photos:train'):
    sentence = _problem(_config(data_dir, source, data__placement='stream'))
    assert 'adafm_jax.data.prepare' in sentence


def test_shrinking_takes_whole_images(data_dir):
  found = training.load(_config(data_dir, data__shrink=2)).train
  assert found[0].pixels.shape == (12, 16, 3)
  for fields in (
    {'train': 'tfds:cut/train'},
    {'data__placement': 'stream'},
  ):
    sentence = _problem(_config(data_dir, data__shrink=2, **fields))
    assert 'data.shrink is 2, but data.train' in sentence
    sentence = _problem(_config(data_dir, data__scales='1,0.5', **fields))
    assert 'data.scales is 1,0.5, but data.train' in sentence
    sentence = _problem(_config(data_dir, data__vivid=0.5, **fields))
    assert 'data.vivid is 0.5, but data.train' in sentence


def test_scales_add_copies_to_train_on_alone(data_dir):
  whole = training.load(_config(data_dir))
  found = training.load(_config(data_dir, data__scales='1,0.5'))
  assert [x.name for x in found.heldout] == [x.name for x in whole.heldout]
  assert found.heldout[0].pixels.shape == IMAGES['004'].shape
  assert found.seen == whole.seen
  shapes = [x.pixels.shape for x in found.train]
  assert shapes[:4] == [IMAGES[f'{i:03d}'].shape for i in range(4)]
  assert shapes[4:] == [(12, 17 + i // 2, 3) for i in range(4)]


def test_vivid_copies_are_of_all_scales_and_not_held_out(data_dir):
  fields = {'data__scales': '1,0.5', 'data__vivid': 1.0}
  found = training.load(_config(data_dir, **fields))
  names = [x.name for x in found.train]
  assert names[8:] == [f'{name}, vivid' for name in names[:8]]
  plain = training.load(_config(data_dir, data__scales='1,0.5'))
  assert found.seen == plain.seen
  assert found.heldout[0].name == plain.heldout[0].name
  np.testing.assert_array_equal(
    found.heldout[0].pixels, plain.heldout[0].pixels
  )


def test_small_records_are_reported_by_name_before_any_is_read(data_dir):
  sentence = _problem(_config(data_dir, 'tfds:cut/train', train__patch=14))
  assert sentence.startswith('data.train has ')
  assert '000_s001' in sentence


def test_a_set_without_validation_needs_some(tmp_path, folder):
  small_sets.make_set(tmp_path, source=folder, holdout=0)
  config = _config(tmp_path, 'tfds:image_folder/train')
  assert 'has no split "valid"' in _problem(config)
  config = _config(
    tmp_path, 'tfds:image_folder/train', data__heldout=str(folder)
  )
  assert len(training.load(config).heldout) == 6


@pytest.mark.parametrize(
  ('spare', 'chosen', 'said'),
  [(0, 'device', 'KiB of '), (-1, 'stream', 'KiB of only ')],
)
def test_auto_compares_the_set_with_free_memory(
  data_dir, tmp_path, monkeypatch, spare, chosen, said
):
  config = _config(data_dir)
  learnt = training.load(config)
  size = 3 * sum(24 * (33 + i) for i in range(4))
  assert training.needed_bytes(config, learnt.train) == size
  monkeypatch.setattr(memories, 'available', lambda: size + spare)
  placement, why = training.place(config, learnt, tmp_path)
  assert placement == chosen
  assert said in why
  pairs = training.load(_jpeg(data_dir, 'tfds:cut/train'))
  assert training.needed_bytes(
    _jpeg(data_dir, 'tfds:cut/train'), pairs.train
  ) == (2 * pairs.train.pixels)


def test_auto_streams_what_one_array_cannot_address(
  data_dir, tmp_path, monkeypatch
):
  monkeypatch.setattr(banks, 'MAX_PIXELS', 1000)
  config = _config(data_dir)
  placement, why = training.place(config, training.load(config), tmp_path)
  assert placement == 'stream'
  assert 'too many for one array' in why


def test_a_run_stays_where_it_began(data_dir, tmp_path, monkeypatch):
  config = _config(data_dir)
  learnt = training.load(config)
  monkeypatch.setattr(memories, 'available', lambda: 10)
  assert training.place(config, learnt, tmp_path)[0] == 'stream'
  monkeypatch.setattr(memories, 'available', lambda: 10**9)
  assert training.place(config, learnt, tmp_path)[0] == 'stream'
  assert training.place(config, learnt, tmp_path / 'new')[0] == 'device'


def test_a_run_goes_on_only_with_the_set_it_began_with(data_dir, tmp_path):
  config = _config(data_dir)
  learnt = training.load(config)
  training.place(config, learnt, tmp_path)
  note = json.loads((tmp_path / 'data.json').read_text())
  assert note == {
    'placement': 'device',
    'identity': learnt.train.identity,
    'heldout': training.identity(learnt.heldout_seen),
  }
  other = training.load(_config(data_dir, 'tfds:cut/train'))
  with pytest.raises(UserError, match='have changed'):
    training.place(config, other, tmp_path)
  (tmp_path / 'data.json').write_text('{')
  with pytest.raises(UserError, match=r'Cannot read .*data\.json: '):
    training.place(config, learnt, tmp_path)


def test_held_out_images_and_given_weights_stay_the_same(
  data_dir, folder, tmp_path
):
  init = tmp_path / 'a.safetensors'
  init.write_bytes(b'weights')
  config = _config(data_dir, folder, model__init=str(init))
  learnt = training.load(config)
  workdir = tmp_path / 'run'
  training.place(config, learnt, workdir)
  moved = init.rename(tmp_path / 'b.safetensors')
  config = _config(data_dir, folder, model__init=str(moved))
  training.place(config, learnt, workdir)  # the same file in another place
  fewer = learnt._replace(heldout_seen=learnt.heldout_seen[1:])
  with pytest.raises(UserError, match='held-out images have changed'):
    training.place(config, fewer, workdir)
  moved.write_bytes(b'other weights')
  with pytest.raises(UserError, match=r'b\.safetensors of model\.init has'):
    training.place(config, learnt, workdir)
  training.place(config, learnt, workdir, anew=True)


def test_folders_are_kept_on_the_device(data_dir, folder, tmp_path):
  config = _config(data_dir, folder)
  learnt = training.load(config)
  assert training.place(config, learnt, tmp_path)[0] == 'device'
  assert training.place(config, learnt, tmp_path)[0] == 'device'
  fewer = learnt._replace(seen=learnt.seen[1:])
  with pytest.raises(UserError, match='have changed'):
    training.place(config, fewer, tmp_path)


def test_an_experiment_refuses_to_measure_what_it_learns_from(
  data_dir, folder, tmp_path
):
  small_sets.write(tmp_path, {'renamed': IMAGES['002']}, '.bmp')
  for train in (folder, 'tfds:whole/train', 'tfds:cut/train'):
    config = _config(data_dir, train, evaluate__sets=f'mine={tmp_path}')
    with pytest.raises(UserError, match=r'evaluation set mine .*\(renamed\)'):
      sets.load(config)


@pytest.mark.parametrize('shrink', [1, 2])
def test_a_held_out_image_that_is_also_trained_on_is_refused(tmp_path, shrink):
  pictures = {'a': IMAGES['000'], 'b': IMAGES['001'], 'z': IMAGES['000']}
  folder = small_sets.write(tmp_path, pictures)
  fields = {'data__holdout': 1, 'data__shrink': shrink}
  config = _config('', folder, **fields, evaluate__ssim=False)
  with pytest.raises(UserError, match=r'evaluation set heldout .*\(z\)'):
    sets.load(config)


def test_a_set_by_name_is_found_or_says_how_to_get_it(data_dir, tmp_path):
  config = _config(data_dir, evaluate__sets='kodak24')
  with pytest.raises(UserError) as caught:
    sets.load(config)
  (sentence,) = caught.value.problems
  for part in (
    'evaluate.sets=kodak24 is tfds:kodak24/test',
    f"is not prepared in '{data_dir}'",
    'https://r0k.us/graphics/kodak/',
    '--dataset kodak24 --source FOLDER',
    '--config.evaluate.sets=kodak24=/path',
  ):
    assert part in sentence
  small_sets.write(tmp_path, small_sets.make_images(2))
  small_sets.make_set(data_dir, 'kodak24', source=tmp_path, unchecked=True)
  data = sets.load(config)
  assert [i.name for i in data.sets['kodak24']] == ['000', '001']
  assert list(data.sets) == ['heldout', 'kodak24']


def test_few_images_of_each_set_may_be_measured(folder, tmp_path):
  pictures = {x: small_sets.random_pixels(ord(x), 20, 20, 3) for x in 'abc'}
  small_sets.write(tmp_path, pictures)
  for few, counts in {0: [2, 3], 1: [1, 1], 3: [2, 3]}.items():
    measured = {'evaluate__sets': f'm={tmp_path}', 'evaluate__images': few}
    data = sets.load(_config('', folder, **measured))
    assert [len(images) for images in data.sets.values()] == counts
    assert len(data.learnt.heldout) == 2


def test_images_that_are_too_small_to_be_measured_are_refused(folder, tmp_path):
  """Before training begins, not at its end; SSIM's window is 11 x 11."""
  small_sets.write(tmp_path, {'small': small_sets.random_pixels(0, 10, 20, 3)})
  measured = {'train': folder, 'evaluate__sets': f'mine={tmp_path}'}
  with pytest.raises(UserError, match=r'mine has 1 image.*11 x 11.*\(small\)'):
    sets.load(_config('', **measured))
  config = _config('', **measured, evaluate__ssim=False)
  assert len(sets.load(config).sets['mine']) == 1


def test_whole_scales_crop_before_the_size_is_checked(folder, tmp_path):
  """Of 22 rows x4 measures 20: 12 inside the border of 4; of 19 only 8."""
  measured = {'train': folder, 'evaluate__sets': f'mine={tmp_path}'}
  scales = {'task': 'sr', 'start': 3.0, 'end': 4.0}
  for rows, fits in ((22, True), (19, False)):
    small_sets.write(tmp_path, {'a': small_sets.random_pixels(0, rows, 40, 3)})
    config = _config('', **measured, **scales)
    if fits:
      assert len(sets.load(config).sets['mine']) == 1
    else:
      with pytest.raises(UserError, match=r'mine has 1 image.*20 x 20.*\(a\)'):
        sets.load(config)


def test_a_folder_needs_no_package_for_data_sets(folder):
  """Machines with GPUs may lack them."""
  program = f"""
import sys
lacking = ('tensorflow_datasets', 'grain', 'array_record', 'ml_collections')
for name in lacking:
  sys.modules[name] = None  # importing it fails
from adafm_jax.config import parse as configs
from adafm_jax.train import sets
values = {{'data': {{'train': {str(folder)!r}, 'holdout': 2}}}}
for stage in ('train', 'adapt'):
  values[stage] = {{'patch': 8}}
print(len(sets.load(configs.parse(values)).learnt.train), 'loaded')
values['data'] = {{'train': 'tfds:div2k/train'}}
sets.load(configs.parse(values))
"""
  done = subprocess.run(
    [sys.executable, '-c', program],
    cwd=ROOT,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.stdout == '4 loaded\n', done.stderr
  assert (
    'UserError: data.train is tfds:div2k/train, which needs the packages'
    in (done.stderr)
  )


def test_identity_is_that_of_names_and_pixels():
  images = [
    NamedImage(n, np.full((4, 5, 3), i, np.uint8)) for i, n in enumerate('ab')
  ]
  known = training.identity(identify(images))
  assert training.identity(identify(images[::-1])) == known
  renamed = [images[0]._replace(name='c'), images[1]]
  changed = [images[0], images[1]._replace(pixels=images[0].pixels)]
  found = {
    training.identity(identify(x)) for x in (renamed, changed, images[:1])
  }
  assert len(found) == 3
  assert known not in found

"""Sets of a few small images, prepared as a user prepares large ones."""

import contextlib
import fcntl
import hashlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from adafm_jax.data import known, prepare, prepared, sources
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]


def _random(seed, *shape):
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _smooth(seed, height, width):
  """An image that JPEG and bicubic leave mostly as it is."""
  y, x = np.mgrid[:height, :width]
  slopes = np.random.default_rng(seed).uniform(0.05, 0.3, (3, 2))
  waves = [np.sin(a * x + b * y) for a, b in slopes]
  return np.rint(127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def _write(folder, images, suffix='.png'):
  folder.mkdir(parents=True, exist_ok=True)
  for name, pixels in images.items():
    shown = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    Image.fromarray(shown).save(folder / f'{name}{suffix}')
  return folder


def _images(count, height=12, width=17):
  return {
    f'{i:03d}': _random(i, height + i % 3, width, 3) for i in range(count)
  }


def _prepare(data_dir, dataset='image_folder', **fields):
  return prepare.prepare(
    prepare.Request(dataset=dataset, data_dir=data_dir, **fields)
  )


def _problems(*args, **fields):
  with pytest.raises(UserError) as caught:
    _prepare(*args, **fields)
  return caught.value.problems


def _files(folder):
  return {
    p.relative_to(folder).as_posix(): p.read_bytes()
    for p in sorted(folder.rglob('*'))
    if p.is_file()
  }


def _visible(data_dir):
  """Names a user, or TFDS, would find."""
  return sorted(
    p.name for p in data_dir.iterdir() if not p.name.endswith('.lock')
  )


# What is written.


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  images = _images(6) | {'grey': _random(50, 20, 11, 1)}
  return _write(tmp_path_factory.mktemp('images'), images)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory, folder):
  data_dir = tmp_path_factory.mktemp('data')
  _prepare(data_dir, source=folder, holdout=2, side=0)
  return data_dir


def test_tfds_alone_reads_the_very_pixels(data_dir, folder):
  builder = tfds.builder_from_directory(data_dir / 'image_folder/1.0.0')
  assert set(builder.info.splits) == {'train', 'valid'}
  records = builder.as_data_source(split='train')
  assert [r['name'].decode() for r in records] == [
    '000',
    '001',
    '002',
    '003',
    '004',
  ]
  for record, pixels in zip(records, _images(5).values(), strict=True):
    np.testing.assert_array_equal(record['image'], pixels)
  assert 'tensorflow' not in sys.modules


def test_the_last_images_by_name_validate(data_dir):
  found = sources.load(
    'tfds:image_folder/valid', field='x', channels=3, data_dir=str(data_dir)
  )
  assert [i.name for i in found] == ['005', 'grey']
  grey = _random(50, 20, 11, 1)
  np.testing.assert_array_equal(found[1].pixels, np.repeat(grey, 3, axis=-1))
  one = prepared.open_split('image_folder', 'valid', data_dir)
  assert one.records()[1].shape == (20, 11, 1)  # kept as the file has it
  luma = one.records(1)
  np.testing.assert_array_equal(luma[1], grey)


def test_the_index_says_what_was_read(data_dir, folder):
  part = prepared.open_split('image_folder', 'train', data_dir)
  assert len(part) == 5
  for entry in part.entries:
    data = (folder / entry.path).read_bytes()
    assert entry.sha256 == hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as image:
      assert image.size == (entry.width, entry.height)
  assert part.pixels == sum(12 * 17 + 17 * (i % 3) for i in range(5))
  assert [name for name, *_ in part.sizes] == [e.name for e in part.entries]


def test_training_images_are_cut_and_others_are_not(tmp_path, monkeypatch):
  monkeypatch.setattr('adafm_jax.data.tiles._REST', 3)
  images = {n: _random(i, 45, 30, 3) for i, n in enumerate('abc')}
  source = _write(tmp_path / 'in', images)
  _prepare(tmp_path, source=source, holdout=1, side=20, step=10, name='mine')
  part = prepared.open_split('mine', 'train', tmp_path)
  assert part.is_cut
  assert part.sizes[:3] == [
    ('a_s001', 20, 20),
    ('a_s002', 20, 20),
    ('a_s003', 20, 20),
  ]
  records = part.records()
  assert len(records) == len(part.sizes) == 2 * 4 * 2
  tops, lefts = [0, 10, 20, 25], [0, 10]
  for n, record in enumerate(records):
    image, place = divmod(n, 8)
    top, left = tops[place // 2], lefts[place % 2]
    wanted = images['ab'[image]][top : top + 20, left : left + 20]
    np.testing.assert_array_equal(record, wanted)
  (valid,) = prepared.open_split('mine', 'valid', tmp_path).records()
  np.testing.assert_array_equal(valid, images['c'])


@pytest.mark.parametrize(
  ('task', 'levels', 'channels'),
  [('dejpeg', (80.0, 10.0), 1), ('sr', (3.0, 2.5), 3)],
)
def test_partners_are_degraded_as_whole_images(
  tmp_path, task, levels, channels
):
  images = {n: _smooth(i, 41, 46) for i, n in enumerate('ab')}
  source = _write(tmp_path / 'in', images)
  where = _prepare(
    tmp_path,
    source=source,
    holdout=1,
    side=20,
    step=9,
    task=task,
    levels=levels,
  )
  ending = 'y' if channels == 1 else 'rgb'
  assert where.parent.name == f'image_folder_{task}_{ending}'
  part = prepared.open_split(where.parent.name, 'train', tmp_path)
  clean = sources.images.to_channels(images['a'], channels)
  for level in levels:
    assert part.has_level(task, level, channels)
    whole = Degradation(task).apply(clean, level) * 255
    record = part.records(level=level)[0]
    assert record.shape == (20, 20, 2 * channels)
    np.testing.assert_array_equal(record[..., :channels], clean[:20, :20])
    np.testing.assert_allclose(
      record[..., channels:], whole[:20, :20], atol=1e-3
    )
    alone = Degradation(task).apply(clean[:20, :20], level) * 255
    assert np.abs(record[..., channels:] - alone).max() > 1  # a cut differs
  assert not part.has_level(task, 5.0, channels)
  assert not part.has_level(task, levels[0], 4 - channels)


# Sets that are known.


def _zip(path, folder):
  with zipfile.ZipFile(path, 'w') as archive:
    for file in sorted(folder.iterdir()):
      archive.write(file, f'{folder.name}/{file.name}')


@pytest.fixture(scope='module')
def div2k(tmp_path_factory):
  """A folder with the two official folders, of a few small images."""
  source = tmp_path_factory.mktemp('div2k')
  for split, first in (('train', 1), ('valid', 801)):
    images = {f'{first + i:04d}': _random(first + i, 9, 12, 3) for i in (0, 1)}
    _write(source / f'DIV2K_{split}_HR', images)
  return source


def test_div2k_from_folders_and_from_archives_is_the_same(tmp_path, div2k):
  a = _prepare(tmp_path / 'a', 'div2k', source=div2k, unchecked=True)
  archives = tmp_path / 'archives'
  archives.mkdir()
  for split in ('train', 'valid'):
    name = f'DIV2K_{split}_HR'
    _zip(archives / f'{name}.zip', div2k / name)
  b = _prepare(tmp_path / 'b', 'div2k', source=archives, unchecked=True)
  assert _files(a) == _files(b)
  found = sources.load(
    'tfds:div2k/valid', field='x', channels=3, data_dir=str(tmp_path / 'b')
  )
  assert [i.name for i in found] == ['0801', '0802']
  np.testing.assert_array_equal(found[0].pixels, _random(801, 9, 12, 3))


def test_wrong_counts_and_sizes_are_listed(tmp_path, div2k):
  problems = _problems(tmp_path, 'div2k', source=div2k)
  assert problems[0].startswith(
    'div2k has 800 images in split train, but 2 were found in'
  )
  assert '100 images in split valid, but 2' in problems[3]
  assert sum('has 12 x 9 pixels; its longer side' in p for p in problems) == 4
  assert '--unchecked' in problems[-1]
  assert _visible(tmp_path) == []


def test_a_missing_part_says_where_to_get_it(tmp_path, div2k):
  (problem,) = _problems(
    tmp_path, 'div2k', source=div2k / 'DIV2K_train_HR', unchecked=True
  )
  assert 'has no DIV2K_train_HR (a folder or .zip) for split train' in problem
  assert 'https://data.vision.ee.ethz.ch/cvl/DIV2K/' in problem


def test_an_official_archive_must_be_whole(tmp_path, div2k):
  for split in ('train', 'valid'):
    name = f'DIV2K_{split}_HR'
    _zip(tmp_path / f'{name}.zip', div2k / name)
  (problem,) = _problems(tmp_path / 'out', 'div2k', source=tmp_path)
  assert 'DIV2K_train_HR.zip is not what https://data.vision' in problem
  assert 'bytes and not 3,530,603,713; download it again' in problem
  archive = tmp_path / 'DIV2K_valid_HR.zip'
  archive.write_bytes(archive.read_bytes()[:-100])
  (problem,) = _problems(
    tmp_path / 'out', 'div2k', source=tmp_path, unchecked=True
  )
  assert 'DIV2K_valid_HR.zip' in problem
  assert _visible(tmp_path / 'out') == []


def _bsd(names):
  return {name: _random(int(name), 321, 481, 3) for name in names}


def test_bsds_keeps_the_test_images_and_set5s_photograph_apart(
  tmp_path, capsys, monkeypatch
):
  monkeypatch.setattr(known, 'CBSD68', frozenset({'3096', '101085'}))
  rule = known.SETS['bsds']
  monkeypatch.setitem(rule.splits, 'cbsd68', known.Split(2))
  # As the official archive unpacks: in folders below.
  images = tmp_path / 'BSR/BSDS500/data/images'
  _write(images / 'train', _bsd(['2018', '302003', '5096', '6046']), '.png')
  _write(images / 'test', _bsd(['3096', '101085']), '.png')
  archive = tmp_path / 'BSR_bsds500.tgz'
  with tarfile.open(archive, 'w:gz') as tar:
    tar.add(tmp_path / 'BSR', 'BSR')
  _prepare(tmp_path, 'bsds', source=archive, holdout=1)
  names = {
    split: [
      e.name for e in prepared.open_split('bsds', split, tmp_path).entries
    ]
    for split in ('train', 'valid', 'cbsd68')
  }
  assert names == {
    'train': ['2018', '5096'],
    'valid': ['6046'],
    'cbsd68': ['101085', '3096'],
  }
  assert '302003, which Set5 has a crop of' in capsys.readouterr().out
  # The name alone finds it there, until the set itself is prepared.
  assert sources.named('cbsd68', str(tmp_path)) == 'tfds:bsds/cbsd68'
  _prepare(tmp_path, 'cbsd68', source=images / 'test', unchecked=True)
  assert sources.named('cbsd68', str(tmp_path)) == 'tfds:cbsd68/test'


def test_an_evaluation_set_has_one_split(tmp_path):
  sizes = [(256, 256), (280, 280), (288, 288), (512, 512), (344, 228)]
  images = {f'{i}_GT': _random(i, *size, 3) for i, size in enumerate(sizes)}
  source = _write(tmp_path / 'in', images)
  where = _prepare(tmp_path, 'set5', source=source)
  assert 'test: 5 images' in prepare.describe(where)
  assert '--config.evaluate.sets=set5' in prepare.describe(where)
  _write(source, {'5_GT': images['0_GT']})
  problems = _problems(tmp_path, 'set5', source=source, overwrite=True)
  assert problems[0].startswith('set5 has 5 images in split test, but 6 were')


# Downloads, from a server of our own.


@pytest.fixture
def server(tmp_path):
  """Serves the folder `served`: (its address, the folder)."""
  import functools
  import http.server
  import threading

  served = tmp_path / 'served'
  served.mkdir()

  class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
      pass

  handler = functools.partial(Quiet, directory=str(served))
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as found:
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield f'http://127.0.0.1:{found.server_address[1]}', served
    found.shutdown()
    thread.join()


def _published(monkeypatch, address, archive, sha256=None):
  data = archive.read_bytes()
  digest = sha256 or hashlib.sha256(data).hexdigest()
  link = known.Download(f'{address}/{archive.name}', len(data), digest)
  rule = known.ImageSet(
    'mine', {'test': known.Split(2, download=link)}, 'put two images together'
  )
  monkeypatch.setitem(known.SETS, 'mine', rule)


def test_official_archives_are_downloaded_and_checked(
  tmp_path, div2k, server, monkeypatch
):
  address, served = server
  archive = served / 'two.zip'
  _zip(archive, div2k / 'DIV2K_valid_HR')
  _published(monkeypatch, address, archive)
  _prepare(tmp_path / 'data', 'mine')
  part = prepared.open_split('mine', 'test', tmp_path / 'data')
  assert [e.name for e in part.entries] == ['0801', '0802']
  _published(monkeypatch, address, archive, sha256='0' * 64)
  (problem,) = _problems(tmp_path / 'other', 'mine')
  assert problem.startswith('Cannot download mine (')
  assert problem.endswith('put two images together, and give it with --source.')
  archive.unlink()
  (problem,) = _problems(tmp_path / 'third', 'mine')
  assert 'Cannot download mine' in problem


def test_without_an_address_it_says_how_to_get_the_set(tmp_path):
  (problem,) = _problems(tmp_path, 'live1')
  assert problem.startswith('live1 has no archive to download: ask for the')
  assert problem.endswith('give it with --source.')


# What goes wrong.


def test_all_unreadable_files_are_listed(tmp_path):
  source = _write(tmp_path / 'in', _images(5))
  whole = (source / '001.png').read_bytes()
  (source / '001.png').write_bytes(whole[:-40])
  (source / '003.png').write_text('no image')
  _write(source, {'004': _random(9, 8, 8, 3)}, '.bmp')
  problems = _problems(tmp_path / 'out', source=source, holdout=1)
  assert len(problems) == 3
  assert '2 images of image_folder are called 004' in problems[0]
  for problem, name in zip(problems[1:], ('001', '003'), strict=True):
    assert f'Cannot read the image {source / name}.png' in problem
  assert _visible(tmp_path / 'out') == []


def test_a_wrong_folder_does_not_fill_the_screen(tmp_path):
  source = _write(tmp_path / 'in', _images(30))
  problems = _problems(tmp_path / 'out', 'kodak24', source=source)
  assert len(problems) == 21
  assert problems[0].startswith('kodak24 has 24 images in split test, but 30')
  assert problems[-1] == 'There are 12 more of these.'


def test_a_copy_of_a_training_image_does_not_validate(tmp_path):
  images = _images(3)
  images['zzz'] = images['001']
  source = _write(tmp_path / 'in', images)
  (problem,) = _problems(tmp_path / 'out', source=source, holdout=1)
  assert 'split valid are in split train too, by their pixels: zzz' in problem


@pytest.mark.parametrize(
  ('fields', 'sentence'),
  [
    ({'dataset': 'div3k'}, "no data set 'div3k'"),
    ({'task': 'dejpeg'}, 'Give --task and --levels together'),
    ({'task': 'denoise', 'levels': (15.0,)}, 'partners are kept for dejpeg'),
    ({'task': 'dejpeg', 'levels': (0.0,)}, 'quality'),
    ({'step': 0}, '--step is 0; it must be 1 to --side (480)'),
    ({'holdout': 3}, '--holdout is 3, but there are only 3 training image(s)'),
    ({'name': 'a/b'}, "--name is 'a/b'; use letters"),
    ({'source': pathlib.Path('/absent')}, 'no folder or file /absent'),
  ],
)
def test_requests_that_make_no_sense(tmp_path, fields, sentence):
  source = _write(tmp_path / 'in', _images(3))
  problems = _problems(tmp_path / 'out', **{'source': source, **fields})
  assert sentence in problems[0]


def test_what_is_prepared_is_replaced_only_if_asked_and_when_whole(tmp_path):
  first = _write(tmp_path / 'first', _images(3))
  second = _write(tmp_path / 'second', _images(5))
  where = _prepare(tmp_path, source=first, holdout=1)
  before = _files(where)
  (problem,) = _problems(tmp_path, source=second, holdout=1)
  assert 'prepared already' in problem
  assert '--overwrite' in problem
  (second / '002.png').write_text('broken')
  _problems(tmp_path, source=second, holdout=1, overwrite=True)
  assert _files(where) == before
  (second / '002.png').unlink()
  _prepare(tmp_path, source=second, holdout=1, overwrite=True)
  assert len(prepared.open_split('image_folder', 'train', tmp_path)) == 3
  assert _visible(tmp_path) == ['first', 'image_folder', 'second']


def test_one_preparation_of_a_set_at_a_time(tmp_path):
  source = _write(tmp_path / 'in', _images(3))
  with (tmp_path / '.preparing-image_folder.lock').open('w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    (problem,) = _problems(tmp_path, source=source, holdout=1)
    assert 'being prepared' in problem
  _prepare(tmp_path, source=source, holdout=1)


def _records(where):
  return sorted(where.glob('*train*record*'))[0]


def test_a_truncated_file_of_records_is_told_before_it_is_used(tmp_path):
  source = _write(tmp_path / 'in', _images(3))
  path = _records(_prepare(tmp_path, source=source, holdout=1))
  whole = path.read_bytes()
  for data in (whole[: len(whole) // 2], b''):
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
      sources.load(
        'tfds:image_folder', field='x', channels=3, data_dir=str(tmp_path)
      )
    assert f'{path} has {len(data):,} bytes and not' in str(caught.value)
    assert 'prepare image_folder again with --overwrite' in str(caught.value)
  path.unlink()
  with pytest.raises(UserError, match='has 0 bytes and not'):
    prepared.find('image_folder', tmp_path)


def test_changed_bytes_of_records_are_found(tmp_path):
  source = _write(tmp_path / 'in', _images(40))
  path = _records(_prepare(tmp_path, source=source, holdout=1))
  assert prepared.verify('image_folder', tmp_path) == 2
  data = bytearray(path.read_bytes())
  data[5000] ^= 255  # within the first records: later there is padding
  path.write_bytes(data)
  with pytest.raises(UserError, match=r'train.* is damaged: its checksum'):
    prepared.verify('image_folder', tmp_path)
  part = prepared.open_split('image_folder', 'train', tmp_path)
  with pytest.raises(UserError, match=r'Cannot read record \d+ of .*overwrite'):
    list(part.records())


def test_a_broken_index_is_told(tmp_path):
  source = _write(tmp_path / 'in', _images(3))
  where = _prepare(tmp_path, source=source, holdout=1)
  for text in ('{', '[]', '{"base": "x"}'):
    (where / prepared.INDEX).write_text(text)
    with pytest.raises(UserError, match=r'Cannot read .*images\.json; prepare'):
      prepared.find('image_folder', tmp_path)
  (where / prepared.INDEX).write_text('{"format": 0, "files": {}}')
  with pytest.raises(UserError, match=r'another version .*\(format 0, not 1\)'):
    prepared.find('image_folder', tmp_path)


# From here on real processes, started as a user starts them.


def _start(data_dir, source, *, limit=None):
  """Starts it; `limit` is the size a file may have, in KiB."""
  limits = f'ulimit -f {limit}; ' if limit else ''
  return subprocess.Popen(
    [
      *('bash', '-c', f'{limits}exec "$@"', 'bash'),
      *(sys.executable, '-m', 'adafm_jax.data.prepare'),
      *('--dataset', 'image_folder', '--holdout', '1'),
      *('--source', str(source), '--data_dir', str(data_dir)),
    ],
    cwd=ROOT,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def test_the_command_says_what_it_did(tmp_path):
  source = _write(tmp_path / 'in', _images(3))
  process = _start(tmp_path / 'out', source)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == 0, output
  assert 'checking image_folder: 100%' in output
  assert 'preparing image_folder: 100%' in output
  assert '--config.data.train=tfds:image_folder/train' in output
  assert 'Dataset image_folder downloaded' not in output


def test_a_full_disk_leaves_nothing(tmp_path):
  """By the system's limit on the size of a file, which a write then meets."""
  source = _write(
    tmp_path / 'in', {f'{i}': _random(i, 300, 300, 3) for i in range(3)}
  )
  process = _start(tmp_path / 'out', source, limit=100)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == 2, output
  errors = [x for x in output.splitlines() if x.startswith('error: ')]
  assert len(errors) == 1
  assert 'Cannot write image_folder' in errors[0]
  assert 'File too large' in errors[0]
  assert 'Traceback' not in output
  assert _visible(tmp_path / 'out') == []


def _kill_when(process, condition):
  """Kills it at once when something is so; whether it came to that."""
  with process:
    while process.poll() is None:
      if condition():
        process.send_signal(signal.SIGKILL)
        return True
      time.sleep(1e-3)
  return False


def _written(scratch):
  """{file name: bytes} of what is there at this moment."""
  found = {}
  for folder, _, names in os.walk(scratch):  # ignores what is just moved away
    for name in names:
      with contextlib.suppress(FileNotFoundError):
        found[name] = os.path.getsize(os.path.join(folder, name))
  return found


def _content(data_dir):
  """Names and pixels of all records, and what the index says of them."""
  parts = [
    prepared.open_split('image_folder', split, data_dir)
    for split in ('train', 'valid')
  ]
  return [
    (part.identity, part.sizes, [r.tobytes() for r in part.records()])
    for part in parts
  ]


def test_killed_in_the_middle_it_is_prepared_again_to_the_same(tmp_path):
  source = _write(
    tmp_path / 'in', {f'{i:03d}': _random(i, 300, 300, 3) for i in range(60)}
  )
  _prepare(tmp_path / 'whole', source=source, holdout=1)
  data_dir = tmp_path / 'out'
  scratch = data_dir / '.preparing-image_folder'
  moments = [
    scratch.exists,
    lambda: sum(_written(scratch).values()) > 10**6,
    lambda: 'dataset_info.json' in _written(scratch),
  ]
  for moment in moments:
    assert _kill_when(_start(data_dir, source), moment)
    assert prepared.find('image_folder', data_dir) is None
    with pytest.raises(UserError, match='is not prepared in'):
      sources.load(
        'tfds:image_folder', field='x', channels=3, data_dir=str(data_dir)
      )
  process = _start(data_dir, source)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == 0, output
  assert _visible(data_dir) == ['image_folder']
  assert _content(data_dir) == _content(tmp_path / 'whole')

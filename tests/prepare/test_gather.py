"""Sets that are known, from folders, archives and a server of our own."""

import functools
import hashlib
import http.server
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import small_sets

from adafm_jax.data import known, prepared, sources
from adafm_jax.prepare import prepare


def _zip(path, folder):
  with zipfile.ZipFile(path, 'w') as archive:
    for file in sorted(folder.iterdir()):
      archive.write(file, f'{folder.name}/{file.name}')


@pytest.fixture(scope='module')
def div2k(tmp_path_factory):
  """A folder with the two official folders, of a few small images."""
  source = tmp_path_factory.mktemp('div2k')
  for split, first in (('train', 1), ('valid', 801)):
    images = {
      f'{first + i:04d}': small_sets.random_pixels(first + i, 9, 12, 3)
      for i in (0, 1)
    }
    small_sets.write(source / f'DIV2K_{split}_HR', images)
  return source


def test_div2k_from_folders_and_from_archives_is_the_same(tmp_path, div2k):
  small_sets.make_set(tmp_path / 'a', 'div2k', source=div2k, unchecked=True)
  archives = tmp_path / 'archives'
  archives.mkdir()
  for split in ('train', 'valid'):
    name = f'DIV2K_{split}_HR'
    _zip(archives / f'{name}.zip', div2k / name)
  small_sets.make_set(tmp_path / 'b', 'div2k', source=archives, unchecked=True)
  for split in ('train', 'valid'):
    one, other = (
      prepared.open_split('div2k', split, tmp_path / where) for where in 'ab'
    )
    assert one.identity == other.identity
    for record, same in zip(one.records(), other.records(), strict=True):
      np.testing.assert_array_equal(record, same)
  found = sources.load(
    'tfds:div2k/valid', field='x', channels=3, data_dir=str(tmp_path / 'b')
  )
  assert [i.name for i in found] == ['0801', '0802']
  np.testing.assert_array_equal(
    found[0].pixels, small_sets.random_pixels(801, 9, 12, 3)
  )


def test_wrong_counts_and_sizes_are_listed(tmp_path, div2k):
  problems = small_sets.problems_of(tmp_path, 'div2k', source=div2k)
  assert problems[0].startswith(
    'div2k has 800 images in split train, but 2 were found in'
  )
  assert '100 images in split valid, but 2' in problems[3]
  assert sum('has 12 x 9 pixels; its longer side' in p for p in problems) == 4
  assert '--unchecked' in problems[-1]
  assert small_sets.visible(tmp_path) == []


def test_a_missing_part_says_where_to_get_it(tmp_path, div2k):
  (problem,) = small_sets.problems_of(
    tmp_path, 'div2k', source=div2k / 'DIV2K_train_HR', unchecked=True
  )
  assert 'has no DIV2K_train_HR (a folder or .zip) for split train' in problem
  assert 'https://data.vision.ee.ethz.ch/cvl/DIV2K/' in problem


def test_an_official_archive_must_be_whole(tmp_path, div2k):
  for split in ('train', 'valid'):
    name = f'DIV2K_{split}_HR'
    _zip(tmp_path / f'{name}.zip', div2k / name)
  (problem,) = small_sets.problems_of(
    tmp_path / 'out', 'div2k', source=tmp_path
  )
  assert 'DIV2K_train_HR.zip differs from https://data.vision' in problem
  assert 'bytes, not 3,530,603,713' in problem
  archive = tmp_path / 'DIV2K_valid_HR.zip'
  archive.write_bytes(archive.read_bytes()[:-100])
  (problem,) = small_sets.problems_of(
    tmp_path / 'out', 'div2k', source=tmp_path, unchecked=True
  )
  assert 'DIV2K_valid_HR.zip' in problem
  assert small_sets.visible(tmp_path / 'out') == []


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [('flag_bits', 1, 'is encrypted'), ('compress_type', 98, 'compression')],
)
def test_an_archive_that_cannot_be_unpacked_here_says_why(
  tmp_path, div2k, field, value, words
):
  path = tmp_path / 'DIV2K_train_HR.zip'
  # The directory of its files, which is written last, says so of each.
  with zipfile.ZipFile(path, 'w') as archive:
    for file in sorted((div2k / 'DIV2K_train_HR').iterdir()):
      archive.write(file, file.name)
    for info in archive.infolist():
      setattr(info, field, value)
  (problem,) = small_sets.problems_of(
    tmp_path / 'out', 'div2k', source=tmp_path, unchecked=True
  )
  assert problem.startswith(f'Cannot unpack {path} here (')
  assert words in problem
  assert problem.endswith('); unpack it yourself, and give the folder.')
  assert small_sets.visible(tmp_path / 'out') == []


def _bsd(names):
  return {
    name: small_sets.random_pixels(int(name), 321, 481, 3) for name in names
  }


def test_bsds_keeps_the_test_images_and_set5s_photograph_apart(
  tmp_path, capsys, monkeypatch
):
  monkeypatch.setattr(known, 'CBSD68', frozenset({'3096', '101085'}))
  rule = known.SETS['bsds']
  monkeypatch.setitem(rule.splits, 'cbsd68', known.KnownSplit(2))
  # As the official archive unpacks: in folders below.
  images = tmp_path / 'BSR/BSDS500/data/images'
  small_sets.write(
    images / 'train', _bsd(['2018', '302003', '5096', '6046']), '.png'
  )
  small_sets.write(images / 'test', _bsd(['3096', '101085']), '.png')
  archive = tmp_path / 'BSR_bsds500.tgz'
  with tarfile.open(archive, 'w:gz') as tar:
    tar.add(tmp_path / 'BSR', 'BSR')
  small_sets.make_set(tmp_path, 'bsds', source=archive, holdout=1)
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
  small_sets.make_set(
    tmp_path, 'cbsd68', source=images / 'test', unchecked=True
  )
  assert sources.named('cbsd68', str(tmp_path)) == 'tfds:cbsd68/test'


def test_an_evaluation_set_has_one_split(tmp_path):
  sizes = [(256, 256), (280, 280), (288, 288), (512, 512), (344, 228)]
  images = {
    f'{i}_GT': small_sets.random_pixels(i, *size, 3)
    for i, size in enumerate(sizes)
  }
  source = small_sets.write(tmp_path / 'in', images)
  where = small_sets.make_set(tmp_path, 'set5', source=source)
  assert 'test: 5 images' in prepare.describe(where)
  assert '--config.evaluate.sets=set5' in prepare.describe(where)
  small_sets.write(source, {'5_GT': images['0_GT']})
  problems = small_sets.problems_of(
    tmp_path, 'set5', source=source, overwrite=True
  )
  assert problems[0].startswith('set5 has 5 images in split test, but 6 were')


@pytest.fixture
def server(tmp_path):
  """Serves the folder `served`: (its address, the folder)."""
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
    'mine',
    {'test': known.KnownSplit(2, download=link)},
    'put two images together',
  )
  monkeypatch.setitem(known.SETS, 'mine', rule)


def test_official_archives_are_downloaded_and_checked(
  tmp_path, div2k, server, monkeypatch
):
  address, served = server
  archive = served / 'two.zip'
  _zip(archive, div2k / 'DIV2K_valid_HR')
  _published(monkeypatch, address, archive)
  small_sets.make_set(tmp_path / 'data', 'mine')
  part = prepared.open_split('mine', 'test', tmp_path / 'data')
  assert [e.name for e in part.entries] == ['0801', '0802']
  _published(monkeypatch, address, archive, sha256='0' * 64)
  (problem,) = small_sets.problems_of(tmp_path / 'other', 'mine')
  assert problem.startswith('Cannot download mine (')
  assert problem.endswith('put two images together, and give it with --source.')
  archive.unlink()
  (problem,) = small_sets.problems_of(tmp_path / 'third', 'mine')
  assert 'Cannot download mine' in problem


def test_without_an_address_it_says_how_to_get_the_set(tmp_path):
  (problem,) = small_sets.problems_of(tmp_path, 'live1')
  assert problem.startswith('live1 has no archive to download: ask for the')
  assert problem.endswith('give it with --source.')
  (problem,) = small_sets.problems_of(tmp_path, 'image_folder')
  assert problem.endswith('to download: give the folder with --source.')

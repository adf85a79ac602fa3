"""Prepared sets that were damaged later."""

import pytest
import small_sets

from adafm_jax.data import prepared, sources
from adafm_jax.errors import UserError


def _records(where):
  return sorted(where.glob('*train*record*'))[0]


def test_a_truncated_file_of_records_is_reported_before_it_is_used(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  path = _records(small_sets.make_set(tmp_path, source=source, holdout=1))
  whole = path.read_bytes()
  for data in (whole[: len(whole) // 2], b''):
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
      sources.load(
        'tfds:image_folder', field='x', channels=3, data_dir=str(tmp_path)
      )
    assert f'{path} has {len(data):,} bytes' in str(caught.value)
    assert 'prepare image_folder again with --overwrite' in str(caught.value)
  path.unlink()
  with pytest.raises(UserError, match='has 0 bytes'):
    prepared.find('image_folder', tmp_path)


def test_changed_bytes_of_records_are_found(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(40))
  path = _records(small_sets.make_set(tmp_path, source=source, holdout=1))
  assert prepared.verify('image_folder', tmp_path) == 2
  data = bytearray(path.read_bytes())
  data[5000] ^= 255  # within the first records: later there is padding
  path.write_bytes(data)
  with pytest.raises(UserError, match=r'train.* is damaged: its checksum'):
    prepared.verify('image_folder', tmp_path)
  part = prepared.open_split('image_folder', 'train', tmp_path)
  with pytest.raises(UserError, match=r'Cannot read record \d+ of .*overwrite'):
    list(part.records())


def test_a_broken_index_is_reported(tmp_path):
  source = small_sets.write(tmp_path / 'in', small_sets.make_images(3))
  where = small_sets.make_set(tmp_path, source=source, holdout=1)
  for text in ('{', '[]', '{"base": "x"}'):
    (where / prepared.INDEX).write_text(text)
    with pytest.raises(UserError, match=r'Cannot read .*images\.json; prepare'):
      prepared.find('image_folder', tmp_path)
  (where / prepared.INDEX).write_text('{"format": 0, "files": {}}')
  with pytest.raises(UserError, match=r'another version .*\(format 0, not 2\)'):
    prepared.find('image_folder', tmp_path)

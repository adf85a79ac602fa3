import json
import os
import re
import shlex
import socket
import sys
import urllib.parse

import numpy as np
import pytest
import released
import tiny_models
from skimage import data

from adafm_jax import cli, zoo
from adafm_jax.demo import serve, site
from adafm_jax.errors import UserError
from adafm_jax.images import eight_bit as images
from adafm_jax.images import photo as photos
from adafm_jax.images import write as photo_write
from adafm_jax.restore import own


def test_build_writes_all_that_the_page_asks_for(tmp_path, capsys):
  model = tmp_path / 'mine.safetensors'
  tiny_models.random_model().save(model)
  image = tmp_path / 'photo.png'
  images.write_png(image, data.chelsea()[:20, :20])
  folder = tmp_path / 'site'
  argv = ['demo', '--build', str(folder), '-m', str(model)]
  assert cli.main([*argv, '--image', str(image)]) == 0
  assert str(folder) in capsys.readouterr().out
  found = json.loads((folder / 'site.json').read_text())
  assert found['server'] is False
  names = [each['name'] for each in found['models']]
  assert names[:2] == ['mine', released.small('denoise')]
  assert set(names[1:]) == set(zoo.entries())
  for each in found['models'] + found['samples']:
    assert (folder / each['file']).stat().st_size > 1000
  assert (folder / found['open']).read_bytes() == image.read_bytes()
  for path in site.WEB.rglob('*.*'):
    name = path.relative_to(site.WEB)
    written = (folder / name).read_bytes()
    if path.suffix != '.svg':  # shrunk
      assert 0.2 < len(written) / path.stat().st_size < 0.95, name
    else:
      assert written == path.read_bytes()


def test_a_page_is_marked_before_it_gets_its_name(tmp_path, renamed):
  site.build(tmp_path, {'a.html': b'a', 'models/b.safetensors': b'b'})
  assert renamed == {'a.html': True, 'b.safetensors': True}


def _photo(folder, name):
  path = folder / name
  pixels = data.chelsea()[:20, :30] / np.float32(255)
  photo_write.write_photo(path, pixels, photos.Photo(pixels))
  return path


def _build(folder, *more):
  return cli.main(['demo', '--build', str(folder), *more])


def test_the_line_to_serve_it_with_is_for_the_shell(tmp_path, capsys):
  folder = tmp_path / "site two's ü"
  assert _build(folder) == 0
  said = capsys.readouterr().out
  assert shlex.split(said.partition('with ')[2])[-1] == str(folder)


def test_build_replaces_what_an_earlier_one_wrote_or_what_it_may(
  tmp_path, capsys
):
  assert _build(tmp_path) == _build(tmp_path) == 0
  page = tmp_path / 'index.html'
  built = page.read_bytes()
  page.write_text('mine')
  assert _build(tmp_path) == 2
  said = capsys.readouterr().err
  assert f'{page} exists, and no earlier --build wrote it as it is' in said
  assert page.read_text() == 'mine'
  assert _build(tmp_path, '--overwrite') == 0
  assert page.read_bytes() == built


_NOISE = tiny_models.random_model()


def _files(folder, *names, image=None):
  models = [site.Served(name, _NOISE) for name in names]
  return site.build(folder, site.pages(models, server=False, image=image))


def test_photograph_and_models_of_an_earlier_build_are_removed(tmp_path):
  folder, image = tmp_path / 'site', _photo(tmp_path, 'a.png')
  mine, other = 'my #1 100%41 ü?', 'other'
  assert _files(folder, mine, other, image=image) == ([], [])
  before = {path for path in folder.rglob('*') if path.is_file()}
  gone = [folder / 'opened', folder / 'models' / f'{mine}.safetensors']
  assert _files(folder, other) == (gone, [])
  left = {path for path in folder.rglob('*') if path.is_file()}
  assert before - left == set(gone)
  assert _files(folder, other) == ([], [])


def test_what_no_earlier_build_wrote_is_never_removed(tmp_path):
  folder, image = tmp_path / 'site', _photo(tmp_path, 'a.png')
  _files(folder, 'mine', 'other', image=image)
  changed = folder / 'models' / 'mine.safetensors'
  changed.write_bytes(b'mine')
  converted = folder / 'models' / 'converted.safetensors'
  _NOISE.save(converted, written=own.mark)
  assert _files(folder, 'other') == ([folder / 'opened'], [changed])
  assert changed.read_bytes() == b'mine'
  assert converted.exists()


def test_what_is_removed_is_said_in_a_line(tmp_path, capsys):
  image = _photo(tmp_path, 'a.png')
  assert _build(tmp_path, '--image', str(image)) == 0
  assert _build(tmp_path) == 0
  said = capsys.readouterr().out.splitlines()
  assert said[1] == f'removed {tmp_path}/opened, which an earlier --build wrote'
  assert len(said) == 3


def test_where_no_marks_are_kept_a_photograph_is_left_and_said(
  tmp_path, capsys, no_marks
):
  image = _photo(tmp_path, 'a.png')
  assert _build(tmp_path, '--image', str(image)) == 0
  assert _build(tmp_path, '--overwrite') == 0
  assert f'left {tmp_path}/opened, whose origin' in capsys.readouterr().out
  assert (tmp_path / 'opened').exists()


def test_where_no_marks_are_kept_that_is_said(tmp_path, capsys, no_marks):
  assert _build(tmp_path) == 0
  assert _build(tmp_path) == 2
  said = capsys.readouterr().err
  assert 'keeps no marks' in said
  assert '--overwrite' in said
  assert 'no earlier' not in said
  assert _build(tmp_path, '--overwrite') == 0


def test_a_released_model_is_shown_first(tmp_path):
  folder = tmp_path / 'site'
  first = released.small('sr')
  assert cli.main(['demo', '--build', str(folder), '-m', first]) == 0
  found = json.loads((folder / 'site.json').read_text())
  names = [x['name'] for x in found['models']]
  assert names[:2] == [first, released.small('denoise')]
  assert sorted(names) == sorted(zoo.entries())
  assert found['models'][0]['title'].startswith('Enlarge')


def test_a_name_that_is_not_utf_8_serves(tmp_path):
  path = tmp_path / os.fsdecode(b'caf\xe9.safetensors')
  _NOISE.save(path)
  folder = tmp_path / 'site'
  assert _build(folder, '-m', str(path)) == 0
  first = json.loads((folder / 'site.json').read_text())['models'][0]
  assert first['name'] == first['title'] == 'caf\ufffd'
  file = urllib.parse.unquote(first['file'], errors='strict')
  assert (folder / file).stat().st_size > 1000


def test_a_released_model_is_called_by_what_it_does(tmp_path, monkeypatch):
  model = tiny_models.random_model()
  released.make_zoo(tmp_path, monkeypatch, model, name='denoise-small')
  names = ('denoise-small', 'mine')
  served = [site.Served(name, model) for name in names]
  pages = site.pages(served, server=True)
  found = json.loads(pages['site.json'])['models']
  assert [each['title'] for each in found] == ['Noise, small', 'mine']


@pytest.mark.parametrize('name', ['a.jpg', 'a.webp', 'a.avif', 'a.bmp'])
def test_the_page_opens_with_what_browsers_know(tmp_path, name):
  image = _photo(tmp_path, name)
  pages = site.pages([], server=False, image=image)
  assert pages['opened'] == image.read_bytes()


@pytest.mark.parametrize(
  ('name', 'bound', 'words'),
  [
    ('a.tif', {}, 'it is a TIFF file; give a JPEG, PNG, WebP'),
    ('a.jxl', {}, 'it is a JXL file; give a JPEG, PNG, WebP'),
    ('a.png', {'MAX_PIXELS': 500}, 'it has 30 x 20 pixels; give one of up to'),
    ('a.png', {'MAX_BYTES': 500}, 'it has 0.0 MB; give one of up to'),
  ],
)
def test_the_page_opens_with_nothing_that_it_would_refuse(
  tmp_path, monkeypatch, name, bound, words
):
  for limit, value in bound.items():
    monkeypatch.setattr(site, limit, value)
  with pytest.raises(UserError, match=words):
    site.pages([], server=False, image=_photo(tmp_path, name))


def test_the_bounds_are_those_of_the_page():
  code = (site.WEB / 'pictures.js').read_text()
  for name in ('MAX_PIXELS', 'MAX_BYTES'):
    found = re.search(rf'{name} = ([\de]+);', code)
    assert float(found[1]) == getattr(site, name)


@pytest.mark.parametrize(
  ('argv', 'words'),
  [
    (['--build', 'x', '--no-ui'], '--no-ui'),
    (['--no-ui', '--image', 'a.png'], '--image is for the page'),
    (['--build', 'x', '--port', '0'], 'leave --port out'),
    (['--build', 'x', '--no-browser'], 'leave --no-browser out'),
    (['--build', '', '--port', '70000'], '--build is empty'),
    (['--build', 'x', '--image', ''], '--image is empty'),
    (['--build', 'x', '-m', ''], '--model is empty'),
    (['--overwrite'], '--build'),
    (['--port', '70000'], '65535'),
    (['-m', 'denoisy'], 'denoise'),
    (['--build', 'x', '--image', 'none.png'], 'none.png'),
  ],
)
def test_mistakes_are_one_sentence(argv, words, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert cli.main(['demo', *argv]) == 2
  out, err = capsys.readouterr()
  assert words in err
  assert (out, err.count('\n')) == ('', 1)
  assert not (tmp_path / 'x').exists()


def test_a_port_that_is_taken(capsys):
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))
    taken.listen()
    port = str(taken.getsockname()[1])
    assert cli.main(['demo', '--no-ui', '--port', port]) == 2
  assert f'127.0.0.1:{port}' in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
  monkeypatch.delitem(sys.modules, serve.__name__)
  monkeypatch.delattr('adafm_jax.demo.serve')
  monkeypatch.setitem(sys.modules, 'uvicorn', None)
  assert cli.main(['demo', '--no-ui']) == 2
  assert 'adafm_jax[demo]' in capsys.readouterr().err

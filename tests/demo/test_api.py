"""The JSON API, over HTTP in this process."""

import asyncio
import base64
import io
import json

import browsers
import image_files
import numpy as np
import pytest
from PIL import Image, ImageCms
from starlette import testclient

from adafm_jax import cli
from adafm_jax.demo import api, compute, site
from adafm_jax.demo import store as stores
from adafm_jax.errors import UserError
from adafm_jax.images import colours as colour_chunks

SHAPE = (47, 61, 3)


def _picture(shape=SHAPE, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, shape, np.uint8)


def _file(pixels, kind='PNG', **options):
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, kind, **options)
  return file.getvalue()


@pytest.fixture(scope='module')
def client():
  models = browsers.tiny_served()
  app = api.make_app(models, site.pages(models, server=True))
  with testclient.TestClient(app) as found:
    yield found


@pytest.fixture
def image(client):
  answer = client.post('/api/images', content=_file(_picture()))
  assert answer.status_code == 201
  assert answer.json()['width'] == SHAPE[1]
  return f'/api/images/{answer.json()["id"]}'


def _model():
  return browsers.tiny_served()[0].model


def _shown(answer):
  return np.asarray(Image.open(io.BytesIO(answer.content)).convert('RGB'))


def test_models_are_described(client):
  noise, jpeg = client.get('/api/models').json()
  assert (noise['name'], jpeg['name']) == ('noise', 'jpeg')
  assert noise['levels']['start'] == 15
  assert noise['arch'] == _model().arch.to_json()


@pytest.mark.parametrize('strength', [0.0, 0.3, 1.0])
def test_a_whole_result_is_that_of_the_model(client, image, strength):
  wish = {'model': 'noise', 'strength': strength}
  answer = client.post(f'{image}/restore', json=wish)
  assert answer.headers['content-type'] == 'image/png'
  expected = _model().restore(_picture(), strength=strength)
  difference = np.abs(_shown(answer).astype(int) - expected)
  assert difference.max() <= 1
  assert (difference > 0).mean() < 0.01


def test_a_level_is_turned_into_a_strength(client, image):
  by_level = client.post(
    f'{image}/restore', json={'model': 'jpeg', 'level': 30}
  )
  strength = browsers.tiny_served()[1].model.strength(30)
  by_strength = client.post(
    f'{image}/restore', json={'model': 'jpeg', 'strength': strength}
  )
  np.testing.assert_array_equal(_shown(by_level), _shown(by_strength))
  wrong = client.post(f'{image}/restore', json={'model': 'jpeg', 'level': 300})
  assert wrong.status_code == 422
  assert 'quality' in wrong.json()['error']


def test_a_part_is_exactly_that_of_the_whole(client, image):
  region = {'x': 21, 'y': 13, 'width': 20, 'height': 17}
  wish = {'model': 'noise', 'strengths': [0, 0.5, 1], 'region': region}
  answer = client.post(f'{image}/sweep', json=wish)
  found = np.frombuffer(answer.content, np.uint8).reshape(3, 17, 20, 3)
  for part, strength in zip(found, (0, 0.5, 1), strict=True):
    whole = _model().restore(_picture(), strength=strength)
    np.testing.assert_allclose(
      part.astype(int), whole[13:30, 21:41].astype(int), atol=1
    )
  assert np.abs(found[0].astype(int) - found[2]).max() > 10


@pytest.mark.parametrize('kind', ['P3', 'grey', 'sRGB', 'damaged'])
def test_a_part_is_shown_in_srgb(client, kind):
  mode, icc = 'L' if kind == 'grey' else 'RGB', b'no profile'
  if kind != 'damaged':
    primaries, gamma = (12, None) if kind == 'P3' else (1, 1.8)
    channels = 1 if kind == 'grey' else 3
    icc = colour_chunks.made_profile(None, primaries, gamma, channels)
  if kind == 'sRGB':
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  photo = Image.new('RGB', (40, 40), (200, 50, 50)).convert(mode)
  data = _file(np.asarray(photo), icc_profile=icc)
  image = client.post('/api/images', content=data).json()['id']
  wish = {'model': 'noise', 'strengths': [0]}
  wish['region'] = {'x': 10, 'y': 10, 'width': 20, 'height': 10}
  answer = client.post(f'/api/images/{image}/sweep', json=wish)
  found = np.frombuffer(answer.content, np.uint8).reshape(10, 20, 3)
  whole = _model().restore(np.asarray(photo), strength=0)[10:20, 10:30]
  expected = Image.fromarray(whole)
  if kind != 'damaged':
    srgb = ImageCms.createProfile('sRGB')
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    expected = ImageCms.profileToProfile(
      expected, profile, srgb, outputMode='RGB'
    )
  np.testing.assert_allclose(found.astype(int), expected, atol=2)
  if kind in ('P3', 'grey'):
    raw = np.asarray(Image.fromarray(whole).convert('RGB'))
    assert np.abs(found.astype(int) - raw).max() > 4


def test_a_brush_gives_its_strength_where_it_has_been(client, image):
  mask = np.zeros((*SHAPE[:2], 4), np.uint8)
  mask[10:30, 20:40, 3] = 255
  brush = {
    'strength': 1,
    'mask': base64.b64encode(_file(mask)).decode(),
  }
  wish = {'model': 'noise', 'strength': 0.0, 'brush': brush}
  found = _shown(client.post(f'{image}/restore', json=wish)).astype(int)
  inside = mask[..., 3] > 0
  for strength, where in ((1.0, inside), (0.0, ~inside)):
    expected = _model().restore(_picture(), strength=strength)
    np.testing.assert_allclose(
      found[where], expected[where].astype(int), atol=1
    )
  brush['mask'] = base64.b64encode(_file(mask[:5])).decode()
  wrong = client.post(f'{image}/restore', json=wish)
  assert wrong.status_code == 422
  assert '61 x 47' in wrong.json()['error']


@pytest.mark.parametrize('alpha', [False, True])
def test_masks_of_any_depth_are_read(alpha):
  grey = np.linspace(0, 65535, 12).astype(np.uint16).reshape(3, 4, 1)
  samples = np.dstack([0 * grey, grey]) if alpha else grey
  mask = compute.read_mask(image_files.deep_png(samples))
  np.testing.assert_allclose(mask, grey[..., 0] / 65535, rtol=1e-6)
  with pytest.raises(UserError, match='not a PNG'):
    compute.read_mask(_file(_picture(), 'BMP'))


def test_metadata_depth_and_transparency_are_kept(client):
  exif = Image.Exif()
  exif[0x010E] = '<script>alert(1)</script>'
  exif[0x0112] = 6  # turned
  data = _file(_picture(), 'JPEG', quality=95, exif=exif.tobytes())
  stored = client.post('/api/images', content=data).json()
  assert (stored['width'], stored['height']) == (SHAPE[0], SHAPE[1])
  image = stored['id']
  answer = client.post(
    f'/api/images/{image}/restore', json={'model': 'noise', 'level': 20}
  )
  made = Image.open(io.BytesIO(answer.content))
  assert made.size == (SHAPE[0], SHAPE[1])
  assert made.getexif()[0x010E] == '<script>alert(1)</script>'
  assert made.getexif().get(0x0112, 1) == 1
  clear = np.dstack([_picture(), _picture((*SHAPE[:2], 1), seed=3)])
  image = client.post('/api/images', content=_file(clear)).json()['id']
  answer = client.post(
    f'/api/images/{image}/restore', json={'model': 'noise', 'level': 20}
  )
  made = np.asarray(Image.open(io.BytesIO(answer.content)))
  np.testing.assert_array_equal(made[..., 3], clear[..., 3])


def test_a_picture_with_holes_is_that_of_the_command(client, here):
  alpha = np.full((*SHAPE[:2], 1), 255, np.uint8)
  alpha[np.random.default_rng(3).random(alpha.shape) < 0.03] = 0
  data = _file(np.dstack([_picture(), alpha]))
  image = client.post('/api/images', content=data).json()['id']
  wish = {'model': 'noise', 'level': 40}
  answer = client.post(f'/api/images/{image}/restore', json=wish)
  _model().save('noise.safetensors')
  (here / 'a.png').write_bytes(data)
  command = ['restore', '-i', 'a.png', '-o', 'out/', '-m', 'noise.safetensors']
  assert cli.main([*command, '--level', '40']) == 0
  expected = np.asarray(Image.open('out/a.png'))
  found = np.asarray(Image.open(io.BytesIO(answer.content)))
  np.testing.assert_array_equal(found[..., 3:], alpha)
  np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=1)


def test_the_level_is_read_off_the_image(client):
  rng = np.random.default_rng(0)
  noisy = rng.normal(128, 30, (96, 96, 3)).clip(0, 255).astype(np.uint8)
  image = client.post('/api/images', content=_file(noisy)).json()['id']
  found = client.get(f'/api/images/{image}/level?model=noise').json()
  assert abs(found['level'] - 30) < 1.5
  assert 0 < found['strength'] < 1
  assert 'sigma' in found['sentence']


def test_only_the_id_gives_access_and_it_can_be_forgotten(client, image):
  assert client.get('/api/images/guessed').status_code == 404
  assert client.get('/api/images').status_code in (404, 405)
  assert client.get(image).status_code == 200
  assert client.delete(image).status_code == 204
  for answer in (
    client.get(image),
    client.delete(image),
    client.post(f'{image}/restore', json={'model': 'noise', 'level': 20}),
  ):
    assert answer.status_code == 404
    assert 'no such image' in answer.json()['error']


@pytest.mark.parametrize(
  ('wish', 'words'),
  [
    ({'model': 'other', 'level': 20}, "'other'"),
    ({'model': 'noise'}, 'a level or a strength'),
    ({'model': 'noise', 'level': 20, 'strength': 0}, 'not both'),
    ({'model': 'noise', 'strength': 1.5}, 'strength'),
    ({'model': 'noise', 'level': 20, 'scale': 3}, 'enlarges nothing'),
    (
      {
        'model': 'noise',
        'level': 20,
        'brush': {'strength': 1, 'mask': 'not base64'},
      },
      'base64',
    ),
  ],
)
def test_mistakes_are_one_sentence(client, image, wish, words):
  answer = client.post(f'{image}/restore', json=wish)
  assert answer.status_code == 422
  assert words in answer.json()['error']


def test_uploads_are_bounded_and_judged_by_their_content(client, monkeypatch):
  for data in (b'', b'<svg/>', b'%PDF-1.4', _file(_picture())[:20]):
    answer = client.post('/api/images', content=data)
    assert answer.status_code == 415, data
    assert answer.json()['error']
  monkeypatch.setattr(stores, 'MAX_PIXELS', 100)
  assert (
    client.post('/api/images', content=_file(_picture())).status_code == 413
  )
  monkeypatch.setattr(stores, 'MAX_BYTES', 100)
  assert (
    client.post('/api/images', content=_file(_picture())).status_code == 413
  )
  # Also where no length is given.
  parts = iter([b'\x89PNG', b'x' * 200])
  assert client.post('/api/images', content=parts).status_code == 413


def test_an_upload_that_is_given_up_is_no_error(client):
  sent = []

  async def receive():
    return {'type': 'http.disconnect'}

  async def send(message):
    sent.append(message)

  scope = {'type': 'http', 'method': 'POST', 'path': '/api/images'}
  scope |= {'headers': [], 'query_string': b''}
  asyncio.run(client.app(scope, receive, send))
  assert sent[0]['status'] == 503


def test_a_picture_that_is_cut_short_is_reported_when_it_is_decoded(client):
  data = _file(_picture())[:900]
  image = client.post('/api/images', content=data).json()['id']
  answer = client.post(
    f'/api/images/{image}/restore', json={'model': 'noise', 'level': 20}
  )
  assert answer.status_code == 422
  assert answer.json()['error'].startswith('Cannot read')


def test_regions_are_within_the_picture_and_bounded(client, image):
  for region, code in (
    ({'x': 60, 'y': 0, 'width': 2, 'height': 1}, 422),
    ({'x': 0, 'y': 0, 'width': 0, 'height': 1}, 422),
    ({'x': 0, 'y': 0, 'width': 2000, 'height': 2000}, 413),
  ):
    wish = {'model': 'noise', 'strengths': [0.5], 'region': region}
    answer = client.post(f'{image}/sweep', json=wish)
    assert answer.status_code == code
    assert answer.json()['error']


def test_every_answer_forbids_foreign_scripts(client):
  for path in ('/', '/app.js', '/site.json', '/api/models', '/nothing'):
    policy = client.get(path).headers['content-security-policy']
    assert "script-src 'self'" in policy
    assert 'unsafe' not in policy
    assert client.get(path).headers['x-content-type-options'] == 'nosniff'
  assert client.get('/').headers['content-type'].startswith('text/html')
  refused = client.get('/api/models', headers={'Sec-Fetch-Site': 'cross-site'})
  assert refused.status_code == 403


@pytest.mark.parametrize(
  'path', ['/../setup.cfg', '/%2e%2e/setup.cfg', '/app.py', '//etc/passwd']
)
def test_no_path_reaches_the_file_system(client, path):
  answer = client.get(path)
  assert answer.status_code == 404
  assert answer.json() == {'error': 'There is no such page.'}


def test_a_models_address_is_that_of_any_name():
  model = browsers.tiny_served()[0].model
  pages = site.pages([site.Served('my #1 100% ü?', model)], server=True)
  (shown,) = json.loads(pages['site.json'])['models']
  with testclient.TestClient(api.make_app([], pages)) as client:
    answer = client.get(f'/{shown["file"]}')
  assert answer.content == pages['models/my #1 100% ü?.safetensors']


def test_other_hosts_names_are_refused():
  app = api.make_app(browsers.tiny_served(), {}, hosts=['127.0.0.1'])
  with testclient.TestClient(app, base_url='http://evil.example') as client:
    assert client.get('/api/models').status_code == 400


def test_without_pages_the_api_is_there_alone():
  with testclient.TestClient(
    api.make_app(browsers.tiny_served(), {})
  ) as client:
    assert client.get('/').status_code == 404
    paths = client.get('/api/openapi.json').json()['paths']
  assert '/api/images/{image_id}/restore' in paths
  assert '/{path}' not in paths

"""How the page asks the server, by answers that the test gives."""

import pytest

_ENGINE = """
const {ServerEngine} = await import('/engine/server.js');
const asked = [];
let size = {width: 4, height: 2};
let count = 0;
const known = new Set();
const json = (status, body) => new Response(JSON.stringify(body), {status});
globalThis.fetch = async (url, {method, body}) => {
  const path = new URL(url).pathname.slice(1);
  asked.push(`${method} ${path}`);
  const [, id, what] = path.split('/');
  if (method === 'DELETE') return new Response('{}');
  if (!id && body.type === 'image/broken') return json(422, {error: 'broken'});
  if (!id) {
    known.add(`id${++count}`);
    const turned = body.type === 'image/png'
      ? {width: 4, height: 2} : size;
    return json(201, {id: `id${count}`, ...turned});
  }
  if (!known.has(id)) return json(404, {error: 'no such image'});
  if (what === 'restore') return new Response(new Blob(['file']));
  const {region, strengths} = JSON.parse(body);
  return new Response(new Uint8Array(
    3 * region.width * region.height * strengths.length).fill(9));
};
const engine = new ServerEngine({nodes: 2, coefficients: []},
  new URL('http://host/'));
const picture = {width: 4, height: 2, data: new Uint8ClampedArray(32).fill(77)};
const plain = async () => new Blob(['p'], {type: 'image/png'});
const open = (type, outdated = () => false) => engine.open('denoise', picture,
  {file: new Blob(['f'], {type}), plain, scale: 1, outdated});
const part = {x: 1, y: 0, width: 2, height: 1};
"""


@pytest.fixture
def run(engine):
  page = engine.page.context.new_page()
  page.goto(engine.page.url)
  yield lambda body: page.evaluate(f'async () => {{ {_ENGINE} {body} }}')
  page.close()


def test_transparency_stays(run):
  found = run("""
    await open('image/jpeg');
    return Array.from(await engine.restore(part, 0.5));""")
  assert found == [9, 9, 9, 77, 9, 9, 9, 77]


def test_a_server_that_has_forgotten_the_picture_is_sent_it_again(run):
  asked = run("""
    await open('image/jpeg');
    known.clear();
    await engine.restore(part, 0.5);
    known.clear();
    await engine.download(0.5, null);
    return asked;""")
  assert asked == [
    'POST images',
    'POST images/id1/sweep',
    'POST images',
    'POST images/id2/sweep',
    'POST images/id2/restore',
    'POST images',
    'POST images/id3/restore',
  ]


def test_other_mistakes_are_told(run):
  said = run("""
    await open('image/jpeg');
    globalThis.fetch = async () => json(422, {error: 'The region is wrong.'});
    return engine.restore(part, 0.5).catch((error) => error.message);""")
  assert said == 'The region is wrong.'


def test_a_picture_that_the_server_turns_is_sent_as_the_page_sees_it(run):
  asked = run("""
    size = {width: 2, height: 4};
    await open('image/webp');
    await engine.restore(part, 0.5);
    return asked;""")
  assert asked == [
    'POST images',
    'DELETE images/id1',
    'POST images',
    'POST images/id2/sweep',
  ]


@pytest.mark.parametrize('how', ['broken', 'outdated'])
def test_a_picture_that_is_not_shown_replaces_none(run, how):
  asked = run(f"""
    await open('image/jpeg');
    if ('{how}' === 'broken') await open('image/broken').catch(() => {{}});
    else await open('image/jpeg', () => true);
    await engine.restore(part, 0.5);
    return asked;""")
  assert asked[-1] == 'POST images/id1/sweep'
  assert 'DELETE images/id1' not in asked

"""What the page does when it is asked for several things at once.

The session is the page's own; its engine is one whose every step ends when the
test says so.
"""

import json
import struct

import pytest

_SESSION = """
const {Session} = await import('/session.js');
const steps = {};  // what waits, by name: call it to let it go on
const wait = (name) => new Promise((go) => { steps[name] = go; });
const until = async (test) => {
  for (let i = 0; !test(); i++) {
    if (i > 1000) throw new Error('it did not come');
    await new Promise((go) => setTimeout(go, 5));
  }
};
const view = {x: 0, y: 0, width: 8, height: 8};
const calls = [];
class Engine {
  sweepPixels = 64;
  used = null;  // network and picture
  slow = new Set();
  async load(model) {
    if (this.slow.has(model.name)) await wait(model.name);
    return model.name;
  }
  async open(network, picture, {outdated, file}) {
    if (this.slow.has('open')) await wait('open');
    if (outdated()) return;
    this.used = [network, picture];
    calls.push([network, file ? file.type : '']);
  }
  tiles({width, height}) {
    return Array.from({length: height / 4}, (_, i) =>
      ({x: 0, y: 4 * i, width, height: 4}));
  }
  async restore(tile, strength) {
    if (this.slow.has('tile')) await wait('tile');
    if (this.broken) throw new Error('the device is gone');
    const size = 4 * tile.width * tile.height;
    return new Uint8ClampedArray(size).fill(Math.round(255 * strength));
  }
  async sweep(rect, strengths) {
    return strengths.map(() =>
      new Uint8ClampedArray(4 * rect.width * rect.height));
  }
}
const file = async (colour, size = 8) => {
  const canvas = new OffscreenCanvas(size, 8);
  const context = canvas.getContext('2d');
  context.fillStyle = colour;
  context.fillRect(0, 0, size, 8);
  return canvas.convertToBlob({type: 'image/png'});
};
const colours = (canvas) => Array.from(
  canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)
  .filter((_, i) => i % 4 < 3);
const start = async () => {
  const engine = new Engine();
  const session = new Session(engine);
  await session.useModel('/denoise');
  await session.open(await file('rgb(100 100 100)'), false);
  return [engine, session];
};
"""


def _model(name, task, start, end):
  """A file of no weights, as the session reads it."""
  about = {
    'name': name,
    'arch': {'features': 4, 'blocks': 1, 'channels': 3, 'kernel': 1}
    | {'placement': 'block', 'path': 'line', 'bends': 0},
    'levels': {'task': task, 'start': start, 'end': end}
    | {'unit': '', 'prefix': name, 'whole': False},
    'curve': None,
  }
  text = json.dumps({'__metadata__': {'adafm': json.dumps(about)}}).encode()
  return struct.pack('<Q', len(text)) + text


def _answer(**answer):
  return lambda route: route.fulfill(**answer)


@pytest.fixture
def run(engine):
  """run(JavaScript) -> what it returns, on a page of its own."""
  page = engine.page.context.new_page()
  for name, start, end in (('denoise', 15, 75), ('dejpeg', 80, 10)):
    body = _model(name, name, start, end)
    page.route(f'**/{name}', _answer(body=body))
  page.route('**/missing', _answer(status=404))
  page.goto(engine.page.url)

  def call(body):
    return page.evaluate(f'async () => {{ {_SESSION} {body} }}')

  yield call
  page.close()


def test_the_model_shown_is_the_one_that_computes(run):
  """The first is chosen again while the second compiles."""
  shown, used = run("""
    const [engine, session] = await start();
    engine.slow.add('dejpeg');
    const first = session.useModel('/dejpeg');
    await until(() => steps.dejpeg);
    await session.useModel('/denoise');
    steps.dejpeg();
    await first;
    return [session.model.name, engine.used[0]];""")
  assert (shown, used) == ('denoise', 'denoise')


def test_a_picture_dropped_while_a_model_loads_changes_no_choice(run):
  shown, used, pixel = run("""
    const [engine, session] = await start();
    engine.slow.add('dejpeg');
    const first = session.useModel('/dejpeg');
    await until(() => steps.dejpeg);
    await session.open(await file('rgb(7 7 7)'), false);
    const between = session.model.name === engine.used[0];
    steps.dejpeg();
    await first;
    const pixel = session.input.data[0];
    return [session.model.name, engine.used[0], between && pixel];""")
  assert (shown, used, pixel) == ('dejpeg', 'dejpeg', 7)


def test_the_picture_shown_is_the_one_that_is_restored(run):
  """Noise is added, and taken away again while the file is being made."""
  same, harmed = run("""
    const [engine, session] = await start();
    engine.sends = true;
    const toBlob = HTMLCanvasElement.prototype.toBlob;
    HTMLCanvasElement.prototype.toBlob = function (...given) {
      wait('file').then(() => toBlob.apply(this, given));
    };
    const first = session.prepare({on: true});
    await until(() => steps.file);
    await session.prepare({on: false});
    steps.file();
    await first;
    return [engine.used[1] === session.input, session.harm.on];""")
  assert (same, harmed) == (True, False)


def test_what_failed_changes_nothing(run):
  said, name, on, opened, restored = run("""
    const [engine, session] = await start();
    const said = [];
    const note = (error) => said.push(error.message);
    await session.useModel('/missing').catch(note);
    await session.open(new Blob(['no picture']), true).catch(note);
    engine.open = async () => { throw new Error('full'); };
    const began = session.restore(view);
    const swept = new Promise((go) => session.addEventListener('sweep', go));
    await session.prepare({on: true}).catch(note);
    await began;
    await swept;
    return [said, session.model.name, session.harm.on,
      session.input === engine.used[1], await session.restore(view)];""")
  assert [sentence.split()[0] for sentence in said] == ['The', 'This', 'full']
  assert (name, on, opened, restored) == ('denoise', False, True, 'done')


def test_a_model_that_did_not_load_may_be_chosen_again(run):
  assert (
    run("""
    const [, session] = await start();
    const real = globalThis.fetch;
    globalThis.fetch = async () => ({ok: false});
    await session.useModel('/dejpeg').catch(() => {});
    globalThis.fetch = real;
    await session.useModel('/dejpeg');
    return session.model.name;""")
    == 'dejpeg'
  )


def test_a_picture_opened_before_the_model_came(run):
  found = run("""
    const session = new Session(new Engine());
    const early = await session.open(file('red'), false)
      .catch((error) => error.message);
    session.engine.slow.add('denoise');
    const first = session.useModel('/denoise');
    await session.open(file('rgb(9 9 9)'), false);
    await until(() => steps.denoise);
    steps.denoise();
    await first;
    return [early, session.input.data[0], session.empty];""")
  assert found == ['The model did not load; reload the page.', 9, False]


def test_a_slow_sample_does_not_replace_a_newer_picture(run):
  assert run("""
    const [, session] = await start();
    let send;
    const slow = session.open(new Promise((go) => { send = go; }), true, {});
    await session.open(await file('rgb(9 9 9)'), false);
    send(await file('red'));
    await slow;
    return [session.input.data[0], session.original.sample ?? null];""") == [
    9,
    None,
  ]


def test_the_file_holds_the_whole_picture_at_the_last_level(run):
  """A slider that moves while the file is made."""
  values, level = run("""
    const [engine, session] = await start();
    session.restore(view);
    engine.slow.add('tile');
    session.level = 30;
    const made = session.finish();
    await until(() => steps.tile);
    session.level = 60;
    session.restore(view, true);
    engine.slow.delete('tile');
    steps.tile();
    await made;
    return [[...new Set(colours(session.after))], session.strength(60)];""")
  assert values == [round(255 * level)]


@pytest.mark.parametrize('how', ['broken', 'another'])
def test_no_file_is_made_of_a_part(run, how):
  assert run(f"""
    const [engine, session] = await start();
    session.restore(view);
    engine.slow.add('tile');
    const made = session.finish().then(() => 'made', (e) => e.message);
    await until(() => steps.tile);
    if ('{how}' === 'broken') engine.broken = true;
    else await session.open(await file('red', 12), false);
    engine.slow.delete('tile');
    steps.tile();
    return made;""").startswith('The file was not made')


def test_another_picture_of_the_same_size_has_no_brushed_region(run):
  kept, dropped, told = run("""
    const [, session] = await start();
    const told = [];
    session.addEventListener('input', (e) => told.push(e.detail.another));
    session.brush = {level: 20, mask: {width: 8, bounds: view}};
    await session.prepare({on: true});
    const kept = Boolean(session.brush.mask);
    await session.open(await file('rgb(9 9 9)'), false);
    return [kept, session.brush.mask, told];""")
  assert (kept, dropped, told) == (True, None, [False, True])

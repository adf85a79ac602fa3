"""The page, used as a visitor would, on both engines."""

import base64

import browsers
import numpy as np
import pytest
from browsers import DESKTOP, PHONE
from PIL import Image


@pytest.mark.parametrize(
  'engine', [pytest.param('webgpu', marks=pytest.mark.slow), 'server']
)
def test_a_visit(visit, address, engine, tmp_path):
  seen = visit(address, viewport=DESKTOP)
  page = seen.page
  # It opens with a picture that is harmed and restored at once.
  seen.waits_for_result(lambda: page.goto(f'{address}?engine={engine}'))
  assert page.locator('body').get_attribute('data-engine') == engine
  assert 'dB' in page.inner_text('#score')
  assert page.inner_text('#mark').startswith('estimated sigma 4')
  # A file of one's own is not harmed: there is nothing to compare it with.
  path, pixels = browsers.small_picture(tmp_path)
  seen.waits_for_result(lambda: page.set_input_files('#file', path))
  assert not page.is_visible('#score')
  assert page.inner_text('#mark').startswith('estimated sigma ')
  # The keyboard moves the slider; each step is another result.
  slider = page.locator('#level')
  seen.waits_for_result(lambda: slider.press('Home'))
  assert page.inner_text('#value') == 'sigma 15'
  assert page.inner_text('#strength') == 'strength 0.00'
  at_start = browsers.shown(page)
  seen.waits_for_result(lambda: slider.press('End'))
  assert slider.get_attribute('aria-valuetext') == 'sigma 75, strength 1.00'
  assert np.abs(browsers.shown(page) - at_start).max() > 20
  # So does dragging it: released in the middle, it stays there.
  box = slider.bounding_box()
  middle = box['y'] + box['height'] / 2

  def drag():
    page.mouse.move(box['x'] + box['width'] - 13, middle)
    page.mouse.down()
    for share in (0.9, 0.7, 0.5):
      page.mouse.move(box['x'] + box['width'] * share, middle)
      page.wait_for_timeout(20)
    page.mouse.up()

  seen.waits_for_result(drag)
  assert page.inner_text('#value') == 'sigma 45'
  _wipes(page)
  _brushes(seen, page)
  # What is saved is the whole picture.
  with page.expect_download() as download:
    page.click('#download')
  saved = np.asarray(Image.open(download.value.path()).convert('RGB'))
  assert saved.shape == pixels.shape
  assert download.value.suggested_filename == 'restored-sigma-45.png'
  assert np.abs(saved.astype(int) - pixels).max() > 20
  # Another model takes the picture as it is.
  seen.waits_for_result(
    lambda: page.locator('#models input[value=jpeg]').check(force=True)
  )
  assert page.inner_text('#value').startswith('q ')


def _wipes(page):
  """The line uncovers what was there before; so does holding the button."""
  wipe = page.locator('#wipe')
  wipe.press('Home')
  page.wait_for_timeout(80)
  restored = browsers.shown(page)
  wipe.press('End')
  page.wait_for_timeout(80)
  before = browsers.shown(page)
  assert wipe.get_attribute('aria-valuenow') == '100'
  inside = np.s_[150:300, 350:550]
  assert np.abs(restored[inside] - before[inside]).max() > 20
  wipe.press('Home')
  box = page.locator('#hold').bounding_box()
  page.mouse.move(box['x'] + 10, box['y'] + 10)
  page.mouse.down()
  page.wait_for_timeout(80)
  np.testing.assert_array_equal(browsers.shown(page)[inside], before[inside])
  page.mouse.up()
  page.wait_for_timeout(80)
  np.testing.assert_array_equal(browsers.shown(page)[inside], restored[inside])


def _brushes(seen, page):
  """A stroke gets another level, the rest of the picture stays."""
  unpainted = browsers.shown(page)
  page.click('#brush')
  box = page.locator('#stage').bounding_box()

  def paint():
    page.mouse.move(box['x'] + 400, box['y'] + 200)
    page.mouse.down()
    page.mouse.move(box['x'] + 460, box['y'] + 220, steps=3)
    page.mouse.up()

  seen.waits_for_result(paint)
  page.click('#brush')
  page.wait_for_timeout(80)
  changed = np.abs(browsers.shown(page) - unpainted).max(axis=-1)
  assert changed[195:215, 400:450].max() > 10
  assert changed[150:170, 600:700].max() == 0
  seen.waits_for_result(lambda: page.click('#clear'))
  page.wait_for_timeout(80)
  np.testing.assert_array_equal(browsers.shown(page), unpainted)


def test_dropping_zooming_and_mistakes(visit, address, tmp_path):
  seen = visit(address, viewport=DESKTOP)
  page = seen.page
  seen.waits_for_result(lambda: page.goto(f'{address}?engine=webgpu'))
  path, _ = browsers.small_picture(tmp_path)
  drop = """async ([name, type, text]) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, {type}));
    document.body.dispatchEvent(new DragEvent('drop',
      {dataTransfer, bubbles: true, cancelable: true}));
  }"""
  text = base64.b64encode(path.read_bytes()).decode()
  name = '<img src=x onerror=alert(1)>.png'
  seen.waits_for_result(lambda: page.evaluate(drop, [name, 'image/png', text]))
  page.locator('#stage').focus()
  before = browsers.shown(page)
  page.keyboard.press('1')
  page.keyboard.press('+')
  page.wait_for_timeout(100)
  assert np.abs(browsers.shown(page) - before).max() > 20
  page.keyboard.press('0')
  page.wait_for_timeout(100)
  np.testing.assert_array_equal(browsers.shown(page), before)
  # A file that is not a picture gives a sentence; the picture stays.
  broken = base64.b64encode(b'no picture').decode()
  page.evaluate(drop, ['a.png', 'image/png', broken])
  page.wait_for_selector('#sorry:not([hidden])')
  assert 'no picture' in page.inner_text('#sorry')
  np.testing.assert_array_equal(browsers.shown(page)[:300], before[:300])


def test_a_model_that_does_not_load_is_said(visit, address, tmp_path):
  seen = visit(address, viewport=DESKTOP)
  page = seen.page
  page.route('**/models/*', lambda route: route.fulfill(status=404))
  page.goto(f'{address}?engine=server')
  sentence = 'The model did not load; reload the page.'
  page.wait_for_selector('#sorry:not([hidden])')
  page.wait_for_load_state('networkidle')
  assert sentence in page.inner_text('#sorry')
  page.click('#sorry button')
  path, _ = browsers.small_picture(tmp_path)
  page.set_input_files('#file', path)
  page.wait_for_selector('#sorry:not([hidden])')
  assert sentence in page.inner_text('#sorry')
  seen.complaints.clear()


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('size', [DESKTOP, PHONE], ids=['desktop', 'phone'])
def test_it_fits_any_screen(visit, address, size, scheme):
  seen = visit(
    address, viewport=size, color_scheme=scheme, has_touch=size is PHONE
  )
  page = seen.page
  seen.waits_for_result(lambda: page.goto(f'{address}?engine=server'))
  wide = page.evaluate('document.documentElement.scrollWidth')
  assert wide <= size['width']
  for name in ('#level', '#hold', '#fit', '#wipe .grip'):
    box = page.locator(name).bounding_box()
    assert box['x'] >= 0
    assert box['x'] + box['width'] <= size['width'] + 1
    assert box['y'] + box['height'] <= size['height'], name
  ground, ink = (
    [
      int(x)
      for x in page.evaluate(f'getComputedStyle(document.body).{what}')[
        4:-1
      ].split(',')
    ]
    for what in ('backgroundColor', 'color')
  )
  assert (sum(ground) < sum(ink)) == (scheme == 'dark')


def test_the_strip_and_the_curve(visit, address):
  seen = visit(address, viewport=DESKTOP)
  page = seen.page
  seen.waits_for_result(lambda: page.goto(f'{address}?engine=server'))
  page.wait_for_selector('#curve path')
  assert 'best near' in page.get_attribute('#curve', 'aria-label')
  cells = page.locator('#strip button')
  assert cells.count() == 9
  seen.waits_for_result(lambda: cells.nth(0).click())
  assert cells.nth(0).get_attribute('aria-pressed') == 'true'
  assert page.inner_text('#value') == 'sigma 18.3'

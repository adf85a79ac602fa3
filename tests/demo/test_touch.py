"""The page under fingers: Chromium with a touch screen."""

import browsers
import numpy as np
import pytest
from browsers import PHONE


class _Fingers:
  """Fingers that go down, move and are lifted again."""

  def __init__(self, page):
    self.page = page
    self.client = page.context.new_cdp_session(page)

  def _send(self, kind, points):
    self.client.send(
      'Input.dispatchTouchEvent',
      {
        'type': kind,
        'touchPoints': [
          {'x': x, 'y': y, 'id': i} for i, (x, y) in enumerate(points)
        ],
      },
    )
    self.page.wait_for_timeout(30)

  def drag(self, *paths):
    """Each path is [(x, y), ...]; fingers go down one after the other."""
    starts = [path[0] for path in paths]
    for count in range(1, len(starts) + 1):
      self._send('touchStart', starts[:count])
    for points in list(zip(*paths, strict=True))[1:]:
      self._send('touchMove', points)
    self._send('touchEnd', [])


def _line(start, end, steps=5):
  return [tuple(p) for p in np.linspace(start, end, steps + 1).tolist()]


@pytest.fixture
def phone(visit, address):
  """(the visit, its fingers), with a picture restored.

  The phone has no WebGPU, so that the server computes.
  """
  seen = visit(
    address,
    viewport=PHONE,
    has_touch=True,
    is_mobile=True,
    device_scale_factor=1,
  )
  seen.page.add_init_script(
    "Object.defineProperty(Navigator.prototype, 'gpu', {value: undefined})"
  )
  seen.waits_for_result(lambda: seen.page.goto(address))
  assert seen.page.get_attribute('body', 'data-engine') == 'server'
  return seen, _Fingers(seen.page)


def test_the_slider_and_the_line_follow_a_finger(phone):
  seen, fingers = phone
  page = seen.page
  box = page.locator('#level').bounding_box()
  height = box['y'] + box['height'] / 2
  at = float(page.input_value('#level'))
  start = box['x'] + 13 + at * (box['width'] - 26)
  left = (box['x'] + 2, height)
  seen.waits_for_result(lambda: fingers.drag(_line((start, height), left)))
  assert page.inner_text('#value') == 'sigma 15'
  # The page has not been scrolled meanwhile.
  assert page.evaluate('scrollX + scrollY') == 0
  grip = page.locator('#wipe .grip').bounding_box()
  middle = (grip['x'] + grip['width'] / 2, grip['y'] + grip['height'] / 2)
  fingers.drag(_line(middle, (middle[0] + 90, middle[1])))
  now = int(page.get_attribute('#wipe', 'aria-valuenow'))
  assert now == pytest.approx(50 + 100 * 90 / PHONE['width'], abs=4)


def test_two_fingers_zoom_and_one_moves_the_picture(phone):
  seen, fingers = phone
  page = seen.page
  page.locator('#wipe').press('End')  # one picture, without the line in it
  page.wait_for_timeout(100)
  whole = browsers.shown(page)
  box = page.locator('#stage').bounding_box()
  x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2

  def pinch(start, end):
    fingers.drag(
      _line((x - start, y), (x - end, y)), _line((x + start, y), (x + end, y))
    )
    page.wait_for_timeout(150)
    return browsers.shown(page)

  near = pinch(30, 120)
  assert np.abs(near - whole).max() > 50
  # The picture is zoomed, not the page.
  assert page.evaluate('visualViewport.scale') == 1
  fingers.drag(_line((x, y + 40), (x - 60, y - 20)))
  page.wait_for_timeout(150)
  moved = browsers.shown(page)
  inner = moved[60:-140, 40:-100]
  before = near[120:-80, 100:-40]
  assert np.abs(inner - before).mean() < 2
  assert np.abs(moved - near).mean() > 10
  # Pinched together it is as small as it goes: half of what fits.
  small = pinch(150, 5)
  beside = small[40:-40, 10:45]
  assert np.ptp(whole[40:-40, 10:45]) > 50
  assert (np.ptp(beside, axis=(0, 1)) < 3).all()


def test_a_finger_paints_and_two_do_not(phone):
  seen, fingers = phone
  page = seen.page
  seen.waits_for_result(lambda: page.locator('#level').press('End'))
  page.locator('#wipe').press('Home')
  page.wait_for_timeout(100)
  unpainted = browsers.shown(page)
  page.tap('#brush')
  page.evaluate('scrollTo(0, 0)')
  box = page.locator('#stage').bounding_box()
  x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
  fingers.drag(_line((x - 40, y), (x - 90, y)), _line((x + 40, y), (x + 90, y)))
  page.wait_for_timeout(300)
  assert page.is_disabled('#clear')
  page.evaluate("document.querySelector('#fit').click()")
  page.wait_for_timeout(150)
  inner = np.s_[40:-40, 60:-60]  # without the stage's border
  np.testing.assert_array_equal(browsers.shown(page)[inner], unpainted[inner])
  stroke = _line((x - 60, y), (x + 40, y + 10))
  seen.waits_for_result(lambda: fingers.drag(stroke))
  page.wait_for_timeout(100)
  changed = np.abs(browsers.shown(page) - unpainted).max(axis=-1)
  middle = changed[
    int(y - box['y']) - 4 : int(y - box['y']) + 12,
    int(x - box['x']) - 40 : int(x - box['x']) + 20,
  ]
  assert middle.max() > 10
  assert changed[40:80, 60:-60].max() == 0
  # A tap is a dot.
  dot = (x + 100, y - 70)
  seen.waits_for_result(lambda: page.touchscreen.tap(*dot))
  page.wait_for_timeout(100)
  again = np.abs(browsers.shown(page) - unpainted).max(axis=-1)
  row, column = int(dot[1] - box['y']), int(dot[0] - box['x'])
  near = np.s_[row - 10 : row + 10, column - 10 : column + 10]
  assert again[near].max() > 10
  assert changed[near].max() == 0

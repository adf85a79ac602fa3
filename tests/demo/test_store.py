import io
import weakref
import zlib

import browsers
import pytest
from PIL import Image

from adafm_jax.demo import compute
from adafm_jax.demo import store as stores
from adafm_jax.errors import UserError


def _png(width=4, height=3):
  file = io.BytesIO()
  Image.new('RGB', (width, height)).save(file, 'PNG')
  return file.getvalue()


def test_images_expire_after_their_last_use():
  now = [0.0]
  store = stores.ImageStore(lifetime=10, clock=lambda: now[0])
  stored = store.add(_png())
  now[0] = 9
  assert store.get(stored.id) == stored
  now[0] = 18
  assert store.get(stored.id) == stored
  now[0] = 29
  assert store.get(stored.id) is None
  assert len(store) == 0


def test_the_least_used_go_when_the_total_is_full():
  data = _png()
  store = stores.ImageStore(total=3 * len(data))
  first, second, third = (store.add(data) for _ in range(3))
  store.get(first.id)
  fourth = store.add(data)
  assert [x for x in (first, second, third, fourth) if store.get(x.id)] == [
    first,
    third,
    fourth,
  ]
  for _ in range(50):
    store.add(data)
  assert len(store) == 3


def test_what_is_forgotten_is_not_kept_decoded():
  now = [0.0]
  store = stores.ImageStore(lifetime=10, clock=lambda: now[0])
  computer = compute.Computer(browsers.tiny_served())

  def decoded(image_id):
    opened, _ = computer.opened(store.get(image_id), 'noise', 1)
    return weakref.ref(opened.pixels)

  ids = [store.add(_png()).id for _ in range(4)]
  first, second, third = map(decoded, ids[:3])
  assert first() is None  # two stay
  assert second() is decoded(ids[1])()
  fourth = decoded(ids[3])
  assert third() is None
  store.remove(ids[1])
  assert second() is None
  assert fourth() is not None
  now[0] = 11
  assert len(store) == 0
  assert fourth() is None


def test_ids_cannot_be_guessed_and_sizes_are_read_off_the_header():
  store = stores.ImageStore()
  found = [store.add(_png(5, 2)) for _ in range(20)]
  assert len({x.id for x in found}) == 20
  assert min(len(x.id) for x in found) >= 24
  assert (found[0].width, found[0].height) == (5, 2)


def test_what_is_no_picture_or_too_large_is_refused(monkeypatch):
  store = stores.ImageStore()
  for data in (b'', b'no picture', _png()[:20], b'GIF89a....'):
    with pytest.raises(UserError):
      store.add(data)
  # A few bytes that claim to unfold to 10^10 pixels are not decoded.
  png = bytearray(_png())
  png[16:24] = (100_000).to_bytes(4, 'big') * 2
  png[29:33] = zlib.crc32(bytes(png[12:29])).to_bytes(4, 'big')
  with pytest.raises(UserError):
    store.add(bytes(png))
  monkeypatch.setattr(stores, 'MAX_PIXELS', 11)
  with pytest.raises(stores.TooLargeError, match='4 x 3'):
    store.add(_png())
  monkeypatch.setattr(stores, 'MAX_BYTES', 10)
  with pytest.raises(stores.TooLargeError, match='file'):
    store.add(_png())
  assert len(store) == 0

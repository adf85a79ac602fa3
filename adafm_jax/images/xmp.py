"""XMP packets: the orientation, and claims about what no result has.

A packet of a telephone may say that a video or a gain map follows the picture.
Results have neither, and programs that look for them would fail. What is taken
out is cut out as text: to parse and write the packet would rename and reorder
all that others put into it.
"""

from __future__ import annotations

import re

# In attribute and in element form.
_ORIENTATION = re.compile(rb'(tiff:Orientation(?:\s*=\s*["\']|>)\s*)([1-8])')
_NAMESPACE = re.compile(rb'xmlns:([\w.-]+)\s*=\s*["\']([^"\']*)["\']')

_CAMERA = rb'(?:MotionPhoto|MicroVideo)\w*'  # Google's
_VIDEO = 'The video of the motion photo was left out.'
_GAIN_MAP = 'The gain map, which HDR screens show, was left out.'
_REST = 'The part of the XMP data that is kept outside of it was left out.'
# Namespace, names in it, and what is left out where they are found; the
# directory of the files behind the picture goes with each.
_CLAIMS = (
  (b'http://ns.google.com/photos/1.0/camera/', _CAMERA, _VIDEO),
  (b'http://ns.oplus.com/photos/1.0/camera/', rb'\w+', _VIDEO),
  (b'http://ns.google.com/photos/1.0/container/', rb'Directory', ''),
  (b'http://ns.adobe.com/hdr-gain-map/1.0/', rb'\w+', _GAIN_MAP),
  (b'http://ns.apple.com/HDRGainMap/1.0/', rb'\w+', _GAIN_MAP),
  (b'http://ns.adobe.com/xmp/note/', rb'HasExtendedXMP', _REST),
)


def orientation(xmp: bytes) -> int | None:
  """1 to 8, if the packet says it."""
  found = _ORIENTATION.search(xmp)
  return int(found[2]) if found else None


def upright(xmp: bytes) -> bytes:
  """The packet of a picture that stands upright."""
  return _ORIENTATION.sub(rb'\g<1>1', xmp)


def without_claims(xmp: bytes) -> tuple[bytes, tuple[str, ...]]:
  """Takes out what is said of a video, a gain map or further XMP.

  Returns:
    The packet, and a sentence for each of those that it spoke of.
  """
  prefixes = {uri: name for name, uri in _NAMESPACE.findall(xmp)}
  left_out = []
  for uri, names, sentence in _CLAIMS:
    prefix = prefixes.get(uri)
    if prefix is None:
      continue
    shorter = _without(xmp, re.escape(prefix) + b':' + names)
    if shorter != xmp and sentence:
      left_out.append(sentence)
    xmp = shorter
  return xmp, tuple(dict.fromkeys(left_out))


def _without(xmp: bytes, name: bytes) -> bytes:
  """Cuts properties out, written as attributes or as elements."""
  xmp = re.sub(rb'\s+' + name + rb'\s*=\s*(?:"[^"]*"|\'[^\']*\')', b'', xmp)
  opening = re.compile(rb'<(' + name + rb')(?=[\s/>])[^>]*>')
  kept, i = [], 0
  while found := opening.search(xmp, i):
    end = found.end()
    if not found[0].endswith(b'/>'):
      closing = b'</' + found[1] + b'>'
      end = xmp.find(closing, end)
      if end < 0:
        break
      end += len(closing)
    kept.append(xmp[i : found.start()])
    i = end
  return b''.join([*kept, xmp[i:]])

"""XMP data claim no video and no gain map that a result does not have."""

import time

import image_files
import photographs
import pytest

from adafm_jax.images import photo as photos

CAMERA = 'http://ns.google.com/photos/1.0/camera/'
CONTAINER = 'http://ns.google.com/photos/1.0/container/'
GAIN_MAP = 'http://ns.adobe.com/hdr-gain-map/1.0/'
DIRECTORY = (
  '<Container:Directory><rdf:Seq><rdf:li Item:Semantic="Primary"/>'
  '</rdf:Seq></Container:Directory>'
)
VIDEO_LOST = 'The video of the motion photo was left out.'
GAIN_MAP_LOST = 'The gain map, which HDR screens show, was left out.'


def _packet(text, **spaces):
  names = ''.join(f' xmlns:{name}="{uri}"' for name, uri in spaces.items())
  return (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org'
    f'/1999/02/22-rdf-syntax-ns#"{names}>{text}</rdf:RDF></x:xmpmeta>'
  ).encode()


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
def test_no_result_claims_a_video(tmp_path, suffix):
  packet = _packet(
    '<rdf:Description Cam:MotionPhoto="1" Cam:MicroVideoOffset="99"'
    f' dc:title="MotionPhoto">{DIRECTORY}'
    '<Cam:MotionPhotoVersion>1</Cam:MotionPhotoVersion></rdf:Description>',
    Cam=CAMERA,
    Container=CONTAINER,
    dc='http://purl.org/dc/elements/1.1/',
  )
  video = b'\0\0\0\x10ftypmp42' + bytes(4004)
  data = image_files.jpeg(image_files.xmp_segment(packet)) + video
  _, path, notes = photographs.written(tmp_path, data, f'a.{suffix}')
  assert notes == (VIDEO_LOST,)
  kept = photos.read_photo(path).metadata.xmp
  assert kept == _packet(
    '<rdf:Description dc:title="MotionPhoto"></rdf:Description>',
    Cam=CAMERA,
    Container=CONTAINER,
    dc='http://purl.org/dc/elements/1.1/',
  )
  assert b'ftyp' not in path.read_bytes()


def test_a_video_without_xmp_is_reported(tmp_path):
  for behind in (
    b'\0\0\0\x18ftypmp42' + bytes(100),
    b'x' * 50 + b'MotionPhoto_Data' + b'\0\0\0\x18ftypmp42' + bytes(100),
  ):
    _, _, notes = photographs.written(
      tmp_path, image_files.jpeg() + behind, 'a.jpg'
    )
    assert notes == (VIDEO_LOST,)
  _, _, notes = photographs.written(
    tmp_path, image_files.jpeg() + b'\0\0', 'a.jpg'
  )
  assert notes == ()


def test_no_result_claims_a_gain_map(tmp_path):
  packet = _packet(
    f'<rdf:Description hdrgm:Version="1.0">{DIRECTORY}</rdf:Description>',
    hdrgm=GAIN_MAP,
    Container=CONTAINER,
  )
  data = image_files.jpeg(image_files.xmp_segment(packet))
  _, path, notes = photographs.written(tmp_path, data, 'a.jpg')
  assert notes == (GAIN_MAP_LOST,)
  kept = photos.read_photo(path).metadata.xmp
  assert b'Version' not in kept
  assert b'Directory' not in kept


def test_xmp_is_cut_in_time_that_grows_with_its_length(tmp_path):
  packet = _packet('<Cam:MotionPhoto>' * 50_000, Cam=CAMERA)
  began = time.monotonic()
  text = packet.decode()
  itxt = b'XML:com.adobe.xmp\0\0\0\0\0' + text.encode()
  (tmp_path / 'a.png').write_bytes(
    image_files.png(image_files.chunk(b'iTXt', itxt))
  )
  photos.read_photo(tmp_path / 'a.png')
  assert time.monotonic() - began < 5

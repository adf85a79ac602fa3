"""TIFF files: of 12, 16 and float bits, alpha, pages, compressions."""

import numpy as np
import photographs
import pytest
import tifffile

from adafm_jax.images import photo as photos


@pytest.mark.parametrize(
  'options',
  [
    {},
    {'compression': 'lzw', 'predictor': True},
    {'compression': 'zlib', 'byteorder': '>'},
    {'tile': (16, 16), 'bigtiff': True},
  ],
)
@pytest.mark.parametrize('samples', photographs.ALL_DEEP)
def test_16_bit_tiff(tmp_path, samples, options):
  colours = 3 if samples.shape[-1] > 2 else 1
  tifffile.imwrite(
    tmp_path / 'a.tif',
    samples,
    photometric='rgb' if colours == 3 else 'minisblack',
    planarconfig='contig' if samples.shape[-1] > 1 else None,
    extrasamples=['unassalpha'] if samples.shape[-1] > colours else None,
    **options,
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  photographs.check(read, samples, 65535)
  assert (read.depth, read.notes) == (16, ())


def test_planes_and_white_is_zero(tmp_path):
  planes = np.moveaxis(photographs.DEEP[..., :3], -1, 0)
  tifffile.imwrite(
    tmp_path / 'p.tif', planes, photometric='rgb', planarconfig='separate'
  )
  photographs.check(
    photos.read_photo(tmp_path / 'p.tif'), photographs.DEEP[..., :3], 65535
  )
  tifffile.imwrite(
    tmp_path / 'w.tif', photographs.DEEP[..., 0], photometric='miniswhite'
  )
  photographs.check(
    photos.read_photo(tmp_path / 'w.tif'),
    65535 - photographs.DEEP[..., :1],
    65535,
  )


def test_12_bits(tmp_path):
  samples = photographs.DEEP[..., 0] >> 4
  tifffile.imwrite(
    tmp_path / 'a.tif', samples, photometric='minisblack', bitspersample=12
  )
  photographs.check(
    photos.read_photo(tmp_path / 'a.tif'), samples[..., None], 4095
  )


def test_premultiplied_alpha_becomes_straight(tmp_path):
  straight = photographs.DEEP / 65535
  straight[0, 0, 3] = 0
  stored = straight.copy()
  stored[..., :3] *= stored[..., 3:]
  tifffile.imwrite(
    tmp_path / 'a.tif',
    np.rint(stored * 65535).astype(np.uint16),
    photometric='rgb',
    extrasamples=['assocalpha'],
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  np.testing.assert_allclose(read.alpha, straight[..., 3:], atol=1e-5)
  seen = straight[..., 3] > 0.1
  np.testing.assert_allclose(
    read.pixels[seen], straight[seen][:, :3], atol=1e-4
  )
  assert (read.pixels[0, 0] == 0).all()


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_float_tiff(tmp_path, dtype):
  values = np.random.default_rng(0).random((5, 8, 3)).astype(dtype)
  tifffile.imwrite(tmp_path / 'a.tif', values, photometric='rgb')
  read = photos.read_photo(tmp_path / 'a.tif')
  np.testing.assert_array_equal(read.pixels, values.astype(np.float32))
  assert read.depth == 32
  cut = ('Its 64-bit floats were cut to 32 bits.',)
  assert read.notes == (cut if dtype == np.float64 else ())


def test_highlights_of_float_tiff_are_clipped_with_a_word(tmp_path):
  values = np.array([[0.5, 0.25, 0.125, 7.5], [-0.5, 0, 1, 0]], np.float32)
  tifffile.imwrite(tmp_path / 'a.tif', values)
  read = photos.read_photo(tmp_path / 'a.tif')
  np.testing.assert_array_equal(read.pixels[..., 0], np.clip(values, 0, 1))
  assert read.notes == ('Its values from -0.5 to 7.5 were clipped to 0..1.',)


def test_smaller_copies_in_a_tiff_are_no_pages(tmp_path):
  with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
    file.write(photographs.DEEP[..., :3], photometric='rgb')
    file.write(photographs.DEEP[::2, ::2, :3], photometric='rgb', subfiletype=1)
  photographs.check(
    photos.read_photo(tmp_path / 'a.tif'), photographs.DEEP[..., :3], 65535
  )


def test_extra_channels_are_left_out_with_a_word(tmp_path):
  tifffile.imwrite(
    tmp_path / 'a.tif',
    photographs.DEEP,
    photometric='rgb',
    extrasamples=['unspecified'],
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  photographs.check(read, photographs.DEEP[..., :3], 65535)
  assert read.notes == ('It has extra channels that were left out.',)


@pytest.mark.parametrize(
  'compression',
  ['jpeg2000', 'jpegxl', 'jpegxr', 'webp', 'zstd', 'lzma', 'lerc', 'png'],
)
def test_compressions_of_tiff(tmp_path, compression, capfd):
  """Those that need no part of the picture lost, in 8 and 16 bits."""
  smooth = np.add.outer(np.arange(32) * 3, np.arange(48) * 2)[..., None]
  rgb = (smooth + np.array([0, 9, 60])).astype(np.uint8)
  grey, alpha = rgb[..., :1], np.concatenate([rgb, rgb[..., :1]], axis=-1)
  exif = (0x013B, 2, 0, 'Zoe', True)
  cases = [(rgb, 255), (alpha, 255)]
  if compression != 'webp':
    cases += [(grey, 255), (rgb.astype(np.uint16) * 257, 65535)]
  for samples, highest in cases:
    path = tmp_path / 'a.tif'
    tifffile.imwrite(
      path,
      samples.squeeze(),
      photometric='rgb' if samples.shape[-1] > 2 else 'minisblack',
      extrasamples=['unassalpha'] if samples.shape[-1] == 4 else None,
      compression=compression,
      extratags=[exif],
    )
    read = photos.read_photo(path)
    photographs.check(read, samples, highest)
    assert b'Zoe' in read.metadata.exif
  assert capfd.readouterr().err == ''  # libtiff speaks of what it lacks


def test_a_palette_that_pillow_does_not_decode(tmp_path):
  table = (
    np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
  )
  index = photographs.GREY[..., 0]
  tifffile.imwrite(
    tmp_path / 'a.tif',
    index,
    photometric='palette',
    colormap=table,
    compression='png',
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  photographs.check(read, table.T[index], 65535)


def test_12_bit_jpeg_in_tiff(tmp_path):
  y, x = np.mgrid[:32, :48]
  samples = np.stack([80 * x, 120 * y, 40 * (x + y)], -1).astype(np.uint16)
  tifffile.imwrite(
    tmp_path / 'a.tif',
    samples,
    photometric='rgb',
    compression='jpeg',
    compressionargs={'level': 98},
  )
  read = photos.read_photo(tmp_path / 'a.tif')
  assert read.depth == 16
  with tifffile.TiffFile(tmp_path / 'a.tif') as tiff:
    assert tiff.pages[0].bitspersample == 12
  assert np.abs(read.pixels * 4095 - samples).mean() < 20

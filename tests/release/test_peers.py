"""Other people's networks, against plain loops in float64."""

import itertools

import numpy as np
import pytest

from adafm_jax.degrade import colour
from adafm_jax.errors import UserError
from release import peers


def _save(path, widths, seed=0):
  rng = np.random.default_rng(seed)
  arrays = {}
  for i, shape in enumerate(itertools.pairwise(widths)):
    arrays[f'kernel_{i:02d}'] = rng.normal(0, 0.1, (3, 3, *shape))
    arrays[f'bias_{i:02d}'] = rng.normal(0, 0.1, shape[1])
  np.savez(path, **{k: v.astype(np.float32) for k, v in arrays.items()})
  return [
    (arrays[f'kernel_{i:02d}'], arrays[f'bias_{i:02d}'])
    for i in range(len(widths) - 1)
  ]


def _convolve(weights, x):
  for i, (kernel, bias) in enumerate(weights):
    padded = np.pad(x, [(1, 1), (1, 1), (0, 0)])
    height, width = x.shape[:2]
    x = bias + sum(
      padded[r : r + height, c : c + width] @ kernel[r, c]
      for r in range(3)
      for c in range(3)
    )
    x = np.maximum(x, 0) if i < len(weights) - 1 else x
  return x


def test_ffdnet(tmp_path):
  weights = _save(tmp_path / 'ffdnet_color_float.npz', (13, 6, 12))
  image = np.random.default_rng(1).normal(0.5, 0.3, (5, 8, 3))
  image = image.astype(np.float32)
  even = np.concatenate([image, image[-1:]])  # the edge, once more
  planes = np.empty((3, 4, 13))
  for c in range(3):
    for x in range(2):
      for y in range(2):
        planes[..., c * 4 + x * 2 + y] = even[y::2, x::2, c]
  planes[..., 12] = 50 / 255
  found = _convolve(weights, planes)
  wanted = np.empty((6, 8, 3))
  for c in range(3):
    for x in range(2):
      for y in range(2):
        wanted[y::2, x::2, c] = found[..., c * 4 + x * 2 + y]
  ours = peers.load(tmp_path, 'denoise', 'float')(image, 50.0)
  assert ours.dtype == np.uint8
  clipped = np.clip(wanted[:5], 0, 1)
  np.testing.assert_allclose(ours, 255 * clipped, atol=0.501)
  assert clipped.std() > 0.05


@pytest.mark.parametrize(('task', 'channels'), [('dejpeg', 1), ('sr', 3)])
def test_dncnn_restores_luma(task, channels, tmp_path):
  weights = _save(tmp_path / 'dncnn3_luma.npz', (1, 6, 1), seed=2)
  image = np.random.default_rng(3).uniform(0.3, 0.7, (7, 8, channels))
  image = image.astype(np.float32)
  ours = peers.load(tmp_path, task, '')(image, 30.0)
  luma = image if channels == 1 else colour.rgb_to_y(255 * image)[..., None]
  luma = luma if channels == 1 else luma / 255
  wanted = luma - _convolve(weights, luma)
  found = (
    ours / 255 if channels == 1 else colour.rgb_to_y(ours)[..., None] / 255
  )
  np.testing.assert_allclose(found, wanted, atol=0.6 / 255)
  if channels == 3:  # chroma stays
    before, after = map(colour.rgb_to_ycbcr, (255 * image, ours))
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=0.8)


def test_missing_and_broken_weights(tmp_path):
  with pytest.raises(UserError, match=r'dncnn3_luma\.npz'):
    peers.load(tmp_path, 'sr', '')
  (tmp_path / 'dncnn3_luma.npz').write_bytes(b'no zip')
  with pytest.raises(UserError, match='weights of a peer'):
    peers.load(tmp_path, 'sr', '')

"""Sets of a few small images, prepared as a user prepares large ones."""

import numpy as np
import pytest
from PIL import Image

from adafm_jax.errors import UserError
from adafm_jax.prepare import prepare
from adafm_jax.prepare.request import Request


def random_pixels(seed, *shape):
  """uint8 noise of a shape."""
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def smooth_pixels(seed, height, width):
  """An image that JPEG and bicubic leave mostly as it is."""
  y, x = np.mgrid[:height, :width]
  slopes = np.random.default_rng(seed).uniform(0.05, 0.3, (3, 2))
  waves = [np.sin(a * x + b * y) for a, b in slopes]
  return np.rint(127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def write(folder, images, suffix='.png'):
  """Writes {name: pixels} as image files; returns the folder."""
  folder.mkdir(parents=True, exist_ok=True)
  for name, pixels in images.items():
    shown = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    Image.fromarray(shown).save(folder / f'{name}{suffix}')
  return folder


def make_images(count, height=12, width=17):
  """{name: pixels} of noise, of two sizes and more."""
  return {
    f'{i:03d}': random_pixels(i, height + i % 3, width, 3) for i in range(count)
  }


def make_set(data_dir, dataset='image_folder', **fields):
  """Prepares a set as asked; returns its folder."""
  return prepare.prepare(Request(dataset=dataset, data_dir=data_dir, **fields))


def problems_of(*args, **fields):
  """The sentences that refuse it."""
  with pytest.raises(UserError) as caught:
    make_set(*args, **fields)
  return caught.value.problems


def files(folder):
  """{path: bytes} of all files below."""
  return {
    p.relative_to(folder).as_posix(): p.read_bytes()
    for p in sorted(folder.rglob('*'))
    if p.is_file()
  }


def visible(data_dir):
  """Names a user, or TFDS, would find."""
  return sorted(
    p.name for p in data_dir.iterdir() if not p.name.endswith('.lock')
  )

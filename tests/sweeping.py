"""Runs `adafm sweep`, for tests."""

import jax
import numpy as np
from PIL import Image

from adafm_jax.commands import sweep
from adafm_jax.degrade.level import LevelRange
from adafm_jax.model import Model
from adafm_jax.models import restorer
from adafm_jax.models.architecture import Architecture

RANGES = {'denoise': (15.0, 75.0), 'dejpeg': (80.0, 10.0), 'sr': (3.0, 4.0)}


def save_model(path, task='denoise', channels=3, kernel=3, curve=None):
  arch = Architecture(features=8, blocks=1, channels=channels, kernel=kernel)
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda leaf: rng.normal(0, 0.15, leaf.shape).astype(np.float32),
    restorer.parameter_shapes(arch),
  )
  # Most results stay inside [0, 1].
  params['tail']['kernel'] *= np.float32(0.3)
  params['tail']['bias'] += np.float32(0.5)
  model = Model(
    arch=arch,
    levels=LevelRange(task, *RANGES[task]),
    params=params,
    curve=curve,
  )
  model.save(path)
  return model


def pixels(shape, seed=0):
  """Smooth colours with some texture, as a photograph has."""
  height, width, channels = shape
  y, x = np.mgrid[:height, :width]
  waves = [np.sin(x / 5 + c) * np.cos(y / (4 + c)) for c in range(channels)]
  noise = np.random.default_rng(seed).normal(0, 12, shape)
  picture = 128 + 70 * np.stack(waves, axis=-1) + noise
  return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def write(path, pixels):
  path.parent.mkdir(parents=True, exist_ok=True)
  grey = pixels.shape[-1] == 1
  Image.fromarray(pixels[..., 0] if grey else pixels).save(path)
  return path


def load(path):
  with Image.open(path) as image:
    array = np.asarray(image)
  return array if array.ndim == 3 else array[..., None]


def run(model, inputs, output, *more):
  """The exit code of a sweep."""
  inputs = inputs if isinstance(inputs, list) else [inputs]
  arguments = ['-m', model, '-i', *inputs, '-o', output, *more]
  return sweep.main([str(argument) for argument in arguments])


def separately(model, pixels, strength):
  """One strength through the network alone, float32 [H, W, C]."""
  apply = restorer.make_apply(model.arch)
  return np.asarray(apply(model.params, pixels[None], np.float32(strength)))[0]


def make_folder(root):
  """A model and images: RGB, grey, odd sizes, two of one size."""
  model = save_model(root / 'model.safetensors')
  shapes = {'a': (33, 47, 3), 'b': (33, 47, 3), 'grey': (28, 21, 1)}
  images = {name: pixels(s, len(name)) for name, s in shapes.items()}
  for name, image in images.items():
    write(root / 'images' / f'{name}.png', image)
  return root, model, images

"""Models and the peer beside each other, image by image.

  python -m release.beside sr run/model.safetensors --peers PEERS \
    --sets photos=photos:train,set5=/path/to/Set5 --levels 3,4

A mean hides where a network fails. Here the images come first on which the last
model is furthest behind the peer, or behind the first model.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from adafm_jax import zoo
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import level as levels
from adafm_jax.engine import compile_cache
from adafm_jax.errors import UserError, entry_point
from adafm_jax.evaluate.scores import Score
from adafm_jax.model import Model
from adafm_jax.model_file import file as model_file
from adafm_jax.report import tables
from release import image_sets, measure


def compare(
  models: Mapping[str, Model],
  sets: Mapping[str, Sequence[NamedImage]],
  wanted: Sequence[float],
  *,
  peers: pathlib.Path | None = None,
  noise: str = 'clipped',
) -> str:
  """Measures models on the same degraded images.

  Args:
    models: of one task, by the heading of their column.
    sets: images by the name of their set.
    wanted: levels in the task's unit.
    peers: folder of other networks' weights, see `release.peers`.
    noise: 'clipped' or 'float'; only denoising has it.

  Returns:
    A table of PSNR for each set and level, as text; the means come last.

  Raises:
    UserError: the models differ in task or channels.
  """
  first = next(iter(models.values()))
  for other in models.values():
    measure.check_same_kind(first, other)
  subjects = measure.Subjects(models, {}, peers=peers, classical=False)
  task, text = first.levels.task, []
  for name, images in sets.items():
    protocols = measure.protocols(task, name)
    protocol = protocols.get(noise) or protocols['']
    for level in wanted:
      scores = measure.score(
        subjects, images, name=name, level=level, protocol=protocol, ssim=False
      )
      label = levels.TASKS[task].label(level)
      text.append(f'{name} ({protocol.label}), {label}\n{_table(scores)}')
  return '\n'.join(text)


def _table(scores: Sequence[Score]) -> str:
  header = ['image', *(one.method for one in scores)]
  values = np.array([[image[1] for image in one.images] for one in scores]).T
  # Scores begin with the input; alone, a model is compared with itself.
  behind = values[:, 1] - values[:, -1]
  order = np.argsort(-behind, kind='stable')
  names = [image[0] for image in scores[0].images]
  rows = [[names[i], *values[i]] for i in order]
  return tables.text_table(header, [*rows, ['mean', *values.mean(0)]])


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m release.beside`."""
  parser = argparse.ArgumentParser(
    prog='python -m release.beside',
    description='PSNR of models and the peer on each image.',
  )
  add = parser.add_argument
  add('models', nargs='+', help='names, see adafm models, or model files')
  add('--sets', default='', help='as in cbsd68=/path,photos=photos:train')
  add('--data-train', default='', help='training images, for the held-out ones')
  add('--levels', default='', help="as in 15,50 (default: the task's)")
  add('--peers', type=pathlib.Path, help='folder of weights, release/peers.py')
  add('--noise', default='clipped', choices=levels.NOISE_PROTOCOLS)
  add('--images', type=int, default=0, help='at most this many of each set')
  options = parser.parse_args(argv)
  if len(set(options.models)) < len(options.models):
    raise UserError('A model is given twice; give each once.')
  compile_cache.enable()
  models = {name: zoo.load(name) for name in options.models}
  first = options.models[0]
  header = model_file.read_header(zoo.locate(first))
  wanted = levels.parse_values(options.levels) if options.levels else ()
  print(
    compare(
      models,
      image_sets.load(header, options.sets, options.data_train, options.images),
      wanted or measure.default_levels(models[first]),
      peers=options.peers,
      noise=options.noise,
    ),
    end='',
  )


if __name__ == '__main__':
  sys.exit(main())

"""Measures a released model, for its card.

  python -m release.evaluate denoise --sets cbsd68=/path/to/CBSD68 \
    --data-train /path/to/BSD431 --float32 run/model.safetensors \
    --dedicated 35=run35/model.safetensors -o docs/models

Writes NAME.json: PSNR and SSIM of every set, level, protocol and method (see
`release.measure`), the network's speed, versions and machine. Also writes the
card's pictures. `python -m release.card.card NAME` then makes the card.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tqdm

from adafm_jax import files, zoo
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import level as levels
from adafm_jax.engine import compile_cache
from adafm_jax.errors import UserError, entry_point
from adafm_jax.model import Model
from adafm_jax.model_file import file as model_file
from adafm_jax.model_file import provenance
from release import classical, earlier, image_sets, measure
from release.pictures import pictures


def evaluate(
  name: str,
  sets: Mapping[str, Sequence[NamedImage]],
  *,
  wanted: Sequence[float] = (),
  dedicated: Mapping[float, str] | None = None,
  float32: str | None = None,
  peers: pathlib.Path | None = None,
  compare_classical: bool = True,
  before: Sequence[earlier.Row] = (),
) -> dict[str, Any]:
  """Measures a released model.

  Args:
    name: of the model, or a model file.
    sets: images by the name of their set, at least one.
    wanted: levels in the task's unit; none: the task's usual ones.
    dedicated: model files of networks trained for one level, by that level.
    float32: the run's model file, before its weights were rounded.
    peers: folder of other networks' weights, see `release.peers`.
    compare_classical: whether the classical method is measured too.
    before: rows of earlier results of the same images, of any model. What is
      there and not the model's is taken from there.

  Returns:
    JSON values: the contents of NAME.json, except its pictures.

  Raises:
    UserError: there is no such model or file, one doesn't fit the other, or
      `before` is of other images.
  """
  model = zoo.load(name)
  others = {x: Model.load(path) for x, path in (dedicated or {}).items()}
  chosen = _levels(model, wanted, others)
  subjects = measure.make_subjects(
    model,
    dedicated=others,
    float32=Model.load(float32) if float32 else None,
    peers=peers,
    classical=compare_classical,
  )
  task = model.levels.task
  if not compare_classical:
    before = [row for row in before if row['method'] != 'classical']
  rows = _scores(subjects, sets, task, chosen, before)
  return {
    'model': pathlib.Path(name).stem,
    'sha256': files.sha256(zoo.locate(name)),
    'date': datetime.datetime.now(datetime.UTC).date().isoformat(),
    'levels': chosen,
    'sets': {key: len(images) for key, images in sets.items()},
    'classical': _classical(task, chosen) if compare_classical else [],
    'dedicated': [
      _about(level, other, (dedicated or {})[level])
      for level, other in others.items()
    ],
    'float32': files.sha256(float32) if float32 else None,
    'speed': measure.speed(model),
    'scores': rows,
    'provenance': provenance.collect() | {'processor': provenance.processor()},
  }


def _levels(
  model: Model, wanted: Sequence[float], dedicated: Mapping[float, Any]
) -> list[float]:
  """The levels to measure, which hold those of the dedicated networks."""
  chosen = list(wanted) or measure.default_levels(model)
  for level in (*chosen, *dedicated):
    measure.setting_for(model, level)
  if missing := sorted(set(dedicated) - set(chosen)):
    raise UserError(
      f'A dedicated network is given for level {missing[0]:g}, which is not one'
      f' of those measured ({", ".join(f"{x:g}" for x in chosen)}); add it to'
      ' --levels.'
    )
  return chosen


def _scores(
  subjects: measure.Subjects,
  sets: Mapping[str, Sequence[NamedImage]],
  task: str,
  wanted: Sequence[float],
  before: Sequence[earlier.Row],
) -> list[earlier.Row]:
  jobs = [
    (key, noise, protocol, level)
    for key in sets
    for noise, protocol in measure.protocols(task, key).items()
    for level in wanted
  ]
  rows: list[earlier.Row] = []
  with tqdm.tqdm(jobs, unit='level') as bar:
    for key, noise, protocol, level in bar:
      bar.set_description(' '.join(filter(None, (key, noise, f'{level:g}'))))
      known = earlier.find(
        before,
        name=key,
        protocol=protocol.label,
        level=level,
        images=len(sets[key]),
      )
      found = measure.score(
        subjects.without(known),
        sets[key],
        name=key,
        level=level,
        protocol=protocol,
      )
      rows += earlier.join(measure.rows(found, noise), known)
  return rows


def _classical(task: str, wanted: Sequence[float]) -> list[dict[str, Any]]:
  if task not in classical.CHOSEN:
    return []
  return [
    {'level': level, **classical.settings(task, level)._asdict()}
    for level in wanted
  ]


def _about(level: float, model: Model, path: str) -> dict[str, Any]:
  """The facts about a dedicated network, for the card."""
  return {
    'level': level,
    'sha256': files.sha256(path),
    'features': model.arch.features,
    'blocks': model.arch.blocks,
    'further_steps': model.provenance.get('further_steps'),
  }


def parse_dedicated(text: str) -> dict[float, str]:
  """Reads '35=FILE,50=FILE'.

  Raises:
    UserError: the text has another form.
  """
  found = {}
  for entry in filter(None, text.split(',')):
    level, equals, path = entry.partition('=')
    if not equals or not path:
      raise UserError(
        f'--dedicated is {text!r}; it must be LEVEL=FILE, or several of these,'
        ' separated by commas.'
      )
    found[levels.parse_values(level)[0]] = path
  return found


def _kept(path: pathlib.Path, sha256: str) -> dict[str, Any]:
  """The pictures of earlier results, if they show the same model file."""
  if not path.is_file():
    return {}
  before = json.loads(path.read_text('utf-8'))
  return before.get('pictures', {}) if before['sha256'] == sha256 else {}


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m release.evaluate',
    description='Measures a released model, for its card.',
  )
  add = parser.add_argument
  add('name', help='name of the model, see adafm models, or a model file')
  add('--sets', default='', help='as in cbsd68=/path,set14=/path')
  add('--data-train', default='', help='training images, for the held-out ones')
  add('--levels', default='', help="as in 15,25,50 (default: the task's)")
  add('--dedicated', default='', help='networks of one level: 35=FILE,50=FILE')
  add('--float32', help='the model file before its weights were rounded')
  add('--peers', type=pathlib.Path, help='folder of weights, release/peers.py')
  add(
    '--classical',
    action=argparse.BooleanOptionalAction,
    default=True,
    help='measure the classical method too (default), which is slow',
  )
  add(
    '--before',
    type=pathlib.Path,
    help="NAME.json of the same images: what is not the model's, the classical"
    ' method and the peers, is taken from there',
  )
  add('--images', type=int, default=0, help='at most this many of each set')
  add(
    '--pictures',
    action=argparse.BooleanOptionalAction,
    default=True,
    help='make the pictures of a released model (default), or keep the old',
  )
  add('-o', '--output', type=pathlib.Path, default=pathlib.Path('docs/models'))
  return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m release.evaluate`."""
  options = _options(argv)
  compile_cache.enable()
  header = model_file.read_header(zoo.locate(options.name))
  found = evaluate(
    options.name,
    image_sets.load(header, options.sets, options.data_train, options.images),
    wanted=levels.parse_values(options.levels) if options.levels else (),
    dedicated=parse_dedicated(options.dedicated),
    float32=options.float32,
    peers=options.peers,
    compare_classical=options.classical,
    before=earlier.read(options.before) if options.before else (),
  )
  name = pathlib.Path(options.name).stem
  path = options.output / f'{name}.json'
  if options.pictures and options.name in zoo.entries():
    found['pictures'] = pictures.make(name, options.output)
  else:
    found['pictures'] = _kept(path, found['sha256'])
  files.write_json(path, found)
  print(f'written: {path}; now python -m release.card.card {name}')


if __name__ == '__main__':
  sys.exit(main())

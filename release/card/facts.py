"""The table of facts of a card: what a model is, and how it was made."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import safetensors

from adafm_jax import zoo
from adafm_jax.degrade import level as levels
from adafm_jax.model_file import file as model_file
from adafm_jax.model_file import header as headers
from adafm_jax.report import tables
from release import measure
from release.card import words as card_words
from release.card.results import Results

_STAGES = {
  'train': 'the backbone',
  'adapt': 'the AdaFM layers',
  'path': 'the bends',
  'joint': 'all weights together',
}


class Facts(NamedTuple):
  """The table of facts, and values that other parts of the card need.

  Attributes:
    rows: (name, text).
    millions: of trained parameters.
    steps: of training, in words.
  """

  rows: list[tuple[str, str]]
  millions: float
  steps: str


def collect(entry: zoo.Released, results: Results) -> Facts:
  """Collects everything a reader may look up."""
  header = results.header
  shapes = model_file.read_shapes(entry.path)
  counts = headers.count_parameters(shapes)
  config = header.provenance.get('config') or {}
  steps = _steps(header.provenance)
  rows = [
    ('task', _task(results)),
    ('network', _network(results)),
    ('parameters', _parameters(counts)),
    (
      'file',
      f'`{entry.file}`, {entry.path.stat().st_size:,} bytes, {_dtype(entry)}',
    ),
    ('SHA-256', f'`{entry.sha256}`'),
    ('licence of the weights', entry.licence),
    ('training data', _data(header.provenance, config)),
    ('held out', _held_out(config)),
    ('steps', steps),
    ('batch', _batch(config)),
    ('optimizer', _optimizer(config)),
    ('trained on', _trained_on(header.provenance)),
    ('speed', _speed(results.found)),
  ]
  total = sum(counts.values()) / 1e6
  return Facts([row for row in rows if row[1]], total, steps)


def table(facts: Facts) -> str:
  """The facts as Markdown."""
  return tables.markdown_table(('', ''), facts.rows)


def path_lines(results: Results) -> str:
  """The lambda curve as a formula, and a sentence about the path."""
  header, task = results.header, levels.TASKS[results.task]
  if not header.arch.kernel:
    return 'None: the model has no AdaFM layers.\n'
  text = 'The lambda curve is linear between the ends.'
  if header.curve is not None:
    formula = header.curve.formula(task.prefix.strip() or 'x')
    text = f'The lambda curve: `{formula}`.'
  if measure.jointly_trained(header.provenance):
    bends = f' `{header.arch.path}` with {header.arch.bends} bends'
    return (
      f'{text} AdaFM filters move along'
      + (f' a path{bends}.' if header.arch.bends else ' a straight line.')
      + ' All weights learnt all levels together, which goes past the paper,'
      ' whose backbone is frozen after the start level.\n'
    )
  if not results.both:
    return f'{text} AdaFM filters move in a straight line, as in the paper.\n'
  return (
    f'{text} AdaFM filters move along a path `{header.arch.path}` with'
    f' {header.arch.bends} bends, learnt on the training images between the'
    " two levels, and equal to the paper's straight line at both ends."
    " `model.with_path('line')` gives that line.\n"
  )


def measured_with(found: Mapping[str, Any]) -> str:
  """Versions and machine of the evaluation."""
  made = found['provenance']
  packages = made.get('packages') or {}
  revision = made.get('git_revision')
  return (
    f'adafm_jax {made["adafm_jax"]}'
    + (f' at revision {_short(revision)}' if revision else '')
    + f', JAX {packages.get("jax", "?")}, Python {made["python"]},'
    f' {made["device"]}'
    + (f' ({made["processor"]})' if made.get('processor') else '')
  )


def _task(results: Results) -> str:
  header = results.header
  text = f'{results.task}, {header.levels} ({levels.TASKS[results.task].unit})'
  kinds = {
    'clipped': 'noisy images in 8 bits',
    'float': 'unclipped noise',
    'both': 'both noisy images in 8 bits and unclipped noise',
  }
  if header.noise:
    text += f'; trained on {kinds[header.noise]}'
  return text


def _network(results: Results) -> str:
  arch = results.header.arch
  channels = {1: 'luma', 3: 'RGB'}[arch.channels]
  text = f'{arch.features} features, {arch.blocks} residual blocks, {channels}'
  if arch.kernel:
    text += (
      f'; {arch.adafm_layers} AdaFM layers of {arch.kernel} x {arch.kernel}'
    )
  return text


def _parameters(counts: Mapping[str, int]) -> str:
  adafm = counts['adafm_weights'] + counts['adafm_biases']
  backbone = counts['weights'] + counts['biases']
  text = f'{backbone + adafm:,}'
  if adafm:
    share = counts['adafm_weights'] / counts['weights']
    text += f', of which {adafm:,} AdaFM ({share:.2%} of the weights)'
  return text


def _dtype(entry: zoo.Released) -> str:
  with safetensors.safe_open(entry.path, 'numpy') as file:
    kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
  return _joined(sorted(headers.DTYPES[kind] for kind in kinds))


def _joined(words: Sequence[str]) -> str:
  """'a', 'a and b' or 'a, b and c'."""
  *first, last = words
  return ' and '.join(filter(None, (', '.join(first), last)))


def _data(provenance: Mapping[str, Any], config: Mapping[str, Any]) -> str:
  data = config.get('data') or {}
  name = data.get('train')
  if not name:
    return ''
  note = card_words.DATA_NOTES.get(name)
  sizes, vivid = data.get('scales', '1').split(','), data.get('vivid', 0)
  count = provenance.get('training_images')  # all copies are counted there
  counted = f'{round(count / len(sizes) / (1 + vivid))} ' if count else ''
  text = f'{name}: {counted}{note}' if note else f'{counted}images of {name}'
  if resized := [size for size in sizes if float(size) != 1]:
    text += f'; and copies resized by {_joined(resized)}'
  if vivid:
    text += f'; and {vivid:g} vivid copies of each'
  return text


def _held_out(config: Mapping[str, Any]) -> str:
  data = config.get('data') or {}
  if data.get('heldout'):
    return f'{data["heldout"]}'
  if not data.get('holdout'):
    return ''
  text = (
    f'the last {data["holdout"]} training images by name, used for validation,'
    ' the lambda curve and every choice of settings'
  )
  if data.get('vivid'):
    text += "; vivid copies were chosen on scikit-image's photographs too"
  return text


def _steps(provenance: Mapping[str, Any]) -> str:
  """The steps of all stages that its weights come from, the first ones first.

  A stage that went on in further runs is told once, with all of its steps.
  """
  parts = []
  found = itertools.groupby(_taken(provenance, tuple(_STAGES)), lambda x: x[0])
  for key, same in found:
    runs = [steps for _, steps in same]
    text = f'{sum(runs):,} steps for {_STAGES[key]}'
    parts.append(text + (f' ({len(runs)} runs)' if len(runs) > 1 else ''))
  return ', then '.join(parts)


def _taken(
  provenance: Mapping[str, Any], stages: Collection[str]
) -> list[tuple[str, int]]:
  """The stages of a model and of those it began with, and their steps.

  Args:
    provenance: of a model file.
    stages: those that count. Of a model that only gave its backbone to another,
      the others are forgotten.
  """
  config = provenance.get('config') or {}
  found = []
  if before := provenance.get('init'):
    adapts = (config.get('adapt') or {}).get('steps')
    found += _taken(before, ('train', 'joint') if adapts else stages)
  for key in _STAGES:
    stage = config.get(key) or {}
    used = key != 'path' or stage.get('kind', 'line') != 'line'
    if used and key in stages and stage.get('steps'):
      found.append((key, stage['steps']))
  return found


def _last_stage(config: Mapping[str, Any]) -> Mapping[str, Any]:
  """The settings of the stage that trained the backbone last."""
  joint = config.get('joint') or {}
  return joint if joint.get('steps') else config.get('train') or {}


def _batch(config: Mapping[str, Any]) -> str:
  stage = _last_stage(config)
  if 'batch' not in stage:
    return ''
  return (
    f'{stage["batch"]} patches of {stage["patch"]} x {stage["patch"]} pixels'
  )


def _optimizer(config: Mapping[str, Any]) -> str:
  stage = _last_stage(config)
  if 'learning_rate' not in stage:
    return ''
  name = stage.get('optimizer', 'adam').capitalize()
  return (
    f'{name}, b2 {stage["b2"]:g}, learning rate {stage["learning_rate"]:g},'
    f' {stage["schedule"]} schedule, {stage.get("loss", "l1").upper()} loss'
  )


def _trained_on(provenance: Mapping[str, Any]) -> str:
  device = provenance.get('device')
  if not device:
    return ''
  seconds = provenance.get('seconds')
  time = f', {seconds / 60:.0f} minutes' if seconds else ''
  version = provenance.get('adafm_jax')
  revision = provenance.get('git_revision')
  made = f'; adafm_jax {version}' if version else ''
  return device + time + made + (f' at {_short(revision)}' if revision else '')


def _short(revision: str) -> str:
  """A git revision of 12 digits, '+changes' kept."""
  digits, plus, changes = revision.partition('+')
  return digits[:12] + plus + changes


def _speed(found: Mapping[str, Any]) -> str:
  speed, made = found['speed'], found['provenance']
  height, width = speed['pixels']
  where = made.get('processor') or made['device']
  if not made['device'].endswith('cpu'):
    where = made['device']
  return (
    f'{speed["megapixels_per_second"]:g} megapixels per second ({height} x'
    f' {width} in {speed["seconds"]:.3f} s, {where}, where a 3x3 convolution of'
    f' 64 features makes {speed["gflops"]["convolution"]:.0f} GFLOP/s)'
  )

"""What is measured of a released model: sets by levels by methods.

Methods, beside the input as it is: 'classical' (see `cards.classical`);
'single' and 'layers', the model by each of its lambda curves; 'float32', the
weights as they were trained; 'dedicated', a network trained for that level
alone.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from adafm_jax.data import known
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import level as levels
from adafm_jax.engine import run as engine
from adafm_jax.errors import UserError
from adafm_jax.evaluate import scores as benchmark
from adafm_jax.evaluate.protocol import Case, Protocol
from adafm_jax.evaluate.scores import Network, Score
from adafm_jax.model import Model
from release import classical

LEVELS = {
  'denoise': (15, 25, 35, 50, 75),
  'dejpeg': (80, 60, 40, 30, 20, 10),
  'sr': (3, 3.4, 4),
}
_TIMED = (512, 512)  # pixels of the image that is timed
_REPEATS = 9


class Subject(NamedTuple):
  """A network to measure, at the strength its own curve gives a level.

  Attributes:
    model: whose curve and levels it has.
    network: its compiled functions.
  """

  model: Model
  network: Network

  def run(self, case: Case, level: float) -> np.ndarray:
    """Restores a case: uint8 [H, W, C]."""
    tried = np.array([self.model.strength(level)])
    return benchmark.restore(self.network, case, tried)[0]


@dataclasses.dataclass(frozen=True)
class Subjects:
  """All networks of a card.

  Attributes:
    curves: the model by each of its lambda curves.
    dedicated: a network trained for one level alone, by that level.
    float32: the model before its weights were rounded, by the default curve.
  """

  curves: Mapping[str, Subject]
  dedicated: Mapping[float, Subject]
  float32: Subject | None = None


def make_subjects(
  model: Model,
  *,
  dedicated: Mapping[float, Model] | None = None,
  float32: Model | None = None,
) -> Subjects:
  """Readies all networks; equal architectures share compiled functions.

  Args:
    model: the released model.
    dedicated: networks of one level each, by that level.
    float32: the run's own model file.

  Raises:
    UserError: a dedicated network or `float32` is not for the model's task or
      has other channels, a dedicated one does not serve its level, or `float32`
      is another network.
  """
  for level, other in (dedicated or {}).items():
    _check_peer(model, other)
    other.strength(level)
  if float32 is not None:
    _check_peer(model, float32)
    same = float32.levels == model.levels and float32.curves == model.curves
    if not same or _single(float32).arch != _single(model).arch:
      raise UserError(
        'The float32 model is another network than the released one, not the'
        ' same before its weights were rounded.'
      )
    float32 = float32.with_curve(model.default_curve)
  made: dict[Any, Network] = {}

  def subject(one: Model) -> Subject:
    if one.arch not in made:
      made[one.arch] = benchmark.make_network(one.arch, one.params)
    return Subject(one, made[one.arch].with_params(one.params))

  return Subjects(
    {name: subject(model.with_curve(name)) for name in model.curves},
    {level: subject(one) for level, one in (dedicated or {}).items()},
    subject(float32) if float32 is not None else None,
  )


def _single(model: Model) -> Model:
  return model.with_curve('single')


def _check_peer(model: Model, other: Model) -> None:
  ours = (model.levels.task, model.arch.channels)
  theirs = (other.levels.task, other.arch.channels)
  if ours != theirs:
    raise UserError(
      f'The model is for task {ours[0]} with {ours[1]} image channel(s), the'
      f' network beside it for {theirs[0]} with {theirs[1]}.'
    )


def default_levels(model: Model) -> list[float]:
  """The task's usual levels that lie in the model's range."""
  usual = LEVELS[model.levels.task]
  return [float(x) for x in usual if model.levels.contains(x)]


def protocols(task: str, set_name: str) -> dict[str, Protocol]:
  """The protocols of a set, by noise: both of denoising, or ''."""
  noises = levels.NOISE_PROTOCOLS if task == 'denoise' else ('',)
  judged = known.judged(set_name, task)
  return {
    noise: Protocol.of(task, noise or 'clipped', judged) for noise in noises
  }


def methods(
  subjects: Subjects, task: str, level: float
) -> dict[str, tuple[float | None, Callable[[Case], np.ndarray]]]:
  """The methods of a level: name to strength and function of a case."""
  found: dict[str, tuple[float | None, Callable[[Case], np.ndarray]]] = {}
  if task in classical.CHOSEN:
    how = classical.settings(task, level)
    found['classical'] = (
      None,
      lambda case: classical.restore(case.degraded, how),
    )
  named = dict(subjects.curves)
  if subjects.float32:
    named['float32'] = subjects.float32
  if level in subjects.dedicated:
    named['dedicated'] = subjects.dedicated[level]
  for name, one in named.items():

    def run(case: Case, one: Subject = one) -> np.ndarray:
      return one.run(case, level)

    found[name] = (float(one.model.strength(level)), run)
  return found


def measure(
  subjects: Subjects,
  images: Sequence[NamedImage],
  *,
  name: str,
  noise: str,
  level: float,
  protocol: Protocol,
) -> list[dict[str, Any]]:
  """Measures every method on a set at one level.

  Args:
    subjects: all networks.
    images: of the set.
    name: of the set.
    noise: key of `protocols`.
    level: of the degradation.
    protocol: degradation and metric.

  Returns:
    JSON rows, the input's first.
  """
  found = methods(subjects, protocol.degradation.task, level)
  scores = benchmark.score_methods(
    images,
    {method: strength for method, (strength, _) in found.items()},
    lambda case: [run(case) for _, run in found.values()],
    name=name,
    level=level,
    protocol=protocol,
  )
  return [_row(score, noise, scores[0]) for score in scores]


def _row(score: Score, noise: str, before: Score) -> dict[str, Any]:
  """A score as JSON; `least_gain` is that of the image that gained least."""
  gains = [
    after[1] - untouched[1]
    for after, untouched in zip(score.images, before.images, strict=True)
  ]
  return {
    'set': score.set,
    'noise': noise,
    'protocol': score.protocol,
    'level': score.level,
    'method': score.method,
    'strength': None if score.strength is None else round(score.strength, 4),
    'psnr': round(score.psnr, 4),
    'ssim': None if score.ssim is None else round(score.ssim, 5),
    'least_gain': round(min(gains), 3),
    'images': len(score.images),
  }


def speed(model: Model) -> dict[str, Any]:
  """How fast the network is, as `adafm restore` runs it.

  Returns:
    Pixels of the image, seconds (the fastest of several, after one that
    compiles: other work on the machine only ever adds time) and megapixels per
    second.
  """
  run = engine.make_run(model.arch)
  shape = (1, *_TIMED, model.arch.channels)
  image = np.random.default_rng(0).random(shape, np.float32)
  strength = np.array(0.5 if model.arch.kernel else 0, np.float32)
  taken = []
  for _ in range(_REPEATS + 1):
    begun = time.perf_counter()
    run(model.params, image, strength)
    taken.append(time.perf_counter() - begun)
  seconds = min(taken[1:])
  return {
    'pixels': list(_TIMED),
    'seconds': round(seconds, 4),
    'megapixels_per_second': round(np.prod(_TIMED) / 1e6 / seconds, 3),
  }

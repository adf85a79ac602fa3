"""Measures a released model: sets by levels by methods.

Methods, besides the unchanged input: 'classical' (see `release.classical`);
'peer', what people use today (see `release.peers`); 'line' and 'bent', the
model on each of its paths; 'float32', the weights before rounding; 'dedicated',
a network trained for that level alone.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import numpy as np

from adafm_jax.data import known
from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine.run import Network
from adafm_jax.errors import UserError
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Case, Protocol
from adafm_jax.evaluate.scores import Score
from adafm_jax.images.eight_bit import to_uint8
from adafm_jax.model import Model
from adafm_jax.restore import setting
from benchmarks import timing
from release import classical, peers

LEVELS = {
  'denoise': (15, 25, 35, 50, 75),
  'dejpeg': (95, 90, 85, 80, 70, 60, 50, 40, 30, 20, 10),
  'sr': (3, 3.25, 3.4, 3.5, 3.75, 4),
}
_TIMED = (512, 512)  # pixels of the image that is timed
_REPEATS = 9


def restore(model: Model, case: Case, level: float) -> np.ndarray:
  """Restores a case for a level.

  What is cleaner than the model's start fades, as in `adafm restore`.

  Returns:
    uint8 [H, W, C].
  """
  chosen = setting_for(model, level)
  network = Network(model.arch, model.params)
  output = scores.restore(network, case, chosen.strength[None])[0]
  if chosen.share == 1:
    return output
  mixed = setting.fade(case.degraded, output / np.float32(255), chosen.share)
  return to_uint8(mixed)


def setting_for(model: Model, level: float) -> setting.Setting:
  """How `adafm restore` restores a level.

  Raises:
    UserError: the model does not serve it.
  """
  return setting.choose(model, level, None, channels=model.arch.channels)


@dataclasses.dataclass(frozen=True)
class Subjects:
  """All networks of a card.

  Attributes:
    paths: the model on each of its paths, 'line' and perhaps 'bent'; or other
      models, by name.
    dedicated: networks trained for one level alone, by that level.
    float32: the model before its weights were rounded, on its own path.
    peers: folder of other networks' weights, see `release.peers`.
    classical: whether the classical method is measured too, which is slow.
  """

  paths: Mapping[str, Model]
  dedicated: Mapping[float, Model]
  float32: Model | None = None
  peers: pathlib.Path | None = None
  classical: bool = True

  def without(self, methods: Container[str]) -> Subjects:
    """The same, but for the classical method or the peers."""
    return dataclasses.replace(
      self,
      peers=None if 'peer' in methods else self.peers,
      classical=self.classical and 'classical' not in methods,
    )


def make_subjects(
  model: Model,
  *,
  dedicated: Mapping[float, Model] | None = None,
  float32: Model | None = None,
  peers: pathlib.Path | None = None,
  classical: bool = True,
) -> Subjects:
  """Checks that all networks can be compared.

  Args:
    model: the released model.
    dedicated: networks of one level each, by that level.
    float32: the run's model file.
    peers: folder of other networks' weights.
    classical: whether the classical method is measured too.

  Raises:
    UserError: a network has another task or other channels than the model, a
      dedicated one does not serve its level, or `float32` is another network.
  """
  for level, other in (dedicated or {}).items():
    check_same_kind(model, other)
    other.strength(level)
  if float32 is not None:
    check_same_kind(model, float32)
    if float32.levels != model.levels or float32.arch != model.arch:
      raise UserError(
        'The float32 model is not the released network before rounding: its'
        ' levels or sizes differ.'
      )
  paths = {'bent': model} if model.arch.bends else {}
  if not (model.arch.bends and jointly_trained(model.provenance)):
    paths = {'line': model.with_path('line'), **paths}
  return Subjects(paths, dedicated or {}, float32, peers, classical)


def jointly_trained(provenance: Mapping[str, Any]) -> bool:
  """Whether all weights learnt the levels between the ends together.

  The straight path of such a model is not the paper's: its backbone has moved.
  """
  config = provenance.get('config') or {}
  before = provenance.get('init')
  if (config.get('joint') or {}).get('steps'):
    return True
  # Only a run that adapts nothing itself takes all weights of another.
  whole = not (config.get('adapt') or {}).get('steps')
  return bool(whole and before and jointly_trained(before))


def check_same_kind(model: Model, other: Model) -> None:
  """Checks that two models can be compared.

  Raises:
    UserError: they have different tasks or channels.
  """
  ours = (model.levels.task, model.arch.channels)
  theirs = (other.levels.task, other.arch.channels)
  if ours != theirs:
    raise UserError(
      f'The model is for task {ours[0]} with {ours[1]} image channel(s), but'
      f' the network to compare is for {theirs[0]} with {theirs[1]}.'
    )


def default_levels(model: Model) -> list[float]:
  """The task's usual levels that the model serves, or five of its range.

  Those cleaner than its start fade, unless they are sizes.
  """
  span = model.levels
  found = [
    float(x)
    for x in LEVELS[span.task]
    if span.contains(x) or (span.task != 'sr' and span.cleaner(x))
  ]
  if len(found) > 1:
    return found
  return [span.level(x / 4) for x in range(5)]


def protocols(task: str, set_name: str) -> dict[str, Protocol]:
  """The protocols of a set, by noise; '' for other tasks than denoising."""
  noises = levels.NOISE_PROTOCOLS if task == 'denoise' else ('',)
  judged = known.judged(set_name, task)
  return {
    noise: Protocol.of(task, noise or 'clipped', judged) for noise in noises
  }


def methods(
  subjects: Subjects, degradation: Degradation, level: float
) -> dict[str, tuple[float | None, Callable[[Case], np.ndarray]]]:
  """The methods at a level, by name: the strength, and a function of a case."""
  task = degradation.task
  found: dict[str, tuple[float | None, Callable[[Case], np.ndarray]]] = {}
  if subjects.peers:
    peer = _peer(subjects.peers, task, degradation.noise)
    found['peer'] = None, lambda case: peer(case.degraded, level)
  if subjects.classical and task in classical.CHOSEN:
    how = classical.settings(task, level)
    found['classical'] = (
      None,
      lambda case: classical.restore(case.degraded, how),
    )
  named = dict(subjects.paths)
  if subjects.float32:
    named['float32'] = subjects.float32
  if level in subjects.dedicated:
    named['dedicated'] = subjects.dedicated[level]
  for name, one in named.items():

    def run(case: Case, one: Model = one) -> np.ndarray:
      return restore(one, case, level)

    found[name] = (float(setting_for(one, level).strength), run)
  return found


_peer = functools.cache(peers.load)


def score(
  subjects: Subjects,
  images: Sequence[NamedImage],
  *,
  name: str,
  level: float,
  protocol: Protocol,
  ssim: bool = True,
) -> list[Score]:
  """Scores every method on a set at one level; the first is the input's.

  Args:
    subjects: all networks.
    images: the set.
    name: of the set.
    level: in the task's unit.
    protocol: degradation and metric.
    ssim: whether SSIM is measured too.
  """
  found = methods(subjects, protocol.degradation, level)
  return scores.score_methods(
    images,
    {method: strength for method, (strength, _) in found.items()},
    lambda case: [run(case) for _, run in found.values()],
    name=name,
    level=level,
    protocol=protocol,
    ssim=ssim,
  )


def rows(measured: Sequence[Score], noise: str) -> list[dict[str, Any]]:
  """What `score` gave as JSON rows; `noise` is a key of `protocols`."""
  return [_row(one, noise, measured[0]) for one in measured]


def _row(score: Score, noise: str, before: Score) -> dict[str, Any]:
  """A score as JSON; `least_gain` is the smallest gain of an image."""
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
    Pixels of the image, seconds, megapixels per second, and the GFLOP/s of a
    `calibration` in the same minute. The time is that of the fastest run after
    compiling: other work on the machine only adds time.
  """
  network = Network(model.arch, model.params)
  shape = (1, *_TIMED, model.arch.channels)
  image = np.random.default_rng(0).random(shape, np.float32)
  strength = np.array(0.5 if model.arch.kernel else 0, np.float32)
  taken = []
  for _ in range(_REPEATS + 1):
    begun = time.perf_counter()
    network.restore(image, strength)
    taken.append(time.perf_counter() - begun)
  seconds = min(taken[1:])
  return {
    'pixels': list(_TIMED),
    'seconds': round(seconds, 4),
    'megapixels_per_second': round(np.prod(_TIMED) / 1e6 / seconds, 3),
    'gflops': timing.calibration(),
  }

"""PSNR and SSIM of a network: images by levels by strengths.

Every figure depends on its protocol, so a protocol is an explicit argument
and part of every table.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from adafm_jax.data.image import NamedImage
from adafm_jax.degrade import colour
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case, Protocol, make_case
from adafm_jax.images.eight_bit import to_uint8

# What was measured on some images -> the same of all, see `score_methods`.
Together = Callable[[Sequence[Any]], Sequence[Any]]


def psnr_grid(
  network: Network,
  cases: Sequence[Case],
  strengths: np.ndarray,
  protocol: Protocol,
  level: float,
) -> np.ndarray:
  """PSNR of every case at every strength, all strengths in one batched pass.

  Args:
    network: the network to measure.
    cases: degraded images and their originals.
    strengths: [L] in [0, 1].
    protocol: channels and border of PSNR.
    level: of the cases.

  Returns:
    float64 [L, cases], dB, equal to `metrics.psnr` of the rounded outputs.
  """
  if not cases:
    return np.zeros((len(strengths), 0))
  border = protocol.border(level)
  columns = []
  for case in cases:
    parts = network.sweep(
      case.degraded[None],
      strengths,
      reduce=_errors(border),
      operands=(case.clean,),
    )
    width = case.clean.shape[1] - 2 * border
    columns.append(
      metrics.psnr_from_products(
        np.concatenate(list(parts)), width, channels=protocol.channels
      )
    )
  return np.stack(columns, axis=1)


def mean_psnr(
  network: Network,
  cases: Sequence[Case],
  strength: float,
  protocol: Protocol,
  level: float,
  *,
  together: Together = list,
) -> float:
  """Mean PSNR of cases at one strength, dB; see `psnr_grid`.

  `together` is that of `score_methods`.
  """
  strengths = np.array([strength])
  (own,) = psnr_grid(network, cases, strengths, protocol, level)
  own = np.minimum(own, metrics.BEST)
  return float(np.mean(together(own.tolist())))


@functools.cache
def _errors(border: int) -> Callable[..., jax.Array]:
  """`metrics.error_products` of a sweep of one image, for `Network.sweep`."""

  def errors(outputs, clean):
    return metrics.error_products(clean, outputs[:, 0], border=border)

  return errors


def restore(network: Network, case: Case, strengths: np.ndarray) -> np.ndarray:
  """Restores one case at every strength: uint8 [L, H, W, C]."""
  parts = network.sweep(case.degraded[None], strengths)
  return np.concatenate([to_uint8(part[:, 0]) for part in parts])


@dataclasses.dataclass(frozen=True)
class Score:
  """One line of a results table: a set restored at one level and strength.

  Attributes:
    set: name of the image set.
    level: of the degradation.
    protocol: `Protocol.label`.
    method: 'input' (nothing done), 'start' (strength 0), 'end' (strength 1),
      'curve' (the strength that the lambda curve gives for the level), or the
      name given to `score_methods`.
    strength: None for 'input' and methods without one.
    psnr: mean over the images, dB.
    ssim: mean over the images, or None.
    images: (name, PSNR, SSIM or None) of each image.
  """

  set: str
  level: float
  protocol: str
  method: str
  strength: float | None
  psnr: float
  ssim: float | None
  images: tuple[tuple[str, float, float | None], ...]


def score_methods(
  images: Sequence[NamedImage],
  methods: Mapping[str, float | None],
  run: Callable[[Case], Sequence[np.ndarray]],
  *,
  name: str,
  level: float,
  protocol: Protocol,
  ssim: bool = True,
  together: Together = list,
) -> list[Score]:
  """Measures several methods on a set at one level.

  Args:
    images: the set.
    methods: the strength of each method by name; None if it has none.
    run: restores a case by every method, in order: uint8 [H, W, C] each.
    name: of the set, for the table.
    level: in the task's unit.
    protocol: degradation and metric.
    ssim: whether to compute SSIM too.
    together: where several processes share a set, turns what was measured on
      this one's images (JSON values) into that of all.

  Returns:
    The scores of 'input' (nothing done) and of each method.
  """
  methods = {'input': None, **methods}
  found = []  # of each image: of each method
  for image in images:  # one at a time: a large set is many GiB as floats
    case = make_case(image, level, protocol)
    pictures = [to_uint8(case.degraded), *run(case)]
    rows = [_measure(case, x, level, protocol, ssim) for x in pictures]
    if protocol.degradation.task == 'denoise':
      rows[0] = _noisy_input(case, level, protocol, rows[0])
    found.append(rows)
  by_method = zip(methods, zip(*together(found), strict=True), strict=True)
  return [
    Score(
      name,
      level,
      protocol.label,
      method,
      methods[method],
      float(np.mean([row[1] for row in rows])),
      float(np.mean([row[2] for row in rows])) if ssim else None,
      tuple(map(tuple, rows)),
    )
    for method, rows in by_method
  ]


def score_set(
  network: Network,
  images: Sequence[NamedImage],
  *,
  name: str,
  level: float,
  strength: float,
  protocol: Protocol,
  ssim: bool = True,
  together: Together = list,
) -> list[Score]:
  """Measures a set at one level: input, both ends and the curve's strength.

  Args:
    network: the network to measure.
    images: the set.
    name: of the set, for the table.
    level: in the task's unit.
    strength: the lambda curve's value at the level.
    protocol: degradation and metric.
    ssim: whether to compute SSIM too.
    together: see `score_methods`.

  Returns:
    Four scores: 'input', 'start', 'end', 'curve'.
  """
  # Always three strengths, even if two are equal: one compilation per size.
  tried = np.array([0.0, 1.0, strength])
  return score_methods(
    images,
    {'start': 0.0, 'end': 1.0, 'curve': strength},
    lambda case: list(restore(network, case, tried)),
    name=name,
    level=level,
    protocol=protocol,
    ssim=ssim,
    together=together,
  )


def _measure(
  case: Case, picture: np.ndarray, level: float, protocol: Protocol, ssim: bool
) -> tuple[str, float, float | None]:
  border, channels = protocol.border(level), protocol.channels
  pair = (case.clean, picture)
  psnr = metrics.psnr(*pair, border=border, channels=channels)
  structure = None
  if ssim:
    structure = metrics.ssim(*pair, border=border, channels=channels)
  return case.name, _finite(psnr), structure


def _noisy_input(
  case: Case, level: float, protocol: Protocol, row: tuple
) -> tuple:
  """The input's PSNR without rounding: unclipped noise does not fit 8 bits."""
  error = case.degraded.astype(np.float64) * 255 - case.clean
  error = metrics.inside(error, protocol.border(level))
  if protocol.channels == 'y' and error.shape[-1] == 3:
    error = error @ colour.Y_WEIGHTS
  with np.errstate(divide='ignore'):
    psnr = 10 * np.log10(255**2 / np.mean(error**2))
  return (row[0], _finite(float(psnr)), row[2])


def _finite(psnr: float) -> float:
  return min(psnr, metrics.BEST)

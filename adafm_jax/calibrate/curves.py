"""The lambda curve of a run, and the bent path that is trained along it.

Held-out training images are split into two halves. The first gives the best
strength of each level on the straight path (paper section 3.5). The bends of
the path are then trained to serve each level at that strength. The second half
compares the two paths.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from adafm_jax import files
from adafm_jax.calibrate import measure
from adafm_jax.config.fields import Config
from adafm_jax.data.image import NamedImage, identify
from adafm_jax.degrade import level as levels
from adafm_jax.degrade.degradation import Degradation
from adafm_jax.engine.run import Network
from adafm_jax.evaluate import scores
from adafm_jax.evaluate.protocol import Protocol, make_cases
from adafm_jax.train import logs, partners
from adafm_jax.train import mesh as meshes
from adafm_jax.train.images import identity
from adafm_jax.train.step import Points

# Number of levels to draw from if patches are degraded as they are drawn.
_LEVELS = 241


def find_curve(
  config: Config,
  workdir: pathlib.Path,
  network: Network,
  images: Sequence[NamedImage],
  *,
  file: str = 'calibration.json',
) -> measure.Calibration:
  """Measures the best strength of each level, once for a workdir.

  All processes call it; they share the images, and return the same.

  Args:
    config: of the experiment.
    workdir: keeps the measurements, for the same network and images. A resumed
      run uses those that its path was trained along.
    network: AdaFM-Net; before its path is bent, that on the straight path.
    images: held-out training images; every other one is measured.
    file: keeps the measurements of this network.
  """
  path = workdir / file
  wanted = levels.level_list(config.calibrate.levels, config.levels, 7)
  asked = {
    'levels': wanted,
    'grid': config.calibrate.grid,
    'images': identity(identify(images[::2])),
    'weights': _digest(network),
  }
  # As process 0 sees it: the others may see the file a moment later.
  seen = files.read_json(path) if path.exists() else None
  kept = meshes.gather(seen)[0]
  if kept and kept['asked'] == asked:
    logs.say(f'calibration: read from {path}')
    found = [measure.Measurement.of(x) for x in kept['measurements']]
    return _fit(config, found)
  found = _measure(config, network, images[::2], wanted)
  kept = {'asked': asked, 'measurements': [m.to_json() for m in found]}
  if meshes.is_main():
    files.write_json(path, kept)
  return _fit(config, found)


def _digest(network: Network) -> str:
  """16 hex digits that change with the weights."""
  found = hashlib.sha256()
  for leaf in jax.tree.leaves(jax.device_get(network.params)):
    found.update(np.asarray(leaf).tobytes())
  return found.hexdigest()[:16]


def _measure(
  config: Config,
  network: Network,
  images: Sequence[NamedImage],
  wanted: Sequence[float],
) -> list[measure.Measurement]:
  """Measures levels one after the other, and says what it finds."""
  label = levels.TASKS[config.task].label
  found: list[measure.Measurement] = []
  for level in wanted:
    found.append(
      measure.measure(
        network,
        images,
        level,
        levels.parse_values(config.calibrate.grid),
        Protocol.of(config.task, config.measured_noise),
      )
    )
    logs.say(
      f'calibration: {label(level)} is restored best at strength'
      f' {found[-1].best:.3f} ({found[-1].psnr.max():.2f} dB)'
    )
  return found


def _fit(
  config: Config, found: Sequence[measure.Measurement]
) -> measure.Calibration:
  asked = config.calibrate
  return measure.fit(
    found, ends=(config.start, config.end), order=asked.order, kind=asked.kind
  )


def bend_points(config: Config, found: measure.Calibration) -> Points:
  """What the path learns: levels between the ends, each at its strength.

  Args:
    config: of the experiment.
    found: the calibration.
  """
  wanted = np.array(partners.between(config), np.float32)
  if not Degradation(config.task).whole_image:
    every = np.linspace(config.start, config.end, _LEVELS + 2)
    wanted = every[1:-1].astype(np.float32)
  return _points(wanted, found, config.path.weighting)


def joint_points(config: Config, found: measure.Calibration) -> Points:
  """What the joint stage learns: levels from start to end, at their strengths.

  Noise levels are spaced evenly in their logarithm, so that PSNR falls by about
  the same from each to the next.

  Args:
    config: of the experiment.
    found: as for `bend_points`.
  """
  wanted = np.array([config.start, *partners.between(config), config.end])
  if not Degradation(config.task).whole_image:
    wanted = np.geomspace(config.start, config.end, _LEVELS + 2)
  return _points(wanted.astype(np.float32), found, config.joint.weighting)


def _points(
  wanted: np.ndarray,
  found: measure.Calibration,
  weighting: float,
) -> Points:
  known = sorted((m.level, m.psnr.max()) for m in found.measurements)
  # PSNR in dB is nearly linear between neighbouring levels.
  decibels = np.interp(wanted, *np.transpose(known))
  weight = 10 ** (weighting * decibels / 20)
  points = Points(
    wanted,
    np.asarray(found.released.strength(wanted), np.float32),
    (weight / weight.mean()).astype(np.float32),
  )
  if jax.process_count() > 1:  # the same to the last bit
    points = Points(*multihost_utils.broadcast_one_to_all(tuple(points)))
  return points


class Comparison(NamedTuple):
  """Two networks at one level, each along its lambda curve.

  Attributes:
    level: in the task's unit.
    strength: the released curve's value there.
    first: mean PSNR of the network that was calibrated first, dB: on the
      straight path, unless the whole network was given.
    released: mean PSNR of the released network, dB.
  """

  level: float
  strength: float
  first: float
  released: float


class Calibrated(NamedTuple):
  """A network and its calibration."""

  network: Network
  found: measure.Calibration


def compare(
  config: Config,
  first: Calibrated,
  last: Calibrated,
  images: Sequence[NamedImage],
) -> list[Comparison]:
  """Measures the network that was calibrated first, and the released one.

  Args:
    config: of the experiment.
    first: before bends, or all weights, learnt the levels between.
    last: the released network.
    images: held-out images; those that calibration did not use are measured.
  """
  protocol = Protocol.of(config.task, config.measured_noise)
  label = levels.TASKS[config.task].label
  compared = []
  for level in (m.level for m in last.found.measurements):
    own = meshes.mine(images[1::2] or images)
    cases = make_cases(own, level, protocol)
    strengths = [float(x.found.released.strength(level)) for x in (first, last)]
    psnr = [
      scores.mean_psnr(
        x.network, cases, strength, protocol, level, together=meshes.together
      )
      for x, strength in zip((first, last), strengths, strict=True)
    ]
    compared.append(Comparison(level, strengths[1], *psnr))
    logs.say(
      f'held out, {label(level)}: {psnr[0]:.2f} dB at first, {psnr[1]:.2f} dB'
      f' as released ({psnr[1] - psnr[0]:+.3f})'
    )
  return compared

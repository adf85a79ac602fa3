"""Chooses the settings of `release.classical` on held-out images.

  python -m release.tune_classical /path/to/BSD431 --task denoise

Takes four of the last 31 images by name, evenly spaced, and prints the settings
with the highest mean PSNR for each level, in the form of that module.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from adafm_jax.data import sources
from adafm_jax.degrade import level as levels
from adafm_jax.errors import entry_point
from adafm_jax.evaluate import metrics
from adafm_jax.evaluate.protocol import Case, Protocol, make_cases
from release import classical, image_sets

TAKEN = 4
LEVELS = {
  'denoise': '2,5,10,15,25,35,50,75',
  'dejpeg': '95,90,85,80,70,60,50,40,30,20,10',
}
_PATCHES, _REACH = (3, 5), 6
_H_OF_SIGMA = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
_SIGMA_OF_SIGMA = (0.8, 1.0)  # clipped noise is weaker than its sigma
_H_OF_JPEG = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
_SIGMA_OF_H = (0.0, 0.5)


def candidates(task: str, level: float) -> Iterator[classical.NonLocalMeans]:
  """All settings to try for a level."""
  for patch in _PATCHES:
    if task == 'denoise':
      for h, sigma in itertools.product(_H_OF_SIGMA, _SIGMA_OF_SIGMA):
        yield classical.NonLocalMeans(patch, _REACH, h * level, sigma * level)
    else:
      for h, factor in itertools.product(_H_OF_JPEG, _SIGMA_OF_H):
        yield classical.NonLocalMeans(patch, _REACH, h, factor * h)


def score(
  cases: Sequence[Case], how: classical.NonLocalMeans, channels: str
) -> float:
  """Mean PSNR, dB."""
  return float(
    np.mean(
      [
        metrics.psnr(
          case.clean,
          classical.restore(case.degraded, how),
          channels=channels,
        )
        for case in cases
      ]
    )
  )


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """Prints the best settings of each level."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('folder', help='training images')
  parser.add_argument('--task', required=True, choices=list(LEVELS))
  parser.add_argument('--levels', help='as in 15,25,35')
  options = parser.parse_args(argv)
  protocol = Protocol.of(options.task)
  loaded = sources.load(
    options.folder,
    field='folder',
    channels=1 if options.task == 'dejpeg' else 3,
  )[-image_sets.USUAL_HOLDOUT :]
  images = loaded[:: image_sets.USUAL_HOLDOUT // TAKEN][:TAKEN]
  for level in levels.parse_values(options.levels or LEVELS[options.task]):
    cases = make_cases(images, level, protocol)
    tried = [
      (score(cases, how, protocol.channels), how)
      for how in candidates(options.task, level)
    ]
    best, how = max(tried)
    print(f'{level:g}: {how}, {best:.2f} dB', flush=True)


if __name__ == '__main__':
  sys.exit(main())

"""Section 4.1: AdaFM-Net trained from scratch has no more capacity.

Command:
  python -m adafm_jax.main --config configs/paper/scratch.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

All weights of AdaFM-Net with 5x5 filters are trained for one level, as the
basic model is. The paper has x4 on DIV2K100: 30.39 dB, and 30.37 dB for the
basic model. The other two tasks are ours.
"""

from adafm_jax.paper.variation import Variation


def get_variations():
  found = []
  for task, level in (('denoise', 75), ('dejpeg', 10), ('sr', 4)):
    found += [
      Variation(task=task, system='scratch', start=level, kernel=5),
      Variation(task=task, system='basic', start=level),
    ]
  return found

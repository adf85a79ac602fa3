"""Two trained networks in place of AdaFM: all weights, or outputs, between.

Command:
  python -m adafm_jax.main --config configs/paper/ends.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

Deep network interpolation takes the basic model and all of its weights trained
further for the end, as many steps as AdaFM has. Blending takes the outputs of
two basic models. Each level is measured at its best coefficient, beside AdaFM
and the basic model trained for the level alone. The paper has no such table.
"""

from adafm_jax.paper.variation import Variation

RANGES = (
  ('denoise', 15, 75, (25, 35, 50)),
  ('dejpeg', 80, 10, (60, 40, 20)),
  ('sr', 3, 4, (3.4,)),
)


def get_variations():
  found = []
  for task, start, end, middle in RANGES:
    found += [
      Variation(task=task, system=system, start=start, end=end, levels=middle)
      for system in ('adafm', 'interpolate', 'blend')
    ]
    found += [
      Variation(task=task, system='basic', start=level)
      for level in (start, *middle, end)
    ]
  return found

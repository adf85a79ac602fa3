"""Section 3.5: sets of AdaFM layers at middle levels, and polynomial paths.

Command:
  python -m adafm_jax.main --config configs/paper/paths.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

`hats` has a set of AdaFM layers at each of its anchors between the ends and is
linear between them, as the paper proposes for wide ranges. `poly` is ours. Both
learn while the backbone and both ends are frozen; see docs/paths.md.
"""

from adafm_jax.paper.variation import Variation

RANGES = (
  ('denoise', 15, 75, (25, 35, 50)),
  ('dejpeg', 80, 10, (60, 40, 20)),
)
PATHS = (('adafm', 0), ('hats', 1), ('hats', 3), ('poly', 3))


def get_variations():
  return [
    Variation(
      task=task, system=system, start=start, end=end, bends=n, levels=middle
    )
    for task, start, end, middle in RANGES
    for system, n in PATHS
  ]

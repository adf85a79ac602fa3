"""Table 3 and Figure 6: AdaFM, AdaBN and conditional instance norm.

Command:
  python -m adafm_jax.main --config configs/paper/table3.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

AdaBN measures the means and variances of batch norm again at the end level.
CondIN learns another gain and offset there. Middle levels are measured as well,
each at its best strength, and one image is drawn at many strengths, of the
levels that the paper draws.
"""

from adafm_jax.paper.variation import Variation

RANGES = (
  ('denoise', 15, 75, (25, 35, 50), 45),
  ('dejpeg', 80, 10, (60, 40, 20), 30),
  ('sr', 3, 4, (3.4,), 3.4),
)


def get_variations():
  return [
    Variation(
      task=task,
      system=system,
      start=start,
      end=end,
      levels=middle,
      picture=picture,
    )
    for task, start, end, middle, picture in RANGES
    for system in ('adafm', 'adabn', 'condin')
  ]

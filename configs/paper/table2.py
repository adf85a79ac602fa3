"""Table 2 and Figure 5: adaptation by the size of the AdaFM filters.

Command:
  python -m adafm_jax.main --config configs/paper/table2.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

AdaFM-Net is adapted from one end of a range to the other with filters of 1x1
to 7x7. The baseline is the basic model, trained for the end alone. The paper
uses DIV2K to train, Set5 and DIV2K100, LIVE1 and CBSD68 to measure.
"""

from adafm_jax.paper.variation import Variation

RANGES = (('denoise', 15, 75), ('dejpeg', 80, 10), ('sr', 3, 4))


def get_variations():
  found = []
  for task, start, end in RANGES:
    found += [
      Variation(task=task, start=start, end=end, kernel=kernel)
      for kernel in (1, 3, 5, 7)
    ]
    found.append(Variation(task=task, system='basic', start=end))
  return found

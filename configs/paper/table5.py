"""Table 5: the range and direction of adaptation, DeJPEG and denoising.

Command:
  python -m adafm_jax.main --config configs/paper/table5.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

The distance is that to the basic model, trained for the end alone.
"""

from adafm_jax.paper.variation import Variation

PAIRS = {
  'denoise': ((15, 25), (15, 35), (15, 50), (15, 75), (75, 15)),
  'dejpeg': ((80, 60), (80, 40), (80, 20), (80, 10), (10, 80)),
}


def get_variations():
  adapted = [
    Variation(task=task, start=start, end=end)
    for task, pairs in PAIRS.items()
    for start, end in pairs
  ]
  alone = [
    Variation(task=task, system='basic', start=level)
    for task, pairs in PAIRS.items()
    for level in dict.fromkeys(end for _, end in pairs)
  ]
  return adapted + alone

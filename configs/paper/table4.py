"""Table 4: the range and direction of adaptation in super-resolution.

Command:
  python -m adafm_jax.main --config configs/paper/table4.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=set5=/path/to/Set5

The distance is that to the basic model, trained for the end alone.
"""

from adafm_jax.paper.variation import Variation

PAIRS = (
  *((2, 3), (3, 4), (4, 5), (5, 6)),
  *((2, 4), (3, 5), (4, 6)),
  *((4, 3), (4, 2)),
)


def get_variations():
  adapted = [Variation(task='sr', start=a, end=b) for a, b in PAIRS]
  alone = [
    Variation(task='sr', system='basic', start=x) for x in (2, 3, 4, 5, 6)
  ]
  return adapted + alone

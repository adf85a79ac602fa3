"""Figure 7: the best strength of middle levels, and the distance there.

Command:
  python -m adafm_jax.main --config configs/paper/figure7.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

The best strength of a level is found on held-out training images. The distance
is that to a basic model, trained for the level alone. The paper has DeJPEG, of
a large range and a small one; denoising is ours.
"""

from adafm_jax.paper.variation import Variation

RANGES = (
  ('dejpeg', 80, 10, (70, 60, 50, 40, 30, 20)),
  ('dejpeg', 80, 40, (70, 60, 50)),
  ('denoise', 15, 75, (25, 35, 50)),
)


def get_variations():
  return [
    v
    for task, start, end, middle in RANGES
    for v in (
      Variation(task=task, start=start, end=end, levels=middle),
      *(
        Variation(task=task, system='basic', start=level)
        for level in (start, *middle, end)
      ),
    )
  ]

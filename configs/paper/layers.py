"""Section 3.3: batch norm and SFT layers in the place of AdaFM.

Command:
  python -m adafm_jax.main --config configs/paper/layers.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

The gains and offsets of batch norm are fine-tuned for the end, which is what
1x1 AdaFM filters of a network with batch norm do; the paper has "almost the
same results". SFT layers are the limit of filters as large as the feature map:
each pixel has its own gain and offset, computed from the degraded image.
"""

from adafm_jax.paper.variation import Variation

RANGES = (
  ('denoise', 15, 75, (25, 35, 50)),
  ('dejpeg', 80, 10, (60, 40, 20)),
  ('sr', 3, 4, (3.4,)),
)


def get_variations():
  return [
    Variation(
      task=task,
      system=system,
      start=start,
      end=end,
      levels=middle,
      kernel=kernel,
    )
    for task, start, end, middle in RANGES
    for system, kernel in (('adafm', 1), ('batch_tuned', 1), ('sft', 0))
  ]

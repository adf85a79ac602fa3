"""Section 4.1: the position of AdaFM layers.

Command:
  python -m adafm_jax.main --config configs/paper/position.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

After every conv, in the residual blocks before the activation, and after the
activation. The paper has x3 -> x4 with 5x5 filters on Set5: 32.01, 32.00 and
31.84 dB. Its layers after the activation also follow the two activations
outside of the blocks; ours do not. The other two tasks are ours.
"""

from adafm_jax.paper.variation import Variation

RANGES = (('denoise', 15, 75), ('dejpeg', 80, 10), ('sr', 3, 4))


def get_variations():
  return [
    Variation(task=task, start=start, end=end, placement=placement)
    for task, start, end in RANGES
    for placement in ('everywhere', 'block', 'activation')
  ]

"""Table 1: the basic model and the networks of its time.

Command:
  python -m adafm_jax.main --config configs/paper/table1.py --workdir DIR \
    --config.preset=small --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68,live1=/path/to/LIVE1

SRResNet at scale 4, ARCNN at quality 10, DnCNN at sigma 15. All are trained as
the basic model is; their widths follow `model.features`.
"""

from adafm_jax.paper.variation import Variation

PEERS = (
  ('denoise', 15, 'dncnn'),
  ('dejpeg', 10, 'arcnn'),
  ('sr', 4, 'srresnet'),
)


def get_variations():
  return [
    Variation(task=task, system=system, start=level)
    for task, level, peer in PEERS
    for system in (peer, 'basic')
  ]

"""The released super-resolution model, x3 -> x4, small.

Command:
  python -m adafm_jax.main --config configs/sr_small.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=set5=/path/to/Set5,set14=/path/to/Set14
Hardware: one CPU core, up to 24 steps/s (AMD EPYC): 45 minutes for the stages.

Results: docs/models/sr.md.
"""

from adafm_jax import config


def get_config():
  c = config.small()
  c.task = 'sr'
  c.start, c.end = 3.0, 4.0
  c.model.kernel = 5
  c.train.steps = 44_000
  c.adapt.steps = 10_000
  c.calibrate.levels = '3:4:0.2'
  c.evaluate.levels = '3,3.4,4'
  c.sweep.level = 3.4
  return c

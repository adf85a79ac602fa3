"""The released DeJPEG model, luma, quality 80 -> 10, small.

Command:
  python -m adafm_jax.main --config configs/dejpeg_small.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=live1=/path/to/LIVE1
Hardware: one CPU core, 25 steps/s (AMD EPYC): 25 minutes for the stages.

The BSD images were JPEG files of quality 95 themselves. They are not reduced:
that would leave a quarter of the pixels, of another sharpness than photographs
have.

Results: docs/models/dejpeg.md.
"""

from adafm_jax import config


def get_config():
  c = config.small()
  c.task = 'dejpeg'
  c.start, c.end = 80.0, 10.0
  c.model.channels = 1
  c.train.steps = 32_000
  c.adapt.steps = 8000
  c.calibrate.levels = '10:80:10'
  c.evaluate.levels = '80,60,40,30,20,10'
  c.sweep.level = 30.0
  return c

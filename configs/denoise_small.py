"""The released denoiser of colour images, sigma 15 -> 75, small.

Command:
  python -m adafm_jax.main --config configs/denoise_small.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68
Hardware: one CPU core, up to 25 steps/s (AMD EPYC): an hour for the stages. A
second core helps little: train two models at once instead (taskset).

Results: docs/models/denoise.md.
"""

from adafm_jax import config


def get_config():
  c = config.small()
  c.train.steps = 64_000
  c.adapt.steps = 12_000
  c.calibrate.levels = '15:75:10'
  c.evaluate.levels = '15,25,35,50,75'
  c.evaluate.protocols = 'clipped,float'
  return c

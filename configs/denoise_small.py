"""A small colour denoiser, sigma 15 -> 75, that a laptop's CPU can train.

Command:
  python -m adafm_jax.main --config configs/denoise_small.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68
Hardware: 2 CPU cores; the stages take about 20 minutes of them (49 steps/s on
an AMD EPYC), calibration and evaluation some more.

Chosen on the held-out images of data.train: AdaFM filters of 3x3, b2 0.99,
initial weights of scale 0.3, 3/4 of the time for the start level.

Expected (CBSD68, noisy input clipped to 8 bits): 33.58 dB at sigma 15, 26.53 dB
at sigma 50 (strength 0.64), 24.77 dB at sigma 75.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.model.features = 32
  c.model.blocks = 4
  c.model.kernel = 3
  c.model.init_scale = 0.3
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  for stage in (c.train, c.adapt):
    stage.batch = 8
    stage.patch = 48
    stage.learning_rate = 2e-3
    stage.b2 = 0.99
    stage.schedule = 'cosine'
    stage.warmup = 500
    stage.ema = 0.999
  c.train.steps = 48_000
  c.adapt.steps = 8000
  c.run.log_every = 500
  c.run.evaluate_every = 4000
  c.run.checkpoint_every = 4000
  c.run.validate_images = 31
  c.calibrate.levels = '15:75:10'
  c.calibrate.images = 31
  c.evaluate.levels = '15,25,35,50,75'
  c.evaluate.protocols = 'clipped,float'
  return c

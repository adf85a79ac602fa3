"""The released denoiser of colour images, sigma 15 -> 75, small.

Command:
  python -m adafm_jax.main --config configs/denoise_small.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68
Hardware: one core of an AMD EPYC, up to 25 steps/s. A second core helps little:
  train two models at once instead (taskset).
Time: one hour for two stages, half an hour for the joint stage. The released
  weights had the joint stage in L1, then 20,000 steps in L2, at a learning rate
  of 2.5e-4, from reduced copies too (`data.scales`), and in the last half from
  vivid ones and enlarged middles (`data.vivid`; scale 2): 20 minutes.
Result (CBSD68, RGB, noise clipped to 8 bits):
  sigma         15     25     35     50     75
  PSNR (dB)  33.60  30.91  29.22  27.51  25.63
All tables and pictures: docs/models/denoise-small.md.

Trained on 400 of the 431 images of BSD (BSDS500 without CBSD68 and without the
image that Set5 has a crop of); the settings were chosen on the other 31. How
width, depth and the optimizer were chosen: docs/models/README.md.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'denoise'
  c.start, c.end = 15.0, 75.0
  c.noise = 'both'
  c.model.features = 32
  c.model.blocks = 8
  c.model.init_scale = 0.3
  c.model.kernel = 1
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  c.data.scales = '1,0.7,0.5'
  c.data.vivid = 0.25
  c.train.steps = 64_000
  c.adapt.steps = 12_000
  c.train.batch = c.adapt.batch = 8
  c.train.patch = c.adapt.patch = 48
  c.train.learning_rate = c.adapt.learning_rate = 2e-3
  c.train.b2 = c.adapt.b2 = 0.99
  c.train.schedule = c.adapt.schedule = 'cosine'
  c.train.warmup = c.adapt.warmup = 500
  c.train.ema = c.adapt.ema = 0.999
  c.path.kind = 'poly'
  c.path.bends = 2
  c.path.steps = 0
  c.joint.steps = 12000
  c.joint.batch = 8
  c.joint.patch = 48
  c.joint.optimizer = 'muon'
  c.joint.loss = 'l2'
  c.joint.learning_rate = 5e-4
  c.joint.b2 = 0.99
  c.joint.schedule = 'trapezoid'
  c.joint.warmup = 200
  c.joint.ema = 0.999
  c.run.log_every = 500
  c.run.evaluate_every = 4000
  c.run.checkpoint_every = 2000
  c.run.validate_images = 31
  c.evaluate.levels = '15,25,35,50,75'
  c.evaluate.protocols = 'clipped,float'
  c.calibrate.levels = '15:75:10'
  c.calibrate.images = 31
  return c

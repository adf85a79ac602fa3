"""A denoiser for the weak noise of good photographs, sigma 2 -> 20, small.

Command:
  python -m adafm_jax.main --config configs/denoise_fine.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.model.init=adafm_jax/zoo/denoise-small.safetensors \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68
Hardware: one core of an AMD EPYC, 15 steps/s.
Time: half an hour. The released weights had 20,000 further joint steps in L2,
  at a learning rate of 2.5e-4, the last half with vivid copies too
  (`data.vivid`): 15 minutes.
Result (CBSD68, RGB, noise clipped to 8 bits):
  sigma          2      5     10     15     20
  PSNR (dB)  45.76  40.03  35.74  33.32  31.66
All tables and pictures: docs/models/denoise-fine.md.

It begins with the weights of the small denoiser. The images of BSD were JPEG
files of quality 95, whose errors are as large as the weakest noise here. They
are reduced to half first, which removes most of them. They hold little black,
and a denoiser of them alone leaves it grey; hence the vivid copies.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'denoise'
  c.start, c.end = 2.0, 20.0
  c.noise = 'both'
  c.model.features = 32
  c.model.blocks = 8
  c.model.init_scale = 0.3
  c.model.kernel = 1
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  c.data.shrink = 2
  c.data.vivid = 0.25
  c.train.steps = 4000
  c.adapt.steps = 2000
  c.path.steps = 0
  c.joint.steps = 12_000
  c.joint.loss = 'l2'
  c.train.batch = c.adapt.batch = c.path.batch = c.joint.batch = 8
  c.train.patch = c.adapt.patch = c.path.patch = c.joint.patch = 48
  c.train.optimizer = c.joint.optimizer = 'muon'
  c.train.learning_rate = c.joint.learning_rate = 5e-4
  c.adapt.learning_rate = 2e-3
  c.train.b2 = c.adapt.b2 = c.joint.b2 = 0.99
  c.train.schedule = c.adapt.schedule = c.joint.schedule = 'trapezoid'
  c.train.warmup = c.adapt.warmup = c.joint.warmup = 200
  c.path.warmup = 0
  c.train.ema = c.adapt.ema = c.joint.ema = 0.999
  c.path.kind = 'poly'
  c.path.bends = 2
  c.run.log_every = 500
  c.run.evaluate_every = 4000
  c.run.checkpoint_every = 1000
  c.run.validate_images = 31
  c.evaluate.levels = '2,5,10,15,20'
  c.evaluate.protocols = 'clipped,float'
  c.calibrate.levels = '2:20:3'
  c.calibrate.images = 31
  return c

"""The released super-resolution model, x3 -> x4, small.

Command:
  python -m adafm_jax.main --config configs/sr_small.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=set5=/path/to/Set5,set14=/path/to/Set14
Hardware: one core of an AMD EPYC, up to 24 steps/s; the joint stage: one of an
  Intel Xeon, 8 steps/s.
Time: 45 minutes for two stages, on images as they are; 35 minutes for the joint
  stage, from reduced, enlarged and vivid copies too.
Result (Set5, Y, border of the scale cropped):
  scale         x3   x3.4     x4
  PSNR (dB)  32.95  32.11  30.82
All tables and pictures: docs/models/sr-small.md.

How width, depth and the optimizer were chosen: docs/models/README.md.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'sr'
  c.start, c.end = 3.0, 4.0
  c.model.features = 32
  c.model.blocks = 8
  c.model.init_scale = 0.3
  c.model.kernel = 5
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  c.data.scales = '1,0.7,0.5,2'
  c.data.vivid = 0.25
  c.train.steps = 44_000
  c.adapt.steps = 10_000
  c.train.batch = c.adapt.batch = 8
  c.train.patch = c.adapt.patch = 48
  c.train.learning_rate = c.adapt.learning_rate = 2e-3
  c.train.b2 = c.adapt.b2 = 0.99
  c.train.schedule = c.adapt.schedule = 'cosine'
  c.train.warmup = c.adapt.warmup = 500
  c.train.ema = c.adapt.ema = 0.999
  c.path.kind = 'poly'
  c.path.bends = 3
  c.path.steps = 0
  c.path.levels = '3,3.25,3.5,3.75,4'
  c.joint.steps = 16_000
  c.joint.batch = 8
  c.joint.patch = 48
  c.joint.optimizer = 'muon'
  c.joint.loss = 'l2'
  c.joint.learning_rate = 2.5e-4
  c.joint.b2 = 0.99
  c.joint.schedule = 'trapezoid'
  c.joint.warmup = 200
  c.joint.ema = 0.999
  c.run.log_every = 500
  c.run.evaluate_every = 4000
  c.run.checkpoint_every = 2000
  c.run.validate_images = 31
  c.evaluate.levels = '3,3.25,3.5,3.75,4'
  c.calibrate.levels = '3:4:0.2'
  c.calibrate.images = 31
  c.sweep.level = 3.4
  return c

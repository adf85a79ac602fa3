"""The released DeJPEG model, luma, quality 80 -> 10, small.

Command:
  python -m adafm_jax.main --config configs/dejpeg_small.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=live1=/path/to/LIVE1
Hardware: one core of an AMD EPYC, 25 steps/s.
Time: 25 minutes for two stages, 20 minutes for the joint stage. The released
  weights had the joint stage in L1, then 30,000 steps in L2, at a learning rate
  of 2.5e-4: 10,000 from reduced copies too (`data.scales='1,0.7,0.5'`), and
  20,000 from enlarged and vivid ones (`1,0.7,0.5,2`, `data.vivid=0.5`).
Result (LIVE1, Y, Pillow JPEG):
  quality       80     60     40     30     20     10
  PSNR (dB)  38.05  35.21  33.53  32.54  31.17  28.77
All tables and pictures: docs/models/dejpeg-small.md.

The images of BSD were JPEG files of quality 95. They are not reduced first:
that would leave a quarter of the pixels, and change the sharpness. How width,
depth and the optimizer were chosen: docs/models/README.md.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'dejpeg'
  c.start, c.end = 80.0, 10.0
  c.model.channels = 1
  c.model.features = 32
  c.model.blocks = 8
  c.model.init_scale = 0.3
  c.model.kernel = 1
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  c.train.steps = 32_000
  c.adapt.steps = 8000
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
  c.joint.steps = 6000
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
  c.evaluate.levels = '80,60,40,30,20,10'
  c.calibrate.levels = '10:80:10'
  c.calibrate.images = 31
  c.sweep.level = 30.0
  return c

"""DeJPEG, luma, quality 80 -> 10, at the paper's size.

Command:
  python -m release.luma adafm_jax/zoo/denoise.safetensors -o luma.safetensors
  python -m adafm_jax.main --config configs/dejpeg.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.model.init=luma.safetensors \
    --config.evaluate.sets=live1=/path/to/LIVE1
Hardware: one core of an AMD EPYC; the last 11,000 steps: of an Intel Xeon.
Time: 100 minutes, and 170 more for the released weights, which went on from
  there with 8,000 joint steps in L1 and 18,000 in L2, at a learning rate of
  2.5e-4, with copies at 0.7 and 0.5, in the last 11,000 with enlarged and vivid
  ones too (`data.vivid=0.5` in the last 3,000). It begins with the weights of
  the denoiser in the package; without them (no --config.model.init) it needs
  some hours more.
Result (LIVE1, Y, Pillow JPEG):
  quality       80     60     40     30     20     10
  PSNR (dB)  38.37  35.62  34.00  33.02  31.63  29.25
All tables and pictures: docs/models/dejpeg.md.

The images of BSD were JPEG files of quality 95. They are not reduced first:
that would leave a quarter of the pixels, and change the sharpness.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'dejpeg'
  c.start, c.end = 80.0, 10.0
  c.model.channels = 1
  c.model.init_scale = 0.3
  c.model.kernel = 1
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  c.data.scales = '1,0.7,0.5,2'
  c.data.vivid = 0.25
  c.train.steps = 6000
  c.adapt.steps = 1500
  c.path.steps = 0
  c.joint.steps = 9000
  c.train.batch = c.adapt.batch = c.path.batch = c.joint.batch = 8
  c.train.patch = c.adapt.patch = c.path.patch = c.joint.patch = 48
  c.train.optimizer = c.joint.optimizer = 'muon'
  c.train.learning_rate = c.joint.learning_rate = 5e-4
  c.adapt.learning_rate = c.path.learning_rate = 2e-3
  c.joint.loss = 'l2'
  c.train.b2 = c.adapt.b2 = c.path.b2 = c.joint.b2 = 0.99
  c.train.schedule = c.adapt.schedule = 'trapezoid'
  c.path.schedule = c.joint.schedule = 'trapezoid'
  c.train.warmup, c.adapt.warmup = 200, 100
  c.path.warmup, c.joint.warmup = 0, 200
  c.train.ema = c.adapt.ema = c.path.ema = c.joint.ema = 0.999
  c.path.kind = 'poly'
  c.path.bends = 3
  c.run.log_every = 250
  c.run.evaluate_every = 2000
  c.run.checkpoint_every = 500
  c.run.validate_images = 8
  c.evaluate.levels = '80,60,40,30,20,10'
  c.calibrate.levels = '10:80:10'
  c.calibrate.images = 12
  return c

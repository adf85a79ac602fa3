"""A denoiser of colour images, sigma 15 -> 75, at the paper's size.

Command:
  python -m adafm_jax.main --config configs/denoise.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68
Hardware: two cores of an AMD EPYC, beside other work.
Time: some ten hours for the released weights, over several sessions: the run
  was cut into pieces, each from the weights of the one before
  (`--config.model.init`): the stages below, with the joint one in L1; 10,000
  further joint steps; and 20,000 in L2 at a learning rate of 2.5e-4.
Result (CBSD68, RGB, noise clipped to 8 bits):
  sigma         15     25     35     50     75
  PSNR (dB)  33.91  31.29  29.66  28.02  26.22
All tables and pictures: docs/models/denoise.md.

Noise is of both kinds, clipped to 8 bits and unclipped. After the paper's two
stages and the path, all weights learn together: strong noise gains most.
Trained on 400 of the 431 images of BSD; settings were chosen on the other 31.
Those images were JPEG files of halved chroma. Reduced copies, whose chroma is
as fine as luma, were learnt from too in the last 30,000 steps (`data.scales`),
and vivid ones in the last 10,000, so that black stays black (`data.vivid`).
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'denoise'
  c.start, c.end = 15.0, 75.0
  c.noise = 'both'
  c.model.init_scale = 0.3
  c.model.kernel = 1
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  c.data.scales = '1,0.7,0.5'
  c.data.vivid = 0.25
  c.train.steps = 19_000
  c.adapt.steps = 5000
  c.path.steps = 3000
  c.joint.steps = 12_000
  c.train.batch = c.adapt.batch = c.path.batch = c.joint.batch = 8
  c.train.patch = c.adapt.patch = c.path.patch = c.joint.patch = 48
  c.train.optimizer = c.joint.optimizer = 'muon'
  c.train.learning_rate = c.joint.learning_rate = 5e-4
  c.adapt.learning_rate = c.path.learning_rate = 2e-3
  c.joint.loss = 'l2'
  c.train.b2 = c.adapt.b2 = c.path.b2 = c.joint.b2 = 0.99
  c.train.schedule = c.adapt.schedule = 'trapezoid'
  c.path.schedule = c.joint.schedule = 'trapezoid'
  c.train.warmup, c.adapt.warmup = 500, 200
  c.path.warmup, c.joint.warmup = 100, 200
  c.train.ema = c.adapt.ema = c.path.ema = c.joint.ema = 0.999
  c.path.kind = 'poly'
  c.path.bends = 3
  c.run.log_every = 500
  c.run.evaluate_every = 4000
  c.run.checkpoint_every = 1000
  c.run.validate_images = 8
  c.evaluate.levels = '15,25,35,50,75'
  c.evaluate.protocols = 'clipped,float'
  c.calibrate.levels = '15:75:10'
  c.calibrate.images = 16
  return c

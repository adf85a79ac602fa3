"""Super-resolution, x3 -> x4, at the paper's size.

Command:
  python -m adafm_jax.main --config configs/sr.py --workdir DIR \
    --config.data.train=/path/to/BSD431 \
    --config.model.init=adafm_jax/zoo/sr.safetensors \
    --config.evaluate.sets=set5=/path/to/Set5,set14=/path/to/Set14
Hardware: one core of an AMD EPYC; then one and in the end two of an Intel Xeon.
Time: two hours from the release before, which began with the backbone of the
  denoiser in the package: 5,000, 1,500 and 4,500 steps of the three stages,
  backbone and joint stage at a learning rate of 5e-4. They went on with 13,500,
  1,500 and 8,000, from reduced copies, in L1; then with 8,000 joint steps as
  below, from enlarged and vivid copies too, in L2: 80 minutes. The last 15,500
  steps were twice --config.joint.batch=16 --config.joint.schedule=cosine
  --config.joint.learning_rate=2e-4 --config.data.vivid=1, of 75 minutes each.
Result (Set5, Y, border of the scale cropped):
  scale         x3  x3.25   x3.5  x3.75     x4
  PSNR (dB)  33.43  33.00  32.45  31.88  31.38
All tables and pictures: docs/models/sr.md.

As in SRCNN's protocol the small image is enlarged by bicubic interpolation
first, and the network restores it at full size. Enlarged middles and vivid
copies gained 0.5 to 0.7 dB on the photographs of scikit-image, which have more
black and smooth parts than those of BSD.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'sr'
  c.start, c.end = 3.0, 4.0
  c.model.init_scale = 0.3
  c.model.kernel = 5
  c.data.train = '/path/to/BSD431'
  c.data.holdout = 31
  c.data.scales = '1,0.7,0.5,2'
  c.data.vivid = 0.25
  c.train.steps = 12000
  c.adapt.steps = 1500
  c.path.steps = 0
  c.path.levels = '3,3.25,3.5,3.75,4'
  c.joint.steps = 8000
  c.train.batch = c.adapt.batch = c.path.batch = c.joint.batch = 8
  c.train.patch = c.adapt.patch = c.path.patch = c.joint.patch = 48
  c.train.optimizer = c.joint.optimizer = 'muon'
  c.train.learning_rate = c.joint.learning_rate = 2.5e-4
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
  c.evaluate.levels = '3,3.25,3.5,3.75,4'
  c.calibrate.levels = '3:4:0.2'
  c.calibrate.images = 12
  return c

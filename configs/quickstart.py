"""A small denoiser, sigma 15 -> 75, trained on photographs in scikit-image.

Command:
  python -m adafm_jax.main --config configs/quickstart.py --workdir DIR
Hardware: 2 cores of an Intel Xeon. No download.
Time: 2 min.
Result (two other photographs of scikit-image, RGB, noise clipped to 8 bits):
  metrics.md in DIR; at sigma 75 over 8 dB above the noisy input.

It shows every part of the job. The model is not good: it learns from nine
photographs, for two minutes.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.model.features = 16
  c.model.blocks = 3
  c.model.init_scale = 0.3
  c.data.train = 'photos:train'
  c.data.heldout = 'photos:heldout'
  c.train.steps = 6000
  c.adapt.steps = 2000
  c.train.batch = c.adapt.batch = 8
  c.train.patch = c.adapt.patch = 48
  c.train.learning_rate = c.adapt.learning_rate = 2e-3
  c.train.b2 = c.adapt.b2 = 0.99
  c.train.schedule = c.adapt.schedule = 'cosine'
  c.train.warmup = c.adapt.warmup = 200
  c.train.ema = c.adapt.ema = 0.99
  c.run.log_every = 500
  c.run.evaluate_every = 2000
  c.run.checkpoint_every = 2000
  c.evaluate.sets = 'photos=photos:evaluate'
  c.evaluate.levels = '15:75:15'
  return c

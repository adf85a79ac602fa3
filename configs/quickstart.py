"""A small denoiser, sigma 15 -> 75, trained on photographs in scikit-image.

Command:
  python -m adafm_jax.main --config configs/quickstart.py --workdir DIR
Hardware: 2 CPU cores. Time: under 4 minutes. No download.

It shows every part of the job, not a good model: nine photographs and two
minutes of training.
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
  for stage in (c.train, c.adapt):
    stage.batch = 8
    stage.patch = 48
    stage.learning_rate = 2e-3
    stage.b2 = 0.99
    stage.schedule = 'cosine'
    stage.warmup = 200
    stage.ema = 0.99
  c.run.log_every = 500
  c.run.evaluate_every = 2000
  c.run.checkpoint_every = 2000
  c.evaluate.sets = 'photos=photos:evaluate'
  c.evaluate.levels = '15:75:15'
  return c

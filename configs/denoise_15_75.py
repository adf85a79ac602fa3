"""Denoising of colour images, sigma 15 -> 75, as in the paper.

Command:
  python -m adafm_jax.main --config configs/denoise_15_75.py --workdir DIR \
    --config.data.train=/path/to/DIV2K_train_HR \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68
Hardware: one accelerator. Time: 1M + 500k steps of 16 patches of 96 x 96; not
  measured.
Result: not trained by us. The paper has (Tables 2, 3 and 5; CBSD68, RGB, noise
  clipped to 8 bits): 34.10 dB at sigma 15, 26.35 dB at sigma 75.

AdaFM filters are 1x1.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'denoise'
  c.start, c.end = 15.0, 75.0
  c.model.kernel = 1
  c.evaluate.levels = '15,25,35,50,75'
  c.evaluate.protocols = 'clipped,float'
  c.calibrate.levels = '15:75:10'
  return c

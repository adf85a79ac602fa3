"""Super-resolution, x3 -> x4, as in the paper.

Command:
  python -m adafm_jax.main --config configs/sr_x3_x4.py --workdir DIR \
    --config.data.train=/path/to/DIV2K_train_HR \
    --config.evaluate.sets=set5=/path/to/Set5
Hardware: one accelerator. Time: 1M + 500k steps of 16 patches of 96 x 96; not
  measured.
Result: not trained by us. The paper has (Tables 2 and 3; Set5, Y, border of the
  scale cropped): 34.34 dB at x3, 32.00 dB at x4.

The network works at the size of the result: its input is the small image
enlarged by MATLAB's bicubic. Any scale between the ends can be restored. AdaFM
filters are 5x5; 1x1 filters lose 0.6 dB at x4.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'sr'
  c.start, c.end = 3.0, 4.0
  c.model.kernel = 5
  c.evaluate.levels = '3,3.4,4'
  c.calibrate.levels = '3:4:0.2'
  c.sweep.level = 3.4
  return c

"""Removal of JPEG artefacts on luma, quality 80 -> 10, as in the paper.

Command:
  python -m adafm_jax.main --config configs/dejpeg_80_10.py --workdir DIR \
    --config.data.train=/path/to/DIV2K_train_HR \
    --config.evaluate.sets=live1=/path/to/LIVE1
Hardware: one accelerator. Time: 1M + 500k steps of 16 patches of 96 x 96; not
  measured.
Result: not trained by us. The paper has (Tables 3 and 5; LIVE1, MATLAB's Y):
  38.81 dB at q 80, 29.35 dB at q 10.

AdaFM filters are 1x1. If the training images are JPEG files, reduce them first
(--config.data.shrink=2), so that the network does not learn their artefacts.
"""

from adafm_jax import config


def get_config():
  c = config.default()
  c.task = 'dejpeg'
  c.start, c.end = 80.0, 10.0
  c.model.channels = 1
  c.model.kernel = 1
  c.evaluate.levels = '80,60,40,20,10'
  c.calibrate.levels = '10:80:10'
  c.sweep.level = 30.0
  return c

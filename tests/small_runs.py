"""Real runs of the quickstart, shrunk by overrides, as a user starts them."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
MAIN = (sys.executable, '-m', 'adafm_jax.main')


def arguments(images, *, stage, **fields):
  """The quickstart at a hundredth of its size.

  Args:
    images: folder of images; the last one is held out.
    stage: fields of both stages.
    fields: other fields, by names such as run__log_every=5.
  """
  stage = {'patch': 16, **stage}
  fields = {
    'model.features': 4,
    'model.blocks': 1,
    'model.init_scale': 1.0,
    'data.train': images,
    'data.heldout': '',
    'data.holdout': 1,
    'run.validate_images': 1,
    'evaluate.sets': '',
    'evaluate.levels': '15',
    'evaluate.ssim': 'false',
    'calibrate.levels': '15,45,75',
    'calibrate.order': 1,
    'calibrate.grid': '0,0.5,1',
    'sweep.strengths': '0,1',
    'sweep.images': 1,
    **{f'train.{name}': value for name, value in stage.items()},
    **{f'adapt.{name}': value for name, value in stage.items()},
    **{name.replace('__', '.'): value for name, value in fields.items()},
  }
  overrides = [f'--config.{name}={value}' for name, value in fields.items()]
  return ['--config', 'configs/quickstart.py', *overrides]


def start(command, *, optimize=False, **options):
  """Starts a command on the CPU; its output has stderr as well.

  Without optimizations compiling takes a third of the time.
  """
  return subprocess.Popen(
    command,
    cwd=ROOT,
    env={
      **os.environ,
      'JAX_PLATFORMS': 'cpu',
      'XLA_FLAGS': '',
      'JAX_DISABLE_MOST_OPTIMIZATIONS': str(not optimize),
      'PYTHON': sys.executable,
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    **options,
  )

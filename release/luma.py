"""Makes a luma network of a colour network, to begin training with.

  python -m release.luma adafm_jax/zoo/denoise.safetensors -o luma.safetensors
  python -m adafm_jax.main --config configs/dejpeg.py --workdir DIR \
    --config.data.train=/path/to/BSD431 --config.model.init=luma.safetensors

On grey images it gives what the colour network gives, on average over the
channels. What it learnt of edges and textures serves other tasks too.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence

from adafm_jax.errors import UserError, entry_point
from adafm_jax.model import Model


def to_luma(model: Model) -> Model:
  """The network whose input is one channel instead of three equal ones.

  Args:
    model: of a colour network.

  Returns:
    A model with `arch.channels` 1; its result is the mean over the channels.

  Raises:
    UserError: the model is of a luma network already.
  """
  if model.arch.channels == 1:
    raise UserError('The model is of a luma network already.')
  head, tail = model.params['head'], model.params['tail']
  kernel = head['kernel'].sum(axis=2, keepdims=True)
  params = model.params | {
    'head': head | {'kernel': kernel},
    'tail': {k: x.mean(axis=-1, keepdims=True) for k, x in tail.items()},
  }
  arch = dataclasses.replace(model.arch, channels=1)
  return dataclasses.replace(model, arch=arch, params=params)


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
  """The command `python -m release.luma`."""
  parser = argparse.ArgumentParser(
    prog='python -m release.luma',
    description='Makes a luma network of a colour network.',
  )
  parser.add_argument('file', help='model file of a colour network')
  parser.add_argument('-o', '--output', required=True, help='model file')
  options = parser.parse_args(argv)
  to_luma(Model.load(options.file)).save(options.output)


if __name__ == '__main__':
  sys.exit(main())

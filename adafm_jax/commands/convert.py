"""`adafm convert`: weights of the authors' PyTorch code to a model file."""

from __future__ import annotations

import argparse

from adafm_jax.degrade import level as levels


def arguments(parser: argparse.ArgumentParser) -> None:
  """Declares the command's options."""
  add = parser.add_argument
  add('file', help='state dict saved by PyTorch (.pth)')
  add('-o', '--output', required=True, help='model file (.safetensors)')
  add('--task', required=True, choices=list(levels.TASKS))
  add('--start', type=float, required=True, help='level of strength 0')
  add('--end', type=float, required=True, help='level of strength 1')


def run(options: argparse.Namespace) -> None:
  """Converts the file.

  Raises:
    UserError: it is not a state dict of the authors' network, or the levels are
      not legal.
  """
  from adafm_jax.model import Model
  from adafm_jax.model_file import authors

  span = levels.LevelRange(options.task, options.start, options.end)
  arch, params = authors.from_authors(authors.read_pth(options.file))
  model = Model(
    arch=arch,
    levels=span,
    params=params,
    # The authors' noisy images are 8-bit files.
    noise='clipped' if options.task == 'denoise' else None,
    provenance=authors.provenance(options.file),
  )
  model.save(options.output)
  print(f'wrote {options.output}: {arch}, {span}')

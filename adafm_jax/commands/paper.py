"""Runs the paper's experiments: `adafm train --config configs/paper`.

See docs/paper.md.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from adafm_jax import errors
from adafm_jax.engine import compile_cache, heap
from adafm_jax.paper import lists, runner
from adafm_jax.train import logs
from adafm_jax.train import mesh as meshes


def run(path: str, overrides: Mapping[str, str], workdir: pathlib.Path) -> int:
  """Runs lists of variations.

  Args:
    path: a file that defines `get_variations()`, or a folder of such files.
    overrides: text by dotted name, see `paper.lists`.
    workdir: created if missing; may hold the results of other lists.

  Returns:
    Exit code: 1 if a variation failed.

  Raises:
    UserError: a mistake in the lists or overrides; images are missing.
  """
  asked = lists.read(path, overrides)
  compile_cache.enable()
  heap.keep()
  if asked.base.model.features >= 64:  # smaller ones are faster on one core
    fields = (asked.base.train, asked.base.adapt, asked.base.path)
    meshes.use_all_cores([stage.batch for stage in fields])
  failed = runner.run(asked, workdir)
  errors.show(failed)
  logs.say(f'done; now adafm report {workdir}')
  return 1 if failed else 0

"""Trains: `python -m adafm_jax.main --config configs/quickstart.py`.

Give --workdir alone to resume the run it holds. Fields are overridden as in
--config.train.steps=2000. See launch/ for several processes.
"""

from __future__ import annotations

import sys

from absl import flags
from ml_collections import config_flags

from adafm_jax import command_line, config
from adafm_jax.errors import entry_point

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'An experiment, such as configs/denoise_15_75.py.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Checkpoints and results; a run there is resumed.'
)
_COORDINATOR = flags.DEFINE_string(
  'coordinator',
  None,
  'HOST:PORT of process 0 when several processes train together.',
)
_PROCESSES = flags.DEFINE_integer('processes', None, 'How many processes.')
_PROCESS = flags.DEFINE_integer('process', None, 'Which one this is, from 0.')


@entry_point
def main(argv: list[str]) -> None:
  """Parses the command line and runs the experiment."""
  command_line.check_config_overrides(argv)
  command_line.parse(flags.FLAGS, argv)
  parsed = config.parse(_CONFIG.value) if _CONFIG.value else None
  workdir = command_line.require_workdir(_WORKDIR.value, parsed)
  command_line.join_processes(
    _COORDINATOR.value, _PROCESSES.value, _PROCESS.value
  )
  from adafm_jax import experiment  # JAX may start only after joining

  experiment.run(parsed, workdir)


if __name__ == '__main__':
  sys.exit(main(sys.argv))

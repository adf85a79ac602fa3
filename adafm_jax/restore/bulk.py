"""Restores with Ray: `python -m adafm_jax.restore.bulk --help`."""

import sys

from adafm_jax.commands.bulk import main

if __name__ == '__main__':
  sys.exit(main())

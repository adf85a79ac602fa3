"""Restores images at many strengths: `python -m adafm_jax.sweep --help`."""

import sys

from adafm_jax.commands.sweep import main

if __name__ == '__main__':
  sys.exit(main())

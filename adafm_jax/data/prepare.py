"""Prepares a data set: `python -m adafm_jax.data.prepare --help`."""

import sys

from adafm_jax.prepare.prepare import main

if __name__ == '__main__':
  sys.exit(main())
